-- Reserve prices beside the energy price of the same hour: rank correlation, correlation, mean ratio, share of (nearly) free hours.
-- Grain: fact, slice, year (0 for the whole window), product of the class. The energy price is the mean over hubs.
{% from '_mean_rank.sql' import mean_rank -%}
with

{% with places = 'hubs' %}{% include '_hours.sql' %}{% endwith %},

energy as (
    select
        hour_no,
        any(local_date) as local_date,
        any(local_year) as local_year,
        avg(price) as energy_price
    from hours
    where product = {reserve_energy:String}
    group by hour_no
),

reserve_intervals as (
    select
        hub,
        product,
        delivery_ts,
        resolution_min,
        argMax(price_ccy_per_mwh, (known_ts, ingested_ts)) as newest
    from raw.prices
    where
        market = {market:String}
        and product in {reserve_products:Array(String)}
        and delivery_ts >= {from:DateTime64(3, 'UTC')}
        and resolution_min <= 60
    group by hub, product, delivery_ts, resolution_min
),

reserves as (
    select
        product,
        resolution_min,
        intDiv(toUnixTimestamp(delivery_ts), 3600) as hour_no,
        avg(newest) as reserve_price
    from reserve_intervals
    group by product, resolution_min, hour_no
    having count() >= intDiv(60, resolution_min)
    order by resolution_min
    limit 1 by product, hour_no
),

spans as (
    select
        product,
        local_date,
        arrayJoin([0, local_year]) as year,
        energy_price,
        reserve_price
    from reserves
    inner join energy using (hour_no)
),

ranked as (
    select
        *,
        avg(energy_price) over (partition by product, year) as avg_energy,
        {{ mean_rank('reserve_price', 'product, year') }} as reserve_rank,
        {{ mean_rank('energy_price', 'product, year') }} as energy_rank
    from spans
),

stats as (
    select
        product,
        transform(toString(product), {reserve_products:Array(String)}, {reserve_classes:Array(String)}, '') as name,
        year,
        count() as n,
        min(local_date) as first_date,
        max(local_date) as last_date,
        corrStable(reserve_rank, energy_rank) as rank_correlation,
        corrStable(reserve_price, energy_price) as correlation,
        avg(reserve_price) / avg(energy_price) as ratio,
        avg(reserve_price < 0.01 * avg_energy) as free
    from ranked
    group by product, year
)

select
    f.1 as fact,
    f.2 as slice,
    f.3 as unit,
    year,
    toString(product) as hub,
    f.4 as x,
    n,
    first_date,
    last_date
from stats
array join [
    ('reserve_energy_rank', name, '1', rank_correlation),
    ('reserve_energy_correlation', name, '1', correlation),
    ('reserve_price_ratio', name, '1', ratio),
    ('reserve_free_share', name, '1', free)
] as f
