-- Point-in-time day-ahead features.
-- Grain: market, hub, product, delivery_ts, as_of. As-of rule: every column but the target (price_ccy_per_mwh, price_known_ts) uses only rows
-- with known_ts <= as_of, each in the version known last at as_of. A gap is a gap: only commodity settlements are carried, ten days at most.
-- Rebuilt by partition: the years from start_date to end_date of one market; without start_date all years.
{{ config(partition_by='(market, toYear(delivery_date))', order_by='(market, hub, product, delivery_ts, as_of)') }}

{%- set quantities = ['load', 'zonal_load', 'generation', 'wind', 'solar', 'renewables'] %}

with

market_settings as (
    select * from {{ source('calendar', 'market_settings') }} where {{ of_market() }}
),

calendar as (
    select * from {{ ref('int_market_calendar') }} where {{ of_market() }} and {{ is_rebuilt() }}
),

prices as (
    select * from {{ ref('int_prices_asof') }} where {{ of_market() }}
),

price_lags as (
    select * from {{ ref('int_price_lags') }}
),

price_days as (
    select * from {{ ref('int_price_days') }}
),

forecasts as (
    select * from {{ ref('int_forecasts_own') }}
),

forecast_lags as (
    select * from {{ ref('int_forecast_lags') }}
),

forecast_errors as (
    select * from {{ ref('int_forecast_errors') }}
),

commodities as (
    select * from {{ ref('int_commodities_asof') }} where {{ of_market() }}
),

hubs as (
    select distinct
        market,
        hub,
        product
    from prices
),

targets as (
    select
        market,
        hub,
        product,
        delivery_ts,
        any(first_price_ccy_per_mwh) as price_ccy_per_mwh,
        any(first_known_ts) as price_known_ts
    from prices
    where {{ is_rebuilt() }}
    group by market, hub, product, delivery_ts
),

market_days as (
    select
        market,
        product,
        delivery_date,
        {{ stable_array('price_prev_day_mean_ccy_per_mwh', 'hub') }} as hub_means
    from price_days
    group by market, product, delivery_date
),

fuels as (
    select
        market,
        delivery_date,
    {% for fuel in ['gas', 'coal', 'co2', 'oil'] %}
        anyIf(toNullable(price_ccy_per_unit), commodity = '{{ fuel }}') as {{ fuel }}_price_ccy_per_unit{{ ',' if not loop.last }}
    {% endfor %}
    from commodities
    group by market, delivery_date
),

entities as (
    select
        calendar.market as market,
        calendar.delivery_ts as delivery_ts,
        calendar.delivery_date as delivery_date,
        calendar.local_hour as local_hour,
        calendar.local_minute as local_minute,
        calendar.dst_fold as dst_fold,
        calendar.resolution_min as resolution_min,
        calendar.as_of as as_of,
        calendar.day_of_week as day_of_week,
        calendar.month as month,
        calendar.day_of_year as day_of_year,
        calendar.is_holiday as is_holiday,
        hubs.hub as hub,
        hubs.product as product,
        market_settings.currency as currency,
        market_settings.area as area
    from calendar
    inner join hubs on calendar.market = hubs.market
    inner join market_settings on calendar.market = market_settings.market
),

