-- Point-in-time features of the prices of energy and of every reserve product, decided at the day-ahead gate.
-- Grain: market, hub, product, delivery_ts, as_of. As-of rule: every column but the outcome (price_ccy_per_mwh, price_known_ts) uses only
-- rows with known_ts <= as_of; clearing prices of the same gate are unknown at it. Columns price_* are of the row's own product, columns
-- energy_price_* of energy at the hub; a reserve price that is quoted for the whole system stands in the rows of every hub. Markets without
-- reserve products have no rows, and the others none before the first quoted reserve price.
{{ config(partition_by='(market, toYear(delivery_date))', order_by='(market, hub, product, delivery_ts, as_of)') }}

{%- set own = [
    'price_lag_1d_ccy_per_mwh', 'price_lag_2d_ccy_per_mwh', 'price_lag_3d_ccy_per_mwh', 'price_lag_7d_ccy_per_mwh',
    'price_lag_14d_ccy_per_mwh', 'price_mean_7d_ccy_per_mwh', 'price_std_7d_ccy_per_mwh', 'price_max_7d_ccy_per_mwh',
    'price_mean_28d_ccy_per_mwh', 'price_hour_mean_7d_ccy_per_mwh', 'price_hour_mean_28d_ccy_per_mwh', 'price_hour_std_28d_ccy_per_mwh'
] %}
{%- set energy_prices = [
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
    select * from {{ source('calendar', 'market_settings') }} where {{ of_market() }} and reserve_products != ''
),

calendar as (
    select * from {{ ref('int_market_calendar') }} where {{ of_market() }} and {{ is_rebuilt() }}
),

targets as (
    select * from {{ ref('int_reserve_prices_asof') }} where {{ of_market() }}
),

spans as (
    select
        market,
        min(delivery_date) as first_date
    from targets
    group by market
),

offers as (
    select
        market_settings.market as market,
        market_settings.product as energy_product,
        market_settings.reserve_hubs as reserve_hubs,
        market_settings.reserve_price_hub as reserve_price_hub,
        splitByChar(',', toString(market_settings.reserve_change_dates)) as change_dates,
        arrayJoin(
            arrayConcat([toString(market_settings.product)], splitByChar(',', toString(market_settings.reserve_products)))
        ) as priced_product,
        spans.first_date as first_date
    from market_settings
    inner join spans on market_settings.market = spans.market
),

energy as (
    select
        features.*,
        offers.priced_product as priced_product,
        offers.change_dates as change_dates,
        offers.priced_product = offers.energy_product as is_energy,
        if(
            offers.priced_product = offers.energy_product or offers.reserve_price_hub = '', features.hub, offers.reserve_price_hub
        ) as price_hub
    from {{ ref('ftr_day_ahead') }} as features
    inner join offers on features.market = offers.market and features.product = offers.energy_product
    where
        {{ is_rebuilt('features.delivery_date') }}
        and features.delivery_date >= offers.first_date
        and {{ is_listed('features.hub', 'offers.reserve_hubs') }}
),

reserve_stats as (
    select * from {{ ref('int_reserve_stats') }}
),

reserve_lags as (
    select * from {{ ref('int_reserve_lags') }}
),

final as (
    select
        energy.market as market,
        energy.hub as hub,
        energy.priced_product as product,
        energy.delivery_ts as delivery_ts,
        energy.delivery_date as delivery_date,
        energy.local_hour as local_hour,
        energy.dst_fold as dst_fold,
        energy.resolution_min as resolution_min,
        energy.as_of as as_of,
        energy.currency as currency,
        targets.price_ccy_per_mwh as price_ccy_per_mwh,
        targets.known_ts as price_known_ts,
        energy.is_energy as is_energy,
        arrayCount(change -> change != '' and energy.delivery_date >= toDate32OrNull(change), energy.change_dates) as reserve_regime,
        {% for column in own %}
            reserve_stats.{{ column }} as {{ column }},
        {% endfor %}
        reserve_lags.reserve_price_lag_1d_ccy_per_mwh as reserve_price_lag_1d_ccy_per_mwh,
        {% for name in energy_prices %}
            energy.{{ name }}_ccy_per_mwh as energy_{{ name }}_ccy_per_mwh,
        {% endfor %}
        {% for quantity in quantities %}
            energy.{{ quantity }}_forecast_mw as {{ quantity }}_forecast_mw,
            energy.{{ quantity }}_forecast_lag_1d_mw as {{ quantity }}_forecast_lag_1d_mw,
            energy.{{ quantity }}_forecast_lag_7d_mw as {{ quantity }}_forecast_lag_7d_mw,
        {% endfor %}
    {% for name in others %}
        energy.{{ name }} as {{ name }}{{ ',' if not loop.last }}
    {% endfor %}
    from energy
    inner join calendar on energy.market = calendar.market and energy.delivery_ts = calendar.delivery_ts
    left join targets
        on
            energy.market = targets.market
            and energy.price_hub = targets.hub
            and energy.priced_product = targets.product
            and energy.delivery_ts = targets.delivery_ts
    left join reserve_stats
        on
            energy.market = reserve_stats.market
            and energy.price_hub = reserve_stats.hub
            and energy.priced_product = reserve_stats.product
            and energy.delivery_date = reserve_stats.delivery_date
            and calendar.local_minute = reserve_stats.local_minute
    left join reserve_lags
        on
            energy.market = reserve_lags.market
            and energy.delivery_date = reserve_lags.delivery_date
            and calendar.local_minute = reserve_lags.local_minute
)

{{ as_contract('final') }}
