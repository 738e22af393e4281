-- Hourly power beside forecasts and fuels.
-- Grain: market, hub, hour_ts. As-of rule: forecasts and fuels are those known last at the gate of the delivery date; power is the outcome (first
-- published prices), known at power_known_ts and not before. Rebuilt by partition, as features are.
{{ config(
    materialized='incremental', incremental_strategy='insert_overwrite', partition_by='(market, toYear(delivery_date))', order_by='(market, hub, hour_ts)'
) }}

{%- set quantities = ['load', 'wind', 'solar', 'renewables', 'residual_load'] %}

with

market_settings as (
    select * from {{ source('calendar', 'market_settings') }} where {{ of_market() }}
),

calendar as (
    select * from {{ ref('int_market_calendar') }} where {{ of_market() }} and {{ is_rebuilt() }}
),

prices as (
    select distinct
        market,
        hub,
        delivery_ts,
        first_price_ccy_per_mwh,
        first_known_ts
    from {{ ref('int_prices_asof') }}
    where {{ of_market() }} and {{ is_rebuilt() }}
),

forecasts as (
    select * from {{ ref('int_forecasts_own') }}
),

commodities as (
    select * from {{ ref('int_commodities_asof') }} where {{ of_market() }}
),

fuels as (
    {{ fuels_normalised('commodities', 'market_settings') }}
),

hours as (
    select
        market,
        toDateTime64(toStartOfHour(delivery_ts), 3, 'UTC') as hour_ts,
        any(delivery_date) as delivery_date,
        any(as_of) as as_of,
        any(resolution_min) as resolution_min
    from calendar
    group by market, hour_ts
),

power as (
    select
        market,
        hub,
        toDateTime64(toStartOfHour(delivery_ts), 3, 'UTC') as hour_ts,
        {{ stable_array('first_price_ccy_per_mwh', 'delivery_ts') }} as prices_of_hour,
        max(first_known_ts) as known_ts
    from prices
    group by market, hub, hour_ts
),

forecasts_by_hour as (
    select
        market,
        area,
        {% for quantity in quantities %}
            {{ stable_array(quantity ~ '_forecast_mw', 'delivery_ts') }} as {{ quantity }}_of_hour,
        {% endfor %}
        toDateTime64(toStartOfHour(delivery_ts), 3, 'UTC') as hour_ts
    from forecasts
    group by market, area, hour_ts
),

final as (
    select
        hours.market as market,
        power.hub as hub,
        hours.hour_ts as hour_ts,
        hours.delivery_date as delivery_date,
        hours.as_of as as_of,
        market_settings.currency as currency,
        length(power.prices_of_hour) = intDiv(60, hours.resolution_min) as is_whole,
        if(is_whole, arrayAvg(power.prices_of_hour), null) as power_ccy_per_mwh,
        if(is_whole, power.known_ts, null) as power_known_ts,
        {% for quantity in quantities %}
            if(
                length(forecasts_by_hour.{{ quantity }}_of_hour) = intDiv(60, hours.resolution_min),
                arrayAvg(forecasts_by_hour.{{ quantity }}_of_hour),
                null
            ) as {{ quantity }}_forecast_mw,
        {% endfor %}
        fuels.gas_ccy_per_mwh as gas_ccy_per_mwh,
        fuels.coal_ccy_per_mwh as coal_ccy_per_mwh,
        fuels.oil_ccy_per_mwh as oil_ccy_per_mwh,
        fuels.co2_ccy_per_t as co2_ccy_per_t,
        fuels.fuels_missing_sessions as fuels_missing_sessions,
        coalesce(fuels.fuels_rolled, false) as fuels_rolled
    from hours
    inner join power on hours.market = power.market and hours.hour_ts = power.hour_ts
    inner join market_settings on hours.market = market_settings.market
    left join forecasts_by_hour
        on
            hours.market = forecasts_by_hour.market
            and market_settings.area = forecasts_by_hour.area
            and hours.hour_ts = forecasts_by_hour.hour_ts
    left join fuels on hours.market = fuels.market and hours.delivery_date = fuels.delivery_date
)

{{ as_contract('final') }}
