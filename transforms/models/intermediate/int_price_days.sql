-- Statistics of whole days of prices, as known at each gate.
-- Grain: market, hub, product, delivery_date. As-of rule: usable_from_date <= delivery_date <= usable_to_date.
-- A day is fully known when every interval of the calendar is; none older than 14 days counts.
{{ config(materialized='ephemeral') }}

with

prices as (
    select
        *,
        delivery_date as price_date
    from {{ ref('int_prices_asof') }}
    where {{ of_market() }} and {{ is_rebuilt(days_before=14) }}
),

calendar_days as (
    select distinct
        market,
        delivery_date as price_date,
        day_intervals
    from {{ ref('int_market_calendar') }}
    where {{ of_market() }} and {{ is_rebuilt(days_before=14) }}
),

projected as (
    select
        * except (delivery_date),
        arrayJoin(range(0, 15)) as days_back,
        addDays(price_date, days_back) as delivery_date
    from prices
),

by_day as (
    select
        market,
        hub,
        product,
        delivery_date,
        days_back,
        price_date,
        {{ stable_array('price_ccy_per_mwh', 'delivery_ts') }} as prices_of_day,
        max(delivery_ts) as last_ts
    from projected
    where
        delivery_date >= usable_from_date
        and delivery_date <= usable_to_date
        and {{ is_rebuilt() }}
    group by market, hub, product, delivery_date, days_back, price_date
),

days as (
    select
        by_day.market as market,
        by_day.hub as hub,
        by_day.product as product,
        by_day.delivery_date as delivery_date,
        by_day.days_back as days_back,
        by_day.prices_of_day as prices_of_day,
        by_day.last_ts as last_ts,
        by_day.days_back >= 1 and length(by_day.prices_of_day) = calendar_days.day_intervals as is_whole
    from by_day
    inner join calendar_days on by_day.market = calendar_days.market and by_day.price_date = calendar_days.price_date
),

by_gate as (
    select
        market,
        hub,
        product,
        delivery_date,
        argMax(prices_of_day[-1], last_ts) as price_last_ccy_per_mwh,
        argMinIf(prices_of_day, days_back, is_whole) as prices_prev_day,
        arrayFlatten(
            arrayMap(
                pair -> pair.2,
                arrayReverseSort(pair -> pair.1, groupArrayIf((days_back, prices_of_day), days_back between 1 and 7))
            )
        ) as prices_7d
    from days
    group by market, hub, product, delivery_date
)

select
    market,
    hub,
    product,
    delivery_date,
    price_last_ccy_per_mwh,
    {{ mean_of('prices_prev_day') }} as price_prev_day_mean_ccy_per_mwh,
    if(empty(prices_prev_day), null, arrayMin(prices_prev_day)) as price_prev_day_min_ccy_per_mwh,
    if(empty(prices_prev_day), null, arrayMax(prices_prev_day)) as price_prev_day_max_ccy_per_mwh,
    {{ mean_of('prices_7d') }} as price_mean_7d_ccy_per_mwh,
    if(length(prices_7d) < 2, null, arrayReduce('stddevSampStable', prices_7d)) as price_std_7d_ccy_per_mwh,
    if(empty(prices_7d), null, arrayMax(prices_7d)) as price_max_7d_ccy_per_mwh
from by_gate