final as (
    select
        entities.market as market,
        entities.hub as hub,
        entities.product as product,
        entities.delivery_ts as delivery_ts,
        entities.delivery_date as delivery_date,
        entities.local_hour as local_hour,
        entities.dst_fold as dst_fold,
        entities.resolution_min as resolution_min,
        entities.as_of as as_of,
        entities.currency as currency,
        targets.price_ccy_per_mwh as price_ccy_per_mwh,
        targets.price_known_ts as price_known_ts,
        {% for days in [1, 2, 3, 7, 14] %}
            price_lags.price_lag_{{ days }}d_ccy_per_mwh as price_lag_{{ days }}d_ccy_per_mwh,
        {% endfor %}
        price_days.price_last_ccy_per_mwh as price_last_ccy_per_mwh,
        price_days.price_prev_day_mean_ccy_per_mwh as price_prev_day_mean_ccy_per_mwh,
        price_days.price_prev_day_min_ccy_per_mwh as price_prev_day_min_ccy_per_mwh,
        price_days.price_prev_day_max_ccy_per_mwh as price_prev_day_max_ccy_per_mwh,
        price_days.price_mean_7d_ccy_per_mwh as price_mean_7d_ccy_per_mwh,
        price_days.price_std_7d_ccy_per_mwh as price_std_7d_ccy_per_mwh,
        price_days.price_max_7d_ccy_per_mwh as price_max_7d_ccy_per_mwh,
        price_days.price_prev_day_mean_ccy_per_mwh - {{ mean_of('market_days.hub_means') }} as price_prev_day_spread_to_market_ccy_per_mwh,
        price_lags.price_hour_mean_28d_ccy_per_mwh as price_hour_mean_28d_ccy_per_mwh,
        {% for quantity in quantities if quantity != 'zonal_load' %}
            forecasts.{{ quantity }}_forecast_mw as {{ quantity }}_forecast_mw,
            forecast_lags.{{ quantity }}_forecast_lag_1d_mw as {{ quantity }}_forecast_lag_1d_mw,
            forecast_lags.{{ quantity }}_forecast_lag_7d_mw as {{ quantity }}_forecast_lag_7d_mw,
        {% endfor %}
        coalesce(hub_forecasts.zonal_load_forecast_mw, forecasts.zonal_load_forecast_mw) as zonal_load_forecast_mw,
        coalesce(hub_lags.zonal_load_forecast_lag_1d_mw, forecast_lags.zonal_load_forecast_lag_1d_mw) as zonal_load_forecast_lag_1d_mw,
        coalesce(hub_lags.zonal_load_forecast_lag_7d_mw, forecast_lags.zonal_load_forecast_lag_7d_mw) as zonal_load_forecast_lag_7d_mw,
        forecasts.residual_load_forecast_mw as residual_load_forecast_mw,
        forecasts.residual_load_ramp_mw as residual_load_ramp_mw,
        forecasts.residual_load_tightness as residual_load_tightness,
        forecast_errors.load_error_7d_mw as load_error_7d_mw,
        forecast_errors.wind_error_7d_mw as wind_error_7d_mw,
        forecasts.temperature_forecast_degc as temperature_forecast_degc,
        fuels.gas_price_ccy_per_unit as gas_price_ccy_per_unit,
        fuels.coal_price_ccy_per_unit as coal_price_ccy_per_unit,
        fuels.co2_price_ccy_per_unit as co2_price_ccy_per_unit,
        fuels.oil_price_ccy_per_unit as oil_price_ccy_per_unit,
        entities.day_of_week as day_of_week,
        entities.month as month,
        entities.day_of_year as day_of_year,
        entities.is_holiday as is_holiday
    from entities
    left join targets
        on
            entities.market = targets.market
            and entities.hub = targets.hub
            and entities.product = targets.product
            and entities.delivery_ts = targets.delivery_ts
    left join price_lags
        on
            entities.market = price_lags.market
            and entities.hub = price_lags.hub
            and entities.product = price_lags.product
            and entities.delivery_date = price_lags.delivery_date
            and entities.local_minute = price_lags.local_minute
    left join price_days
        on
            entities.market = price_days.market
            and entities.hub = price_days.hub
            and entities.product = price_days.product
            and entities.delivery_date = price_days.delivery_date
    left join market_days
        on
            entities.market = market_days.market
            and entities.product = market_days.product
            and entities.delivery_date = market_days.delivery_date
    left join forecasts
        on
            entities.market = forecasts.market
            and entities.area = forecasts.area
            and entities.delivery_ts = forecasts.delivery_ts
    left join forecasts as hub_forecasts
        on
            entities.market = hub_forecasts.market
            and entities.hub = hub_forecasts.area
            and entities.delivery_ts = hub_forecasts.delivery_ts
    left join forecast_lags
        on
            entities.market = forecast_lags.market
            and entities.area = forecast_lags.area
            and entities.delivery_date = forecast_lags.delivery_date
            and entities.local_minute = forecast_lags.local_minute
    left join forecast_lags as hub_lags
        on
            entities.market = hub_lags.market
            and entities.hub = hub_lags.area
            and entities.delivery_date = hub_lags.delivery_date
            and entities.local_minute = hub_lags.local_minute
    left join forecast_errors
        on
            entities.market = forecast_errors.market
            and entities.area = forecast_errors.area
            and entities.delivery_date = forecast_errors.delivery_date
            and entities.local_minute = forecast_errors.local_minute
    left join fuels
        on
            entities.market = fuels.market
            and entities.delivery_date = fuels.delivery_date
)

{{ as_contract('final') }}
