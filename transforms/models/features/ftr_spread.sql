-- Point-in-time features of the spread of the balancing price over the day-ahead price, decided at the day-ahead gate.
-- Grain: market, hub, product (always spread), delivery_ts, as_of. As-of rule: every column but the outcomes (price_ccy_per_mwh,
-- price_known_ts, da_price_ccy_per_mwh, da_price_known_ts, load_deviation_share, deviation_known_ts) uses only rows with
-- known_ts <= as_of. Columns price_* are of the spread, columns
-- da_price_* of the day-ahead price; all that is not the spread's own comes from ftr_day_ahead. Markets without a balancing product have no rows.
{{ config(partition_by='(market, toYear(delivery_date))', order_by='(market, hub, product, delivery_ts, as_of)') }}

{%- set own = [
    'price_lag_1d_ccy_per_mwh', 'price_lag_2d_ccy_per_mwh', 'price_lag_3d_ccy_per_mwh', 'price_lag_7d_ccy_per_mwh',
    'price_lag_14d_ccy_per_mwh', 'price_mean_7d_ccy_per_mwh', 'price_std_7d_ccy_per_mwh', 'price_mean_28d_ccy_per_mwh',
    'price_hour_mean_28d_ccy_per_mwh', 'price_hour_std_28d_ccy_per_mwh', 'price_hour_positive_28d_share'
] %}
{%- set day_ahead_prices = [
    'price_lag_1d', 'price_lag_2d', 'price_lag_3d', 'price_lag_7d', 'price_lag_14d', 'price_last', 'price_prev_day_mean',
    'price_prev_day_min', 'price_prev_day_max', 'price_mean_7d', 'price_std_7d', 'price_max_7d', 'price_prev_day_spread_to_market',
    'price_hour_mean_28d'
] %}
{%- set quantities = ['load', 'zonal_load', 'generation', 'wind', 'solar', 'renewables'] %}
{%- set others = [
    'residual_load_forecast_mw', 'residual_load_ramp_mw', 'residual_load_tightness', 'load_error_7d_mw', 'wind_error_7d_mw',
    'temperature_forecast_degc', 'gas_price_ccy_per_unit', 'coal_price_ccy_per_unit', 'co2_price_ccy_per_unit', 'oil_price_ccy_per_unit',
    'day_of_week', 'month', 'day_of_year', 'is_holiday'
] %}

with

market_settings as (
    select * from {{ source('calendar', 'market_settings') }} where {{ of_market() }} and balancing_product != ''
),

calendar as (
    select * from {{ ref('int_market_calendar') }} where {{ of_market() }} and {{ is_rebuilt() }}
),

day_ahead as (
    select features.*
    from {{ ref('ftr_day_ahead') }} as features
    inner join market_settings on features.market = market_settings.market and features.product = market_settings.product
    where {{ is_rebuilt('features.delivery_date') }}
),

targets as (
    select * from {{ ref('int_spreads_asof') }} where {{ of_market() }} and {{ is_rebuilt() }}
),

deviations as (
    select * from {{ ref('int_load_deviations_asof') }} where {{ of_market() }} and {{ is_rebuilt() }}
),

spread_stats as (
    select * from {{ ref('int_spread_stats') }}
),

deviation_days as (
    select * from {{ ref('int_load_deviation_days') }}
),

reserve_lags as (
    select * from {{ ref('int_reserve_lags') }}
),

final as (
    select
        day_ahead.market as market,
        day_ahead.hub as hub,
        'spread' as product,
        day_ahead.delivery_ts as delivery_ts,
        day_ahead.delivery_date as delivery_date,
        day_ahead.local_hour as local_hour,
        day_ahead.dst_fold as dst_fold,
        day_ahead.resolution_min as resolution_min,
        day_ahead.as_of as as_of,
        day_ahead.currency as currency,
        targets.spread_ccy_per_mwh as price_ccy_per_mwh,
        targets.known_ts as price_known_ts,
        day_ahead.price_ccy_per_mwh as da_price_ccy_per_mwh,
        day_ahead.price_known_ts as da_price_known_ts,
        deviations.load_deviation_share as load_deviation_share,
        deviations.known_ts as deviation_known_ts,
        {% for column in own %}
            spread_stats.{{ column }} as {{ column }},
        {% endfor %}
        deviation_days.load_deviation_abs_28d_share as load_deviation_abs_28d_share,
        deviation_days.load_deviation_last_day_share as load_deviation_last_day_share,
        reserve_lags.reserve_price_lag_1d_ccy_per_mwh as reserve_price_lag_1d_ccy_per_mwh,
        {% for name in day_ahead_prices %}
            day_ahead.{{ name }}_ccy_per_mwh as da_{{ name }}_ccy_per_mwh,
        {% endfor %}
        {% for quantity in quantities %}
            day_ahead.{{ quantity }}_forecast_mw as {{ quantity }}_forecast_mw,
            day_ahead.{{ quantity }}_forecast_lag_1d_mw as {{ quantity }}_forecast_lag_1d_mw,
            day_ahead.{{ quantity }}_forecast_lag_7d_mw as {{ quantity }}_forecast_lag_7d_mw,
        {% endfor %}
    {% for name in others %}
        day_ahead.{{ name }} as {{ name }}{{ ',' if not loop.last }}
    {% endfor %}
    from day_ahead
    inner join calendar on day_ahead.market = calendar.market and day_ahead.delivery_ts = calendar.delivery_ts
    left join targets
        on
            day_ahead.market = targets.market
            and day_ahead.hub = targets.hub
            and day_ahead.delivery_ts = targets.delivery_ts
    left join deviations
        on
            day_ahead.market = deviations.market
            and day_ahead.delivery_ts = deviations.delivery_ts
    left join spread_stats
        on
            day_ahead.market = spread_stats.market
            and day_ahead.hub = spread_stats.hub
            and day_ahead.delivery_date = spread_stats.delivery_date
            and calendar.local_minute = spread_stats.local_minute
    left join deviation_days
        on
            day_ahead.market = deviation_days.market
            and day_ahead.delivery_date = deviation_days.delivery_date
    left join reserve_lags
        on
            day_ahead.market = reserve_lags.market
            and day_ahead.delivery_date = reserve_lags.delivery_date
            and calendar.local_minute = reserve_lags.local_minute
)

{{ as_contract('final') }}
