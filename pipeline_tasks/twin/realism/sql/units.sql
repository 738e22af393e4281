-- Starts of generating units per unit and year, by class of utilisation and by fuel; hours per start; utilisation.
-- Grain: fact, slice, year (0 for the whole window). A start is an hour above the threshold right after an hour at or below it; a unit
-- whose previous hour is missing starts nothing.
with

outputs as (
    select
        unit_id,
        delivery_ts,
        any(lower(toString(fuel))) as said_fuel,
        argMax(output_mw, (known_ts, ingested_ts)) as output
    from raw.units
    where market = {market:String} and delivery_ts >= {from:DateTime64(3, 'UTC')} and resolution_min = 60
    group by unit_id, delivery_ts
),

sized as (
    select
        unit_id,
        transform(said_fuel, {fuel_aliases:Array(String)}, {fuel_names:Array(String)}, said_fuel) as fuel,
        output,
        intDiv(toUnixTimestamp(delivery_ts), 3600) as hour_no,
        max(output) over (partition by unit_id) as largest,
        avg(output) over (partition by unit_id) / largest as utilisation,
        output > greatest(1, {unit_on_share:Float64} * largest) as is_on
    from outputs
),

states as (
    select
        unit_id,
        fuel,
        output / largest as used,
        is_on,
        toYear(toDateTime(hour_no * 3600, {zone:String})) as local_year,
        toDate(toDateTime(hour_no * 3600, {zone:String})) as local_date,
        multiIf(utilisation > {base_utilisation:Float64}, 'base', utilisation < {peak_utilisation:Float64}, 'peak', 'mid') as class,
        is_on and any(hour_no) over last_hour = hour_no - 1 and not any(is_on) over last_hour as starts
    from sized
    where largest > 1
    window last_hour as (partition by unit_id order by hour_no rows between 1 preceding and 1 preceding)
),

yearly as (
    select
        unit_id,
        any(fuel) as unit_fuel,
        any(class) as unit_class,
        local_year,
        count() as hours,
        min(local_date) as first_date,
        max(local_date) as last_date,
        sum(starts) as starts,
        sum(is_on) as on_hours,
        sum(used) as used_hours
    from states
    group by unit_id, local_year
),

named as (
    select
        *,
        arrayJoin([0, local_year]) as year,
        arrayJoin(
            arrayConcat(
                if(unit_fuel in {free_running:Array(String)}, [], ['thermal', concat('thermal ', unit_class)]),
                if(unit_fuel = '', [], [concat('fuel ', unit_fuel)])
            )
        ) as name
    from yearly
),

stats as (
    select
        name,
        year,
        sum(hours) as n,
        min(first_date) as first_day,
        max(last_date) as last_day,
        sum(starts) as all_starts,
        sum(on_hours) as all_on_hours,
        sum(used_hours) / n as utilisation,
        uniqExact(unit_id) as units
    from named
    group by name, year
)

select
    f.1 as fact,
    f.2 as slice,
    f.3 as unit,
    year,
    'units' as hub,
    f.4 as x,
    n,
    first_day as first_date,
    last_day as last_date
from stats
array join [
    ('unit_starts', name, '1/year', 8766 * all_starts / n),
    ('unit_hours_per_start', name, 'h', all_on_hours / all_starts),
    ('unit_utilisation', name, '1', utilisation),
    ('unit_count', name, '1', toFloat64(units))
] as f
