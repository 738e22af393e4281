-- Last settlement of the market's own fuels known at each gate. Grain: market, delivery_date, commodity. As-of rule of int_series_asof.
{{ config(order_by='(market, delivery_date, commodity)') }}

with

market_settings as (
    select
        market,
        arrayJoin([('gas', gas_hub), ('coal', coal_hub), ('co2', co2_hub), ('oil', oil_hub)]) as pair
    from {{ source('calendar', 'market_settings') }}
    where {{ of_market() }}
),

prices as (
    select * from {{ ref('int_series_asof') }} where {{ of_market() }} and kind = 'price'
),

final as (
    select
        prices.market as market,
        prices.delivery_date as delivery_date,
        prices.series as commodity,
        prices.value as price_ccy_per_unit,
        prices.unit as unit,
        prices.currency as currency,
        prices.price_eur_per_unit as price_eur_per_unit,
        prices.price_usd_per_unit as price_usd_per_unit,
        prices.price_eur_per_mwh as price_eur_per_mwh,
        prices.price_usd_per_mwh as price_usd_per_mwh,
        prices.price_usd_per_mmbtu as price_usd_per_mmbtu,
        prices.contract_date as contract_date,
        prices.missing_sessions as missing_sessions,
        prices.period_ts as settled_ts,
        prices.known_ts as known_ts
    from prices
    inner join market_settings
        on prices.market = market_settings.market and prices.series = market_settings.pair.1 and prices.place = market_settings.pair.2
)

{{ as_contract('final') }}
