-- Point-in-time intraday features: one decision per delivery interval and horizon, shortly before delivery.
-- Grain: market, hub, product, delivery_ts, as_of. As-of rule: every column but the target (price_ccy_per_mwh, price_known_ts) uses only rows
-- with known_ts <= as_of, each in its first published version. A gap is a gap: no last price is older than a day.
-- Made anew from start_date on to the end of end_date's month; without start_date wholly.
{{ config(partition_by='(market, toYYYYMM(delivery_date))', order_by='(market, hub, product, delivery_ts, as_of)') }}

{%- set of_known = ['price_last', 'price_before_1', 'price_before_2', 'price_before_3', 'price_before_5', 'price_before_11'] %}
{%- for minutes in [60, 360, 1440] %}
    {%- for statistic in ['mean', 'std', 'min', 'max'] %}
        {%- do of_known.append('price_' ~ statistic ~ '_' ~ minutes ~ 'm') %}
    {%- endfor %}
{%- endfor %}
{%- set of_slot = ['price_lag_1d', 'price_lag_7d', 'price_slot_mean_7d', 'price_da'] %}
{%- set of_entity = ['market', 'hub', 'product', 'area', 'currency', 'delivery_ts', 'delivery_date', 'local_minute', 'dst_fold', 'resolution_min',
    'is_holiday', 'horizon_min', 'as_of', 'price_ccy_per_mwh', 'price_known_ts'] %}
{%- set forecasts = ['load_forecast_mw', 'wind_forecast_mw', 'solar_forecast_mw', 'residual_load_forecast_mw'] %}

with

market_settings as (
    select
        market,
        {{ intraday_horizons() }} as horizons_min
    from {{ source('calendar', 'market_settings') }} where {{ of_market() }} and intraday_product != ''
),

slots as (
    select * from {{ ref('int_intraday_slots') }} where {{ of_market() }} and {{ is_computed(days_before=3, partition='Month') }}
),

known as (
    select * from {{ ref('int_intraday_known') }}
),

measured_loads as (
    select
        market,
        area,
        delivery_ts,
        argMin(measured.value, (measured.resolution_min, measured.known_ts)) as value,
        argMin(measured.known_ts, (measured.resolution_min, measured.known_ts)) as known_ts
    from {{ ref('stg_quantities') }} as measured
    where
        {{ of_market() }}
        and kind = 'actual'
        and quantity = 'load'
        and {{ is_computed('toDate32(delivery_ts)', days_before=3, partition='Month', days_after=1) }}
    group by market, area, delivery_ts
),

hourly_loads as (
    select
        market,
        area,
        delivery_ts,
        value as load_last_mw,
        if(
            toUnixTimestamp(delivery_ts) - toUnixTimestamp(first_value(delivery_ts) over last_hour) = 3600,
            value - first_value(value) over last_hour,
            null
        ) as load_last_change_60m_mw,
        max(known_ts) over last_hour as usable_ts
    from measured_loads
    window last_hour as (
        partition by market, area
        order by toUnixTimestamp(delivery_ts)
        range between 3600 preceding and current row
    )
),

-- the newest of those known so far: hours that become known at one instant, or late, do not stand in its way
newest_loads as (
    select
        market,
        area,
        usable_ts,
        argMax((delivery_ts, load_last_mw, load_last_change_60m_mw), delivery_ts) over so_far as newest
    from hourly_loads
    window so_far as (
        partition by market, area
        order by usable_ts
        range between unbounded preceding and current row
    )
),

loads as (
    select
        market,
        area,
        usable_ts,
        newest.1 as delivery_ts,
        newest.2 as load_last_mw,
        newest.3 as load_last_change_60m_mw
    from newest_loads
),

entities as (
    select
        {% for name in of_entity if name not in ['horizon_min', 'as_of'] %}
            slots.{{ name }} as {{ name }},
        {% endfor %}
        {% for name in of_slot %}
            slots.{{ name }}_ccy_per_mwh as {{ name }}_ccy_per_mwh,
        {% endfor %}
        {% for name in forecasts %}
            slots.{{ name }} as {{ name }},
        {% endfor %}
        arrayJoin(market_settings.horizons_min) as horizon_min,
        slots.delivery_ts - toIntervalMinute(horizon_min) as as_of
    from slots
    inner join market_settings on slots.market = market_settings.market
    where {{ is_computed('slots.delivery_date', partition='Month') }}
),

