-- Every delivery interval of a market, from its first price to its last price or the requested end date.
-- Grain: market, delivery_ts. as_of is the market's gate for the delivery date; 23- and 25-hour days have as many intervals.
{{ config(order_by='(market, delivery_ts)') }}

with

market_settings as (
    select * from {{ source('calendar', 'market_settings') }} where {{ of_market() }}
),

days as (
    select * from {{ source('calendar', 'market_days') }} where {{ of_market() }}
),

prices as (
    select * from {{ ref('stg_prices') }} where {{ of_market() }}
),

spans as (
    select
        prices.market as market,
        min(prices.delivery_ts) as first_ts,
        max(prices.delivery_ts) as last_ts
    from prices
    inner join market_settings
        on
            prices.market = market_settings.market
            and prices.product = market_settings.product
            and prices.resolution_min = market_settings.resolution_min
    group by prices.market
),

delivery_days as (
    select
        days.market as market,
        days.delivery_date as delivery_date,
        days.day_start_ts as day_start_ts,
        days.day_end_ts as day_end_ts,
        days.as_of as as_of,
        days.utc_offset_start_min as utc_offset_start_min,
        days.utc_offset_end_min as utc_offset_end_min,
        days.offset_change_ts as offset_change_ts,
        days.is_holiday as is_holiday,
        market_settings.resolution_min as resolution_min
    from days
    inner join spans on days.market = spans.market
    inner join market_settings on days.market = market_settings.market
    where
        days.day_end_ts > spans.first_ts
        and (days.day_start_ts <= spans.last_ts or days.delivery_date <= {{ calendar_end_date() }})
),

intervals as (
    select
        *,
        {{ intervals_of_day('resolution_min') }}
    from delivery_days
),

local_clock as (
    select
        *,
        {{ local_clock() }}
    from intervals
),

final as (
    select
        market,
        delivery_ts,
        delivery_date,
        intDiv(local_minute, 60) as local_hour,
        local_minute,
        toInt64(is_repeated) as dst_fold,
        resolution_min,
        as_of,
        intDiv(day_minutes, resolution_min) as day_intervals,
        toDayOfWeek(delivery_date) as day_of_week,
        toMonth(delivery_date) as month,
        toDayOfYear(delivery_date) as day_of_year,
        is_holiday
    from local_clock
)

{{ as_contract('final') }}
