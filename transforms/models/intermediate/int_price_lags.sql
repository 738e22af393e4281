-- Prices of the same local time on earlier days, as known at each gate.
-- Grain: market, hub, product, delivery_date, local_minute. As-of rule: usable_from_date <= delivery_date <= usable_to_date.
-- The hour that a 23-hour day lacks has no lag; of a repeated hour the first one is the lag.
{{ config(materialized='ephemeral') }}

with

prices as (
    select
        *,
        delivery_date as price_date
    from {{ ref('int_prices_asof') }}
    where {{ of_market() }} and {{ is_rebuilt(days_before=28) }}
),

projected as (
    select
        * except (delivery_date),
        arrayJoin(range(1, 29)) as days_back,
        addDays(price_date, days_back) as delivery_date
    from prices
),

usable as (
    select *
    from projected
    where
        delivery_date >= usable_from_date
        and delivery_date <= usable_to_date
        and {{ is_rebuilt() }}
),

by_local_time as (
    select
        market,
        hub,
        product,
        delivery_date,
        local_minute,
        {% for days in [1, 2, 3, 7, 14] %}
            anyIf(toNullable(price_ccy_per_mwh), days_back = {{ days }} and dst_fold = 0) as price_lag_{{ days }}d_ccy_per_mwh,
        {% endfor %}
        {{ stable_array('price_ccy_per_mwh', 'delivery_ts') }} as prices_28d
    from usable
    group by market, hub, product, delivery_date, local_minute
)

select
    * except (prices_28d),
    {{ mean_of('prices_28d') }} as price_hour_mean_28d_ccy_per_mwh
from by_local_time
