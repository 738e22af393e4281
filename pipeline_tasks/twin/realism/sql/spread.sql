-- Day-ahead against real time, hour by hour: spread (day-ahead less real-time), its sign, its size, and how much more real time moves.
-- Grain: fact, slice, year (0 for the whole window), hub. Differences are divided by the mean day-ahead price.
with

{% with places = 'hubs' %}{% include '_hours.sql' %}{% endwith %},

pairs as (
    select
        ahead.hub as hub,
        ahead.hour_no as hour_no,
        ahead.local_date as local_date,
        ahead.local_year as local_year,
        ahead.price as da,
        live.price as rt
    from (select * from hours where product = 'da') as ahead
    inner join (select * from hours where product = 'rt') as live on ahead.hub = live.hub and ahead.hour_no = live.hour_no
),

followed as (
    select
        *,
        any(hour_no) over last_hour = hour_no - 1 as follows,
        any(da) over last_hour as da_before,
        any(rt) over last_hour as rt_before
    from pairs
    window last_hour as (partition by hub order by hour_no rows between 1 preceding and 1 preceding)
),

spans as (
    select
        *,
        arrayJoin([0, local_year]) as year
    from followed
),

stats as (
    select
        hub,
        year,
        count() as n,
        min(local_date) as first_date,
        max(local_date) as last_date,
        avg(da) as mean,
        avg(da - rt) as spread_mean,
        stddevSampStable(da - rt) as spread_sd,
        avg(da > rt) as spread_positive,
        avg(abs(da - rt)) as spread_size,
        quantileExactInclusive(0.5)(da - rt) as spread_median,
        stddevSampStable(rt) / stddevSampStable(da) as level_ratio,
        stddevSampStableIf(rt - rt_before, follows) / stddevSampStableIf(da - da_before, follows) as change_ratio,
        corrStable(da, rt) as correlation
    from spans
    group by hub, year
)

select
    f.1 as fact,
    f.2 as slice,
    f.3 as unit,
    year,
    hub,
    f.4 as x,
    n,
    first_date,
    last_date
from stats
array join [
    ('spread_mean', 'da - rt', '1', spread_mean / mean),
    ('spread_median', 'da - rt', '1', spread_median / mean),
    ('spread_sd', 'da - rt', '1', spread_sd / mean),
    ('spread_positive_share', 'da - rt', '1', spread_positive),
    ('price_forecast_error', 'day ahead', '1', spread_size / mean),
    ('volatility_ratio', 'levels', '1', level_ratio),
    ('volatility_ratio', 'hourly changes', '1', change_ratio),
    ('da_rt_correlation', 'da, rt', '1', correlation)
] as f
