-- Every published hour of a committed unit: its status, and what the hours up to it say of the unit.
-- Grain: market, unit_id, delivery_ts. As-of rule: a row speaks of hours up to its own only, all of which were known at usable_ts. Outputs count
-- in their first published version; where the market has telemetry, from that on. Markets without units have no rows.
{{ config(order_by='(market, unit_id, delivery_ts)') }}

with

market_settings as (
    select * from {{ source('calendar', 'market_settings') }} where {{ of_market() }} and unit_hub != ''
),

days as (
    select
        market,
        delivery_date,
        day_start_ts
    from {{ source('calendar', 'market_days') }} where {{ of_market() }}
),

outputs as (
    select
        market,
        unit_id,
        delivery_ts,
        argMin(units.fuel, units.known_ts) as fuel,
        argMin(units.output_mw, units.known_ts) as output_mw,
        min(units.known_ts) as published_ts
    from {{ ref('stg_units') }} as units
    where {{ of_market() }} and resolution_min = 60
    group by market, unit_id, delivery_ts
),

hours as (
    select
        outputs.market as market,
        outputs.unit_id as unit_id,
        outputs.delivery_ts as delivery_ts,
        outputs.fuel as fuel,
        outputs.output_mw as output_mw,
        toUnixTimestamp(outputs.delivery_ts) as second,
        toFloat64(outputs.output_mw > 0) as online,
        least(
            outputs.published_ts,
            coalesce(outputs.delivery_ts + toIntervalMinute(60 + market_settings.unit_telemetry_min), outputs.published_ts)
        ) as known_ts
    from outputs
    inner join market_settings on outputs.market = market_settings.market
    where market_settings.unit_excluded_fuels = '' or not {{ is_listed('outputs.fuel', 'market_settings.unit_excluded_fuels') }}
),

changes as (
    select
        *,
        row_number() over of_unit as number,
        lagInFrame(toNullable(second)) over of_unit as second_before,
        if(second - second_before = 3600, output_mw - lagInFrame(output_mw) over of_unit, null) as ramp_mw,
        coalesce(second - second_before = 3600 and online != lagInFrame(online) over of_unit, false) as is_change
    from hours
    window of_unit as (
        partition by market, unit_id
        order by second
        rows between unbounded preceding and current row
    )
),

counted as (
    select
        *,
        toUInt8(is_change and online = 1) as is_start,
        toUInt8(is_change and online = 0) as is_stop
    from changes
),

-- sums from the first hour on: differences of them are sums over any number of hours, at the cost of one look back
summed as (
    select
        *,
        max(known_ts) over of_unit as usable_ts,
        greatest(0, max(output_mw) over of_unit) as capacity_mw,
        max(if(is_change, second, 0)) over of_unit as changed_second,
        min(second) over of_unit as first_second,
        sum(online) over of_unit as online_until,
        sum(is_start) over of_unit as starts_until,
        sum(is_stop) over of_unit as stops_until
    from counted
    window of_unit as (
        partition by market, unit_id
        order by second
        rows between unbounded preceding and current row
    )
),

windowed as (
    select
        market,
        unit_id,
        delivery_ts,
        fuel,
        output_mw,
        online,
        ramp_mw,
        known_ts,
        is_start,
        is_stop,
        usable_ts,
        capacity_mw,
        starts_until,
        stops_until,
        number as hours_until,
        least(2160, intDiv(second - greatest(changed_second, first_second), 3600) + 1) as state_h,
        {% for hours in [24, 168, 2160] %}
            (online_until - lagInFrame(online_until, {{ hours }}, 0) over of_unit) / least(number, {{ hours }}) as online_{{ hours }}h_share,
        {% endfor %}
        starts_until - lagInFrame(starts_until, 2160, 0) over of_unit as starts_2160h,
        avg(online) over same_hour as online_hour_7d_share,
        avgOrNull(ramp_mw) over same_hour as ramp_hour_7d_mw,
        avg(online) over same_slot as online_slot_28d_share
    from summed
    window
        of_unit as (
            partition by market, unit_id
            order by second
            rows between unbounded preceding and current row
        ),
        same_hour as (
            partition by market, unit_id, second % 86400
            order by second
            rows between 6 preceding and current row
        ),
        same_slot as (
            partition by market, unit_id, second % 604800
            order by second
            rows between 3 preceding and current row
        )
),

final as (
    select
        windowed.*,
        days.delivery_date as delivery_date
    from windowed
    asof join days on windowed.market = days.market and windowed.delivery_ts >= days.day_start_ts
)

{{ as_contract('final') }}
