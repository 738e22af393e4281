-- Spread of the balancing price over the day-ahead price of every delivery interval, with the first delivery date whose gate saw it.
-- Grain: market, hub, delivery_ts. As-of rule: known at the gate of D when usable_from_date <= D. Both prices are the first published ones:
-- a correction does not change what a schedule was settled at first. Balancing prices of finer intervals are averaged, and only when all
-- of an interval's are there. Markets without a balancing product have no rows.
{{ config(order_by='(market, hub, delivery_ts)') }}

with

market_settings as (
    select * from {{ source('calendar', 'market_settings') }} where {{ of_market() }} and balancing_product != ''
),

days as (
    select
        market,
        delivery_date,
        as_of
    from {{ source('calendar', 'market_days') }} where {{ of_market() }}
),

calendar as (
    select * from {{ ref('int_market_calendar') }} where {{ of_market() }}
),

prices as (
    select * from {{ ref('stg_prices') }} where {{ of_market() }}
),

day_ahead as (
    select
        market,
        hub,
        delivery_ts,
        any(first_price_ccy_per_mwh) as price_ccy_per_mwh,
        any(first_known_ts) as known_ts
    from {{ ref('int_prices_asof') }}
    where {{ of_market() }}
    group by market, hub, delivery_ts
),

first_versions as (
    select
        prices.market as market,
        prices.hub as hub,
        prices.resolution_min as resolution_min,
        prices.delivery_ts as piece_ts,
        argMin(prices.price_ccy_per_mwh, prices.known_ts) as price_ccy_per_mwh,
        min(prices.known_ts) as first_known_ts
    from prices
    inner join market_settings
        on
            prices.market = market_settings.market
            and prices.product = market_settings.balancing_product
    where prices.resolution_min <= market_settings.resolution_min
    group by prices.market, prices.hub, prices.resolution_min, prices.delivery_ts
),

on_calendar as (
    select
        first_versions.market as market,
        first_versions.hub as hub,
        first_versions.resolution_min as piece_min,
        first_versions.piece_ts as piece_ts,
        first_versions.price_ccy_per_mwh as price_ccy_per_mwh,
        first_versions.first_known_ts as first_known_ts,
        calendar.delivery_ts as delivery_ts,
        calendar.delivery_date as delivery_date,
        calendar.local_minute as local_minute,
        calendar.dst_fold as dst_fold,
        calendar.resolution_min as interval_min
    from first_versions
    asof join calendar on first_versions.market = calendar.market and first_versions.piece_ts >= calendar.delivery_ts
),

whole_intervals as (
    select
        market,
        hub,
        delivery_ts,
        piece_min,
        any(delivery_date) as delivery_date,
        any(local_minute) as local_minute,
        any(dst_fold) as dst_fold,
        arrayAvg({{ stable_array('price_ccy_per_mwh', 'piece_ts') }}) as price_ccy_per_mwh,
        max(first_known_ts) as known_ts
    from on_calendar
    where piece_ts < delivery_ts + toIntervalMinute(interval_min)
    group by market, hub, delivery_ts, piece_min, interval_min
    having count() * piece_min = interval_min
),

balancing as (
    select * from whole_intervals
    order by piece_min desc
    limit 1 by market, hub, delivery_ts
),

spreads as (
    select
        balancing.market as market,
        balancing.hub as hub,
        balancing.delivery_ts as delivery_ts,
        balancing.delivery_date as delivery_date,
        balancing.local_minute as local_minute,
        balancing.dst_fold as dst_fold,
        balancing.price_ccy_per_mwh - day_ahead.price_ccy_per_mwh as spread_ccy_per_mwh,
        greatest(balancing.known_ts, day_ahead.known_ts) as spread_known_ts
    from balancing
    inner join day_ahead
        on
            balancing.market = day_ahead.market
            and balancing.hub = day_ahead.hub
            and balancing.delivery_ts = day_ahead.delivery_ts
),

final as (
    select
        spreads.market as market,
        spreads.hub as hub,
        spreads.delivery_ts as delivery_ts,
        spreads.delivery_date as delivery_date,
        spreads.local_minute as local_minute,
        spreads.dst_fold as dst_fold,
        spreads.spread_ccy_per_mwh as spread_ccy_per_mwh,
        spreads.spread_known_ts as known_ts,
        days.delivery_date as usable_from_date
    from spreads
    asof join days on spreads.market = days.market and spreads.spread_known_ts <= days.as_of
)

{{ as_contract('final') }}
