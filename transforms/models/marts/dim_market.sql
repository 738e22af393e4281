-- Markets with their settings and the span of their prices.
-- Grain: market. As-of rule: none, settings as configured now.
{{ config(materialized='table', order_by='market') }}

with

settings as (
    select * from {{ source('calendar', 'market_settings') }}
),

prices as (
    select * from {{ ref('int_prices_asof') }}
),

spans as (
    select
        market,
        uniqExact(hub) as hub_count,
        min(delivery_date) as first_delivery_date,
        max(delivery_date) as last_delivery_date
    from prices
    group by market
),

final as (
    select
        settings.market as market,
        settings.label as label,
        settings.time_zone as time_zone,
        settings.currency as currency,
        settings.product as product,
        settings.resolution_min as resolution_min,
        settings.gate_time as gate_time,
        settings.gate_days_before as gate_days_before,
        settings.price_floor_ccy_per_mwh as price_floor_ccy_per_mwh,
        settings.price_cap_ccy_per_mwh as price_cap_ccy_per_mwh,
        settings.area as area,
        settings.holidays as holidays,
        settings.gas_hub as gas_hub,
        settings.coal_hub as coal_hub,
        settings.co2_hub as co2_hub,
        settings.oil_hub as oil_hub,
        coalesce(spans.hub_count, 0) as hub_count,
        spans.first_delivery_date as first_delivery_date,
        spans.last_delivery_date as last_delivery_date
    from settings
    left join spans on settings.market = spans.market
)

{{ as_contract('final') }}
