-- Forecasts of the same local time one and seven days before, as known at each gate.
-- Grain: market, area, delivery_date, local_minute. As-of rule: usable_from_date <= delivery_date <= usable_to_date.
{{ config(materialized='ephemeral') }}

{%- set quantities = ['load', 'zonal_load', 'generation', 'wind', 'solar', 'renewables'] %}

with

forecasts as (
    select
        *,
        delivery_date as forecast_date
    from {{ ref('int_quantities_asof') }}
    where {{ of_market() }} and {{ is_rebuilt(days_before=7) }} and kind = 'forecast' and dst_fold = 0
),

projected as (
    select
        * except (delivery_date),
        arrayJoin([1, 7]) as days_back,
        addDays(forecast_date, days_back) as delivery_date
    from forecasts
)

select
    market,
    area,
    delivery_date,
    local_minute,
    {% for quantity in quantities %}
        {{ one_value("quantity = '" ~ quantity ~ "' and days_back = 1") }} as {{ quantity }}_forecast_lag_1d_mw,
        {{ one_value("quantity = '" ~ quantity ~ "' and days_back = 7") }} as {{ quantity }}_forecast_lag_7d_mw,
    {% endfor %}
    count() as version_count
from projected
where
    delivery_date >= usable_from_date
    and delivery_date <= usable_to_date
    and {{ is_rebuilt() }}
group by market, area, delivery_date, local_minute
