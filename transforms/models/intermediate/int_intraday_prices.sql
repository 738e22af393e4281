-- First published prices of the intraday product, at the finest interval each hub has on the day.
-- Grain: market, hub, delivery_ts. Later corrections are left out: what was known first stays what features see.
-- Made anew from start_date on to the end of end_date's month; without start_date wholly.
{{ config(partition_by='(market, toYYYYMM(delivery_date))', order_by='(market, hub, delivery_ts)') }}

with

market_settings as (
    select * from {{ source('calendar', 'market_settings') }} where {{ of_market() }} and intraday_product != ''
),

days as (
    select
        market,
        delivery_date,
        day_start_ts
    from {{ source('calendar', 'market_days') }} where {{ of_market() }}
),

prices as (
    select *
    from {{ ref('stg_prices') }}
    where {{ of_market() }} and {{ is_computed('toDate32(delivery_ts)', days_before=1, partition='Month', days_after=1) }}
),

of_the_product as (
    select
        prices.market as market,
        prices.hub as hub,
        prices.product as product,
        prices.delivery_ts as delivery_ts,
        prices.resolution_min as resolution_min,
        any(arrayMax({{ intraday_horizons() }})) as longest_horizon_min,
        min(prices.known_ts) as known_ts,
        argMin(prices.price_ccy_per_mwh, prices.known_ts) as price_ccy_per_mwh
    from prices
    inner join market_settings on prices.market = market_settings.market and prices.product = market_settings.intraday_product
    group by prices.market, prices.hub, prices.product, prices.delivery_ts, prices.resolution_min
),

dated as (
    select
        of_the_product.market as market,
        of_the_product.hub as hub,
        of_the_product.product as product,
        of_the_product.delivery_ts as delivery_ts,
        of_the_product.resolution_min as resolution_min,
        of_the_product.longest_horizon_min as longest_horizon_min,
        of_the_product.known_ts as known_ts,
        of_the_product.price_ccy_per_mwh as price_ccy_per_mwh,
        days.delivery_date as delivery_date
    from of_the_product
    asof join days on of_the_product.market = days.market and of_the_product.delivery_ts >= days.day_start_ts
),

with_finest as (
    select
        *,
        min(resolution_min) over (partition by market, hub, delivery_date) as finest_min
    from dated
),

final as (
    select * except (finest_min) from with_finest where resolution_min = finest_min and {{ is_computed(partition='Month') }}
)

{{ as_contract('final', carried='delivery_date', partition='Month') }}
