-- Forecasts of an interval as known at the gate of its own delivery date, with the residual load that follows from them.
-- Grain: market, area, delivery_ts. As-of rule: usable_from_date <= delivery_date <= usable_to_date.
{{ config(materialized='ephemeral') }}

{%- set quantities = ['load', 'zonal_load', 'generation', 'wind', 'solar', 'renewables'] %}

with

forecasts as (
    select *
    from {{ ref('int_quantities_asof') }}
    where
        {{ of_market() }}
        and {{ is_rebuilt(days_before=29) }}
        and kind = 'forecast'
        and delivery_date >= usable_from_date
        and delivery_date <= usable_to_date
        and ( -- of other quantities one may hold for a day
            quantity = 'temperature'
            {% for quantity in quantities %}
                or quantity = '{{ quantity }}'
            {% endfor %}
        )
),

by_interval as (
    select
        market,
        area,
        delivery_ts,
        delivery_date,
        any(interval_min) as interval_min,
        {% for quantity in quantities %}
            {{ one_value("quantity = '" ~ quantity ~ "'") }} as {{ quantity }}_forecast_mw,
        {% endfor %}
        {{ one_value("quantity = 'temperature'") }} as temperature_forecast_degc
    from forecasts
    group by market, area, delivery_ts, delivery_date
),

with_residual as (
    select
        *,
        load_forecast_mw
        - coalesce(renewables_forecast_mw, coalesce(wind_forecast_mw, 0) + coalesce(solar_forecast_mw, 0)) as residual_load_forecast_mw
    from by_interval
),

with_neighbours as (
    select
        *,
        lagInFrame(toNullable(delivery_ts)) over by_time as previous_ts,
        lagInFrame(residual_load_forecast_mw) over by_time as previous_residual_load_mw,
        max(residual_load_forecast_mw) over days_before as highest_residual_load_mw
    from with_residual
    window
        by_time as (partition by market, area order by delivery_ts rows between 1 preceding and current row),
        days_before as (partition by market, area order by toInt32(delivery_date) range between 28 preceding and 1 preceding)
)

select
    * except (previous_ts, previous_residual_load_mw, highest_residual_load_mw, interval_min),
    if(
        dateDiff('minute', previous_ts, delivery_ts) = interval_min,
        residual_load_forecast_mw - previous_residual_load_mw,
        null
    ) as residual_load_ramp_mw,
    if(highest_residual_load_mw > 0, residual_load_forecast_mw / highest_residual_load_mw, null) as residual_load_tightness
from with_neighbours
