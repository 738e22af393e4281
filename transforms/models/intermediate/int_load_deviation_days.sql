-- Load deviations of earlier days as known at each gate: mean absolute one over 28 days, mean of the newest day.
-- Grain: market, delivery_date. As-of rule: usable_from_date <= delivery_date.
{{ config(materialized='ephemeral') }}

with

deviations as (
    select
        *,
        delivery_date as metered_date
    from {{ ref('int_load_deviations_asof') }}
    where {{ of_market() }} and {{ is_rebuilt(days_before=28) }}
),

projected as (
    select
        * except (delivery_date),
        arrayJoin(range(1, 29)) as days_back,
        addDays(metered_date, days_back) as delivery_date
    from deviations
),

usable as (
    select
        *,
        min(days_back) over (partition by market, delivery_date) as newest_days_back
    from projected
    where usable_from_date <= delivery_date and {{ is_rebuilt() }}
)

select
    market,
    delivery_date,
    arrayAvg(arrayMap(share -> abs(share), {{ stable_array('load_deviation_share', 'delivery_ts') }})) as load_deviation_abs_28d_share,
    arrayAvg(
        arrayMap(pair -> pair.2, arraySort(groupArrayIf((delivery_ts, load_deviation_share), days_back = newest_days_back)))
    ) as load_deviation_last_day_share
from usable
group by market, delivery_date
