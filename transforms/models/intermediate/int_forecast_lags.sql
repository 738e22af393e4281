-- Forecasts of the same local time one and seven days before, as known at each gate.
-- Grain: market, area, delivery_date, local_minute. As-of rule: usable_from_date <= delivery_date <= usable_to_date.
{{ config(materialized='ephemeral') }}

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
    {% for quantity in forecast_quantities() -%}
        {% for days in [1, 7] -%}
            {{ one_value("quantity = '" ~ quantity ~ "' and days_back = " ~ days) }} as {{ quantity }}_forecast_lag_{{ days }}d_mw
            {{- ',' if not loop.last }}
        {% endfor -%}
        {{- ',' if not loop.last }}
    {% endfor -%}
from projected
where
    delivery_date >= usable_from_date
    and delivery_date <= usable_to_date
    and {{ is_rebuilt() }}
group by market, area, delivery_date, local_minute