with_known as (
    select
        {% for name in of_entity + forecasts %}
            entities.{{ name }} as {{ name }},
        {% endfor %}
        {% for name in of_slot %}
            entities.{{ name }}_ccy_per_mwh as {{ name }}_ccy_per_mwh,
        {% endfor %}
        if(known.last_ts >= entities.as_of - toIntervalDay(1), known.last_ts, null) as last_ts,
        if(last_ts is null, null, known.price_unchanged_min) as price_unchanged_min,
    {% for name in of_known %}
        if(last_ts is null, null, known.{{ name }}_ccy_per_mwh) as {{ name }}_ccy_per_mwh{{ ',' if not loop.last }}
    {% endfor %}
    from entities
    asof left join known
        on entities.market = known.market and entities.hub = known.hub and entities.as_of >= known.known_ts
),

with_load as (
    select
        {% for name in of_entity + forecasts + ['last_ts', 'price_unchanged_min'] %}
            with_known.{{ name }} as {{ name }},
        {% endfor %}
        {% for name in of_known + of_slot %}
            with_known.{{ name }}_ccy_per_mwh as {{ name }}_ccy_per_mwh,
        {% endfor %}
        if(loads.delivery_ts >= with_known.as_of - toIntervalDay(1), loads.load_last_mw, null) as load_last_mw,
        if(loads.delivery_ts >= with_known.as_of - toIntervalDay(1), loads.load_last_change_60m_mw, null) as load_last_change_60m_mw
    from with_known
    asof left join loads
        on with_known.market = loads.market and with_known.area = loads.area and with_known.as_of >= loads.usable_ts
),

with_others as (
    select
        *,
        sum(price_last_ccy_per_mwh) over of_all_hubs as sum_of_last,
        count(price_last_ccy_per_mwh) over of_all_hubs as number_of_last
    from with_load
    window of_all_hubs as (
        partition by market, delivery_ts, horizon_min
        order by hub
        rows between unbounded preceding and unbounded following
    )
),

final as (
    select
        with_others.market as market,
        with_others.hub as hub,
        with_others.product as product,
        with_others.delivery_ts as delivery_ts,
        with_others.delivery_date as delivery_date,
        intDiv(with_others.local_minute, 60) as local_hour,
        with_others.local_minute as local_minute,
        with_others.dst_fold as dst_fold,
        with_others.resolution_min as resolution_min,
        with_others.horizon_min as horizon_min,
        with_others.as_of as as_of,
        with_others.currency as currency,
        with_others.price_ccy_per_mwh as price_ccy_per_mwh,
        with_others.price_known_ts as price_known_ts,
        dateDiff('minute', with_others.last_ts, with_others.delivery_ts) as price_last_age_min,
        with_others.price_unchanged_min as price_unchanged_min,
        {% for name in of_known %}
            with_others.{{ name }}_ccy_per_mwh as {{ name }}_ccy_per_mwh,
        {% endfor %}
        {% for name in of_slot %}
            with_others.{{ name }}_ccy_per_mwh as {{ name }}_ccy_per_mwh,
            last_slots.{{ name }}_ccy_per_mwh as {{ name | replace('price_', 'price_last_') }}_ccy_per_mwh,
        {% endfor %}
        (with_others.sum_of_last - with_others.price_last_ccy_per_mwh)
        / nullIf(with_others.number_of_last - 1, 0) as price_others_last_ccy_per_mwh,
        {% for name in forecasts %}
            with_others.{{ name }} as {{ name }},
        {% endfor %}
        with_others.residual_load_forecast_mw - last_slots.residual_load_forecast_mw as residual_load_forecast_change_mw,
        with_others.load_last_mw as load_last_mw,
        with_others.load_last_change_60m_mw as load_last_change_60m_mw,
        toDayOfWeek(with_others.delivery_date) as day_of_week,
        toMonth(with_others.delivery_date) as month,
        toDayOfYear(with_others.delivery_date) as day_of_year,
        with_others.is_holiday as is_holiday
    from with_others
    left join slots as last_slots
        on
            with_others.market = last_slots.market
            and with_others.hub = last_slots.hub
            and with_others.last_ts = last_slots.delivery_ts
)

{{ as_contract('final', carried='delivery_date', partition='Month') }}
