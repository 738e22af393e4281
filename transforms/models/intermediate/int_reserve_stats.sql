-- Prices of energy and reserve products of earlier days as known at each gate: lags and statistics of the same local time, and of whole days.
-- Grain: market, hub, product, delivery_date, local_minute. As-of rule: usable_from_date <= delivery_date. The hour that a 23-hour day lacks
-- has no lag; of a repeated hour the first one is the lag.
{{ config(materialized='ephemeral') }}

with

prices as (
    select
        *,
        delivery_date as price_date
    from {{ ref('int_reserve_prices_asof') }}
    where {{ of_market() }} and {{ is_rebuilt(days_before=28) }}
),

projected as (
    select
        * except (delivery_date),
        arrayJoin(range(1, 29)) as days_back,
        addDays(price_date, days_back) as delivery_date
    from prices
),

usable as (
    select *
    from projected
    where usable_from_date <= delivery_date and {{ is_rebuilt() }}
),

by_local_time as (
    select
        market,
        hub,
        product,
        delivery_date,
        local_minute,
        {% for days in [1, 2, 3, 7, 14] %}
            anyIf(toNullable(price_ccy_per_mwh), days_back = {{ days }} and dst_fold = 0) as price_lag_{{ days }}d_ccy_per_mwh,
        {% endfor %}
        {{ stable_array('price_ccy_per_mwh', 'delivery_ts') }} as prices_28d,
        arrayMap(
            pair -> pair.2, arraySort(groupArrayIf((delivery_ts, price_ccy_per_mwh), days_back <= 7))
        ) as prices_7d
    from usable
    group by market, hub, product, delivery_date, local_minute
),

by_day as (
    select
        market,
        hub,
        product,
        delivery_date,
        {{ stable_array('price_ccy_per_mwh', 'delivery_ts') }} as day_prices_28d,
        arrayMap(
            pair -> pair.2, arraySort(groupArrayIf((delivery_ts, price_ccy_per_mwh), days_back <= 7))
        ) as day_prices_7d
    from usable
    group by market, hub, product, delivery_date
)

select
    by_local_time.* except (prices_28d, prices_7d),
    {{ mean_of('by_local_time.prices_7d') }} as price_hour_mean_7d_ccy_per_mwh,
    {{ mean_of('by_local_time.prices_28d') }} as price_hour_mean_28d_ccy_per_mwh,
    if(length(by_local_time.prices_28d) < 2, null, arrayReduce('stddevSampStable', by_local_time.prices_28d))
        as price_hour_std_28d_ccy_per_mwh,
    {{ mean_of('by_day.day_prices_28d') }} as price_mean_28d_ccy_per_mwh,
    {{ mean_of('by_day.day_prices_7d') }} as price_mean_7d_ccy_per_mwh,
    if(length(by_day.day_prices_7d) < 2, null, arrayReduce('stddevSampStable', by_day.day_prices_7d)) as price_std_7d_ccy_per_mwh,
    if(empty(by_day.day_prices_7d), null, arrayMax(by_day.day_prices_7d)) as price_max_7d_ccy_per_mwh
from by_local_time
inner join by_day
    on
        by_local_time.market = by_day.market
        and by_local_time.hub = by_day.hub
        and by_local_time.product = by_day.product
        and by_local_time.delivery_date = by_day.delivery_date
