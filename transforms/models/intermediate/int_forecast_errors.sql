-- Mean forecast error (actual less the forecast known at its own gate) of the same local time over the seven latest days of the last 14
-- whose error was known at each gate. Grain: market, area, delivery_date, local_minute. As-of rule: usable_from_date <= delivery_date
-- <= usable_to_date for the actual; the forecast is older.
{{ config(materialized='ephemeral') }}

with

quantities as (
    select
        *,
        delivery_date as measured_date
    from {{ ref('int_quantities_asof') }}
    where
        {{ of_market() }}
        and {{ is_rebuilt(days_before=14) }}
        and quantity in ('load', 'wind')
        and dst_fold = 0
),

forecasts as (
    select
        market,
        area,
        quantity,
        delivery_ts,
        argMin(value, source_resolution_min) as forecast_value
    from quantities
    where
        kind = 'forecast'
        and measured_date >= usable_from_date
        and measured_date <= usable_to_date
    group by market, area, quantity, delivery_ts
),

actuals as (
    select
        * except (delivery_date),
        arrayJoin(range(1, 15)) as days_back,
        addDays(measured_date, days_back) as delivery_date
    from quantities
    where kind = 'actual'
),

errors as (
    select
        actuals.market as market,
        actuals.area as area,
        actuals.quantity as quantity,
        actuals.delivery_date as delivery_date,
        actuals.local_minute as local_minute,
        actuals.days_back as days_back,
        argMin(actuals.value, actuals.source_resolution_min) - any(forecasts.forecast_value) as error_mw
    from actuals
    inner join forecasts
        on
            actuals.market = forecasts.market
            and actuals.area = forecasts.area
            and actuals.quantity = forecasts.quantity
            and actuals.delivery_ts = forecasts.delivery_ts
    where
        actuals.delivery_date >= actuals.usable_from_date
        and actuals.delivery_date <= actuals.usable_to_date
        and {{ is_rebuilt('actuals.delivery_date') }}
    group by
        actuals.market, actuals.area, actuals.quantity, actuals.delivery_date, actuals.local_minute, actuals.days_back
),

by_local_time as (
    select
        market,
        area,
        delivery_date,
        local_minute,
    {% for name in ['load', 'wind'] %}
        arraySlice(arraySort(groupArrayIf((days_back, error_mw), quantity = '{{ name }}')), 1, 7) as {{ name }}_errors{{ ',' if not loop.last }}
    {% endfor %}
    from errors
    group by market, area, delivery_date, local_minute
)

select
    market,
    area,
    delivery_date,
    local_minute,
    if(empty(load_errors), null, arrayAvg(arrayMap(pair -> pair.2, load_errors))) as load_error_7d_mw,
    if(empty(wind_errors), null, arrayAvg(arrayMap(pair -> pair.2, wind_errors))) as wind_error_7d_mw
from by_local_time
