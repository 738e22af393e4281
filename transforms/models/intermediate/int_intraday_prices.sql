-- First published prices of the intraday product, at the finest interval each hub has.
-- Grain: market, hub, delivery_ts. Later corrections are left out: what was known first stays what features see.
{{ config(order_by='(market, hub, delivery_ts)') }}

with

market_settings as (
    select * from {{ source('calendar', 'market_settings') }} where {{ of_market() }} and intraday_product != ''
),

prices as (
    select * from {{ ref('stg_prices') }} where {{ of_market() }}
),

finest as (
    select
        prices.market as market,
        prices.hub as hub,
        any(market_settings.intraday_product) as product,
        min(prices.resolution_min) as resolution_min,
        any(arrayMax({{ intraday_horizons() }})) as longest_horizon_min
    from prices
    inner join market_settings on prices.market = market_settings.market and prices.product = market_settings.intraday_product
    group by prices.market, prices.hub
),

final as (
    select
        prices.market as market,
        prices.hub as hub,
        any(finest.product) as product,
        prices.delivery_ts as delivery_ts,
        any(finest.resolution_min) as resolution_min,
        any(finest.longest_horizon_min) as longest_horizon_min,
        min(prices.known_ts) as known_ts,
        argMin(prices.price_ccy_per_mwh, prices.known_ts) as price_ccy_per_mwh
    from prices
    inner join finest
        on
            prices.market = finest.market
            and prices.hub = finest.hub
            and prices.product = finest.product
            and prices.resolution_min = finest.resolution_min
    group by prices.market, prices.hub, prices.delivery_ts
)

{{ as_contract('final') }}
