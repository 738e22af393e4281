-- Point-in-time features of the status of generating units: one row per unit, foretold hour and decision.
-- Grain: market, hub, product (the unit), delivery_ts, as_of. As-of rule: every column but the outcomes (online, started, stopped, ramp_mw,
-- status_known_ts) uses only what was known at as_of; what ftr_day_ahead says counts from its own gate on. A unit of which no hour of the seven
-- days before as_of is known has no row. Rebuilt by partition: the months from start_date to end_date of one market.
{{ config(partition_by='(market, toYYYYMM(delivery_date))', order_by='(market, hub, product, delivery_ts, as_of)') }}

{%- set of_state = ['online_24h_share', 'online_168h_share', 'online_2160h_share', 'starts_2160h', 'state_h'] %}
{%- set of_gate = ['price_lag_7d_ccy_per_mwh', 'load_forecast_mw', 'residual_load_forecast_mw', 'residual_load_ramp_mw',
    'residual_load_tightness', 'temperature_forecast_degc'] %}
{%- set of_now = ['price_prev_day_mean_ccy_per_mwh', 'gas_price_ccy_per_unit', 'co2_price_ccy_per_unit'] %}

with

market_settings as (
    select
        *,
        arrayMap(x -> toInt64(x), splitByChar(',', toString(unit_horizons_min))) as horizons_min,
        arrayMap(x -> toInt64(x), splitByChar(',', toString(unit_decision_hours))) as decision_hours
    from {{ source('calendar', 'market_settings') }} where {{ of_market() }} and unit_hub != ''
),

states as (
    select unit_states.*
    from {{ ref('int_unit_states') }} as unit_states
    inner join market_settings on unit_states.market = market_settings.market
    where
        {{ is_rebuilt('unit_states.delivery_date', days_before=10, days_after=2, partition='Month') }}
        and unit_states.delivery_date >= coalesce(market_settings.unit_since_date, toDate32('1990-01-11')) - 10
),

counts as (
    select
        market,
        unit_id,
        delivery_ts + toIntervalHour(1) as as_of,
        hours_until,
        starts_until,
        stops_until
    from states
),

outcomes as (
    select
        market,
        unit_id,
        delivery_ts,
        online,
        ramp_mw,
        usable_ts,
        hours_until,
        starts_until - is_start as starts_before,
        stops_until - is_stop as stops_before
    from states
),

{% for days in [1, 2, 7] %}
    back_{{ days }}d as (
        select
            market,
            unit_id,
            delivery_ts + toIntervalDay({{ days }}) as delivery_ts,
            usable_ts,
            online,
            {{ 'online_hour_7d_share, ramp_hour_7d_mw' if days == 2 else 'online_slot_28d_share, ramp_mw' if days == 7 else 'ramp_mw' }}
        from states
    ),

{% endfor %}

day_hours as (
    select
        *,
        {{ intervals_of_day('60') }}
    from {{ source('calendar', 'market_days') }}
    where {{ of_market() }} and {{ is_rebuilt(days_before=2, partition='Month') }}
),

clock as (
    select
        market,
        delivery_ts,
        delivery_date,
        is_holiday,
        {{ local_clock() }}
    from day_hours
),

reported as (
    select
        market,
        min(usable_ts) as first_ts,
        max(usable_ts) as last_ts
    from states
    group by market
),

decisions as (
    select
        clock.market as market,
        clock.delivery_ts as as_of,
        market_settings.unit_hub as hub,
        market_settings.product as priced_product,
        market_settings.area as area,
        market_settings.horizons_min as horizons_min,
        market_settings.unit_since_date as since_date
    from clock
    inner join market_settings on clock.market = market_settings.market
    inner join reported on clock.market = reported.market
    where
        has(market_settings.decision_hours, intDiv(clock.local_minute, 60))
        and not clock.is_repeated
        and clock.delivery_ts between reported.first_ts and reported.last_ts + toIntervalDay(7)
),

fleet_hours as (
    select
        market,
        delivery_ts,
        avg(online) as fleet_online_share,
        max(usable_ts) as fleet_known_ts
    from states
    group by market, delivery_ts
),

fuel_hours as (
    select
        market,
        fuel,
        delivery_ts,
        avg(online) as fuel_online_share
    from states
    group by market, fuel, delivery_ts
),

fleet_decisions as (
    select
        decisions.*,
        fleet_hours.delivery_ts as fleet_ts,
        fleet_hours.fleet_online_share as fleet_online_share
    from decisions
    asof left join fleet_hours on decisions.market = fleet_hours.market and decisions.as_of >= fleet_hours.fleet_known_ts
),

units as (
    select
        market,
        unit_id
    from states
    group by market, unit_id
),

asked as (
    select
        units.unit_id as unit_id,
        fleet_decisions.*
    from fleet_decisions
    inner join units on fleet_decisions.market = units.market
),

