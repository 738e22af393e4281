-- Versions of the forecast product's prices with the delivery dates whose gate saw each as the last one.
-- Grain: market, hub, product, delivery_ts, usable_from_date. As-of rule: a version is usable for delivery date D when known_ts <= as_of(D)
-- and no later version is; so "as known at as_of(D)" is usable_from_date <= D <= usable_to_date.
{{ config(order_by='(market, hub, product, delivery_ts, usable_from_date)') }}

with

market_settings as (
    select * from {{ source('calendar', 'market_settings') }} where {{ of_market() }}
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

of_the_product as (
    select
        prices.market as market,
        prices.hub as hub,
        prices.product as product,
        prices.delivery_ts as delivery_ts,
        prices.known_ts as known_ts,
        prices.price_ccy_per_mwh as price_ccy_per_mwh
    from prices
    inner join market_settings
        on
            prices.market = market_settings.market
            and prices.product = market_settings.product
            and prices.resolution_min = market_settings.resolution_min
),

with_gate as (
    select
        of_the_product.market as market,
        of_the_product.hub as hub,
        of_the_product.product as product,
        of_the_product.delivery_ts as delivery_ts,
        of_the_product.known_ts as known_ts,
        of_the_product.price_ccy_per_mwh as price_ccy_per_mwh,
        days.delivery_date as usable_from_date
    from of_the_product
    asof join days
        on of_the_product.market = days.market and of_the_product.known_ts <= days.as_of
),

by_interval as (
    select
        market,
        hub,
        product,
        delivery_ts,
        arraySort(groupArray((known_ts, usable_from_date, price_ccy_per_mwh))) as versions
    from with_gate
    group by market, hub, product, delivery_ts
),

ranged as (
    select
        *,
        arrayJoin({{ version_ranges() }}) as version
    from by_interval
),

final as (
    select
        ranged.market as market,
        ranged.hub as hub,
        ranged.product as product,
        ranged.delivery_ts as delivery_ts,
        calendar.delivery_date as delivery_date,
        calendar.local_minute as local_minute,
        calendar.dst_fold as dst_fold,
        ranged.version.3 as price_ccy_per_mwh,
        ranged.version.1 as usable_from_date,
        ranged.version.2 as usable_to_date,
        ranged.versions[1] .3 as first_price_ccy_per_mwh,
        ranged.versions[1] .1 as first_known_ts
    from ranged
    inner join calendar on ranged.market = calendar.market and ranged.delivery_ts = calendar.delivery_ts
    where ranged.version.1 <= ranged.version.2
)

{{ as_contract('final') }}
