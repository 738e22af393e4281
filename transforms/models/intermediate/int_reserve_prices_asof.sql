-- First published prices of energy and of every reserve product, with the first delivery date whose gate saw each.
-- Grain: market, hub, product, delivery_ts. As-of rule: known at the gate of D when usable_from_date <= D. Rows begin with the first quoted
-- reserve price of the market; energy is that of the hubs that are co-forecast. Prices of other intervals than the market's are left out.
-- Markets without reserve products have no rows.
{{ config(order_by='(market, hub, product, delivery_ts)') }}

with

market_settings as (
    select * from {{ source('calendar', 'market_settings') }} where {{ of_market() }} and reserve_products != ''
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

of_the_products as (
    select
        prices.market as market,
        prices.hub as hub,
        prices.product as product,
        prices.delivery_ts as delivery_ts,
        prices.product = market_settings.product as is_energy,
        argMin(prices.price_ccy_per_mwh, prices.known_ts) as price_ccy_per_mwh,
        min(prices.known_ts) as first_known_ts
    from prices
    inner join market_settings
        on
            prices.market = market_settings.market
            and prices.resolution_min = market_settings.resolution_min
    where
        (
            prices.product = market_settings.product
            and {{ is_listed('prices.hub', 'market_settings.reserve_hubs') }}
        )
        or (
            has(splitByChar(',', toString(market_settings.reserve_products)), toString(prices.product))
            and (market_settings.reserve_price_hub = '' or prices.hub = market_settings.reserve_price_hub)
        )
    group by prices.market, prices.hub, prices.product, prices.delivery_ts, is_energy
),

spans as (
    select
        market,
        min(delivery_ts) as first_ts
    from of_the_products
    where not is_energy
    group by market
),

since_reserves as (
    select of_the_products.*
    from of_the_products
    inner join spans on of_the_products.market = spans.market
    where of_the_products.delivery_ts >= spans.first_ts
),

final as (
    select
        since_reserves.market as market,
        since_reserves.hub as hub,
        since_reserves.product as product,
        since_reserves.delivery_ts as delivery_ts,
        calendar.delivery_date as delivery_date,
        calendar.local_minute as local_minute,
        calendar.dst_fold as dst_fold,
        since_reserves.price_ccy_per_mwh as price_ccy_per_mwh,
        since_reserves.first_known_ts as known_ts,
        days.delivery_date as usable_from_date
    from since_reserves
    inner join calendar
        on
            since_reserves.market = calendar.market
            and since_reserves.delivery_ts = calendar.delivery_ts
    asof join days on since_reserves.market = days.market and since_reserves.first_known_ts <= days.as_of
)

{{ as_contract('final') }}
