-- Spreads of earlier days as known at each gate: lags and statistics of the same local time, and of whole days.
-- Grain: market, hub, delivery_date, local_minute. As-of rule: usable_from_date <= delivery_date. The hour that a 23-hour day lacks has
-- no lag; of a repeated hour the first one is the lag.
{{ config(materialized='ephemeral') }}

with

spreads as (
    select
        *,
        delivery_date as spread_date
    from {{ ref('int_spreads_asof') }}
    where {{ of_market() }} and {{ is_rebuilt(days_before=28) }}
),

projected as (
    select
        * except (delivery_date),
        arrayJoin(range(1, 29)) as days_back,
        addDays(spread_date, days_back) as delivery_date
    from spreads
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
        delivery_date,
        local_minute,
        {% for days in [1, 2, 3, 7, 14] %}
            anyIf(toNullable(spread_ccy_per_mwh), days_back = {{ days }} and dst_fold = 0) as price_lag_{{ days }}d_ccy_per_mwh,
        {% endfor %}
        {{ stable_array('spread_ccy_per_mwh', 'delivery_ts') }} as spreads_28d
    from usable
    group by market, hub, delivery_date, local_minute
),

by_day as (
    select
        market,
        hub,
        delivery_date,
        {{ stable_array('spread_ccy_per_mwh', 'delivery_ts') }} as day_spreads_28d,
        arrayMap(
            pair -> pair.2, arraySort(groupArrayIf((delivery_ts, spread_ccy_per_mwh), days_back <= 7))
        ) as day_spreads_7d
    from usable
    group by market, hub, delivery_date
)

select
    by_local_time.* except (spreads_28d),
    {{ mean_of('by_local_time.spreads_28d') }} as price_hour_mean_28d_ccy_per_mwh,
    if(length(by_local_time.spreads_28d) < 2, null, arrayReduce('stddevSampStable', by_local_time.spreads_28d))
        as price_hour_std_28d_ccy_per_mwh,
    arrayCount(spread -> spread > 0, by_local_time.spreads_28d) / length(by_local_time.spreads_28d) as price_hour_positive_28d_share,
    {{ mean_of('by_day.day_spreads_28d') }} as price_mean_28d_ccy_per_mwh,
    {{ mean_of('by_day.day_spreads_7d') }} as price_mean_7d_ccy_per_mwh,
    if(length(by_day.day_spreads_7d) < 2, null, arrayReduce('stddevSampStable', by_day.day_spreads_7d)) as price_std_7d_ccy_per_mwh
from by_local_time
inner join by_day
    on
        by_local_time.market = by_day.market
        and by_local_time.hub = by_day.hub
        and by_local_time.delivery_date = by_day.delivery_date
