-- Markets with their settings and the span of their prices.
-- Grain: market. As-of rule: none, settings as configured now.
{{ config(materialized='table', order_by='market') }}

with

market_settings as (
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
        market_settings.market as market,
        market_settings.label as label,
        market_settings.time_zone as time_zone,
        market_settings.currency as currency,
        market_settings.product as product,
        market_settings.balancing_product as balancing_product,
        market_settings.resolution_min as resolution_min,
        market_settings.gate_time as gate_time,
        market_settings.gate_days_before as gate_days_before,
        market_settings.price_floor_ccy_per_mwh as price_floor_ccy_per_mwh,
        market_settings.price_cap_ccy_per_mwh as price_cap_ccy_per_mwh,
        market_settings.area as area,
        market_settings.holidays as holidays,
        market_settings.gas_hub as gas_hub,
        market_settings.coal_hub as coal_hub,
        market_settings.co2_hub as co2_hub,
        market_settings.oil_hub as oil_hub,
        market_settings.intraday_product as intraday_product,
        market_settings.intraday_horizons_min as intraday_horizons_min,
        market_settings.reserve_products as reserve_products,
        market_settings.reserve_price_hub as reserve_price_hub,
        market_settings.reserve_hubs as reserve_hubs,
        market_settings.reserve_change_dates as reserve_change_dates,
        market_settings.nodal_product as nodal_product,
        market_settings.nodal_horizons_min as nodal_horizons_min,
        market_settings.nodal_resolution_min as nodal_resolution_min,
        market_settings.nodal_step_min as nodal_step_min,
        market_settings.nodal_from_date as nodal_from_date,
        market_settings.unit_hub as unit_hub,
        market_settings.unit_decision_hours as unit_decision_hours,
        market_settings.unit_horizons_min as unit_horizons_min,
        market_settings.unit_excluded_fuels as unit_excluded_fuels,
        market_settings.unit_telemetry_min as unit_telemetry_min,
        market_settings.unit_since_date as unit_since_date,
        coalesce(spans.hub_count, 0) as hub_count,
        spans.first_delivery_date as first_delivery_date,
        spans.last_delivery_date as last_delivery_date
    from market_settings
    left join spans on market_settings.market = spans.market
)

{{ as_contract('final') }}