with_state as (
    select
        asked.market as market,
        asked.hub as hub,
        asked.unit_id as unit_id,
        asked.as_of as as_of,
        asked.priced_product as priced_product,
        asked.area as area,
        asked.horizons_min as horizons_min,
        asked.since_date as since_date,
        asked.fleet_ts as fleet_ts,
        asked.fleet_online_share as fleet_online_share,
        last_states.fuel as fuel,
        last_states.delivery_ts as last_ts,
        last_states.capacity_mw as capacity_mw,
        last_states.online as online_last,
        last_states.output_mw / nullIf(last_states.capacity_mw, 0) as output_last_share,
        last_states.ramp_mw as ramp_last_mw,
    {% for name in of_state %}
        last_states.{{ name }} as {{ name }}{{ ',' if not loop.last }}
    {% endfor %}
    from asked
    asof join states as last_states
        on asked.market = last_states.market and asked.unit_id = last_states.unit_id and asked.as_of >= last_states.usable_ts
    where last_ts >= asked.as_of - toIntervalDay(7)
),

counted as (
    select
        with_state.*,
        counts.hours_until as hours_before,
        counts.starts_until as starts_before,
        counts.stops_until as stops_before,
        arrayJoin(with_state.horizons_min) as horizon_min,
        with_state.as_of + toIntervalMinute(horizon_min) as delivery_ts
    from with_state
    left join counts
        on
            with_state.market = counts.market
            and with_state.unit_id = counts.unit_id
            and with_state.as_of = counts.as_of
),

rows_of_units as (
    select
        counted.*,
        clock.delivery_date as delivery_date,
        intDiv(clock.local_minute, 60) as local_hour,
        toInt64(clock.is_repeated) as dst_fold,
        clock.is_holiday as is_holiday
    from counted
    inner join clock on counted.market = clock.market and counted.delivery_ts = clock.delivery_ts
    where
        {{ is_rebuilt('clock.delivery_date', partition='Month') }}
        and clock.delivery_date >= coalesce(counted.since_date, toDate32('1990-01-01'))
),

first_loads as (
    select
        market,
        area,
        measured.delivery_ts as interval_ts,
        argMin(measured.value, (measured.known_ts, measured.resolution_min)) as value,
        min(measured.known_ts) as known_ts
    from {{ ref('stg_quantities') }} as measured
    where
        {{ of_market() }}
        and kind = 'actual'
        and quantity = 'load'
        and {{ is_rebuilt('toDate32(measured.delivery_ts)', days_before=10, days_after=1, partition='Month') }}
    group by market, area, interval_ts
),

loads as (
    select
        market,
        area,
        toStartOfHour(interval_ts) as delivery_ts,
        {{ mean_of(stable_array('first_loads.value', 'interval_ts')) }} as load_mw,
        max(first_loads.known_ts) as known_ts
    from first_loads
    group by market, area, delivery_ts
),

load_ramps as (
    select
        *,
        lagInFrame(toNullable(delivery_ts)) over of_area as before_ts,
        if(before_ts = delivery_ts - toIntervalHour(1), load_mw - lagInFrame(load_mw) over of_area, null) as ramp_mw
    from loads
    window of_area as (
        partition by market, area
        order by delivery_ts
        rows between 1 preceding and current row
    )
),

day_ahead as (
    select * from {{ ref('ftr_day_ahead') }}
    where {{ of_market() }} and {{ is_rebuilt(days_before=3, days_after=1, partition='Month') }}
),

priced as (
    select
        day_ahead.market as market,
        day_ahead.hub as hub,
        day_ahead.delivery_ts as delivery_ts,
        day_ahead.as_of as gate_ts,
        day_ahead.price_ccy_per_mwh as price_ccy_per_mwh,
        day_ahead.price_known_ts as price_known_ts,
    {% for name in of_gate + of_now %}
        day_ahead.{{ name }} as {{ name }}{{ ',' if not loop.last }}
    {% endfor %}
    from day_ahead
    inner join market_settings
        on
            day_ahead.market = market_settings.market
            and day_ahead.hub = market_settings.unit_hub
            and day_ahead.product = market_settings.product
    where day_ahead.resolution_min = 60
),

