{% macro local_clock() -%}
    {#- Offset to UTC, minute of the local day and whether the hour is the repeated one, for rows of intermediate.market_days with delivery_ts. -#}
    if(delivery_ts < offset_change_ts, utc_offset_start_min, utc_offset_end_min) as utc_offset_min,
        positiveModulo(intDiv(toUnixTimestamp(delivery_ts), 60) + utc_offset_min, 1440) as local_minute,
        delivery_ts >= offset_change_ts
        and delivery_ts < offset_change_ts + toIntervalMinute(utc_offset_start_min - utc_offset_end_min) as is_repeated
{%- endmacro %}


{% macro intervals_of_day(resolution) -%}
    {#- Starts of the intervals of a row of intermediate.market_days, one row each; day_minutes is the length of the day. -#}
    dateDiff('minute', day_start_ts, day_end_ts) as day_minutes,
        day_start_ts + toIntervalMinute(arrayJoin(range(0, toUInt32(day_minutes), toUInt32({{ resolution }})))) as delivery_ts
{%- endmacro %}


{% macro intraday_horizons() -%}
    {#- Minutes between decision and delivery, ascending, from intermediate.market_settings. -#}
    arrayMap(minutes -> toInt64(minutes), splitByChar(',', toString(intraday_horizons_min)))
{%- endmacro %}


{% macro pieces_of(rows) -%}
    {#- Starts of the pieces of step_min minutes that an interval of the rows consists of; one piece where it is no longer than that. -#}
    {{ rows }}.delivery_ts + toIntervalMinute(arrayJoin(range(0, toUInt32({{ rows }}.resolution_min), toUInt32(steps.step_min))))
{%- endmacro %}


{% macro is_listed(value, list) -%}
    {#- Whether a value is in a comma-separated list; an empty list holds everything. -#}
    ({{ list }} = '' or has(splitByChar(',', toString({{ list }})), toString({{ value }})))
{%- endmacro %}