final as (
    select
        rows_of_units.market as market,
        rows_of_units.hub as hub,
        rows_of_units.unit_id as product,
        rows_of_units.delivery_ts as delivery_ts,
        rows_of_units.delivery_date as delivery_date,
        rows_of_units.local_hour as local_hour,
        rows_of_units.dst_fold as dst_fold,
        60 as resolution_min,
        rows_of_units.horizon_min as horizon_min,
        rows_of_units.as_of as as_of,
        outcomes.online as online,
        -- the hours from as_of to this one, and the one before as_of, are all there
        outcomes.hours_until - rows_of_units.hours_before = intDiv(rows_of_units.horizon_min, 60) + 1 as is_whole,
        if(is_whole, toFloat64(outcomes.starts_before > rows_of_units.starts_before), null) as started,
        if(is_whole, toFloat64(outcomes.stops_before > rows_of_units.stops_before), null) as stopped,
        outcomes.ramp_mw as ramp_mw,
        outcomes.usable_ts as status_known_ts,
        rows_of_units.fuel as fuel,
        multiIf(
            rows_of_units.online_2160h_share > 0.85,
            'base_load',
            rows_of_units.online_2160h_share < 0.15,
            'peaker',
            'cycling'
        ) as unit_class,
        rows_of_units.capacity_mw as capacity_mw,
        rows_of_units.online_last as online_last,
        dateDiff('minute', rows_of_units.last_ts, rows_of_units.as_of) as status_age_min,
        rows_of_units.output_last_share as output_last_share,
        rows_of_units.ramp_last_mw as ramp_last_mw,
        {% for name in of_state %}
            rows_of_units.{{ name }} as {{ name }},
        {% endfor %}
        if(back_1d.usable_ts <= rows_of_units.as_of, back_1d.online, null) as online_lag_1d,
        if(back_2d.usable_ts <= rows_of_units.as_of, back_2d.online, null) as online_lag_2d,
        if(back_7d.usable_ts <= rows_of_units.as_of, back_7d.online, null) as online_lag_7d,
        if(back_1d.usable_ts <= rows_of_units.as_of, back_1d.ramp_mw, null) as ramp_lag_1d_mw,
        if(back_7d.usable_ts <= rows_of_units.as_of, back_7d.ramp_mw, null) as ramp_lag_7d_mw,
        if(back_2d.usable_ts <= rows_of_units.as_of, back_2d.online_hour_7d_share, null) as online_hour_7d_share,
        if(back_2d.usable_ts <= rows_of_units.as_of, back_2d.ramp_hour_7d_mw, null) as ramp_hour_7d_mw,
        if(back_7d.usable_ts <= rows_of_units.as_of, back_7d.online_slot_28d_share, null) as online_slot_28d_share,
        rows_of_units.fleet_online_share as fleet_online_share,
        fuel_hours.fuel_online_share as fuel_online_share,
        if(load_7d.known_ts <= rows_of_units.as_of, load_7d.load_mw, null) as load_lag_7d_mw,
        if(load_7d.known_ts <= rows_of_units.as_of, load_7d.ramp_mw, null) as load_lag_7d_ramp_mw,
        if(load_1d.known_ts <= rows_of_units.as_of, load_1d.ramp_mw, null) as load_lag_1d_ramp_mw,
        if(priced.price_known_ts <= rows_of_units.as_of, priced.price_ccy_per_mwh, null) as price_da_ccy_per_mwh,
        if(now.price_known_ts <= rows_of_units.as_of, now.price_ccy_per_mwh, null) as price_now_ccy_per_mwh,
        priced.gate_ts <= rows_of_units.as_of as is_after_gate,
        {% for name in of_gate %}
            if(is_after_gate, priced.{{ name }}, null) as {{ name }},
        {% endfor %}
        if(is_after_gate, priced.residual_load_forecast_mw - now.residual_load_forecast_mw, null) as residual_load_change_mw,
        {% for name in of_now %}
            if(now.gate_ts <= rows_of_units.as_of, now.{{ name }}, null) as {{ name }},
        {% endfor %}
        toDayOfWeek(rows_of_units.delivery_date) as day_of_week,
        toMonth(rows_of_units.delivery_date) as month,
        rows_of_units.is_holiday as is_holiday
    from rows_of_units
    left join outcomes
        on
            rows_of_units.market = outcomes.market
            and rows_of_units.unit_id = outcomes.unit_id
            and rows_of_units.delivery_ts = outcomes.delivery_ts
    {% for days in [1, 2, 7] %}
        left join back_{{ days }}d
            on
                rows_of_units.market = back_{{ days }}d.market
                and rows_of_units.unit_id = back_{{ days }}d.unit_id
                and rows_of_units.delivery_ts = back_{{ days }}d.delivery_ts
    {% endfor %}
    left join fuel_hours
        on
            rows_of_units.market = fuel_hours.market
            and rows_of_units.fuel = fuel_hours.fuel
            and rows_of_units.fleet_ts = fuel_hours.delivery_ts
    {% for days in [1, 7] %}
        left join load_ramps as load_{{ days }}d
            on
                rows_of_units.market = load_{{ days }}d.market
                and rows_of_units.area = load_{{ days }}d.area
                and rows_of_units.delivery_ts - toIntervalDay({{ days }}) = load_{{ days }}d.delivery_ts
    {% endfor %}
    left join priced on rows_of_units.market = priced.market and rows_of_units.delivery_ts = priced.delivery_ts
    left join priced as now on rows_of_units.market = now.market and rows_of_units.as_of = now.delivery_ts
)

{{ as_contract('final') }}
