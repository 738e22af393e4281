-- Daily and weekly shape of prices and load: mean by local hour and by weekday over the mean of all hours.
-- Grain: fact, slice, year (0 for the whole window), hub. On a 25-hour day the repeated hour counts twice; a 23-hour day lacks one.
with

{% include '_series.sql' %},

spans as (
    select
        *,
        toHour(local_ts) as local_hour,
        toDayOfWeek(local_ts) as weekday,
        arrayJoin([0, local_year]) as year
    from local_series
    where name in ('da', 'rt', 'load')
),

stats as (
    select
        hub,
        name,
        year,
        count() as n,
        min(local_date) as first_date,
        max(local_date) as last_date,
        avg(x) as mean,
        max(x) as top,
        avgMap(map(local_hour, x)) as hour_means,
        avgMap(map(weekday, x)) as weekday_means,
        avgIf(x, weekday <= 5 and local_hour between 8 and 19) as peak,
        avgIf(x, not (weekday <= 5 and local_hour between 8 and 19)) as off_peak,
        avgIf(x, weekday >= 6) as weekend,
        avgIf(x, weekday <= 5) as working,
        avgIf(x, local_hour between 11 and 14) as midday
    from spans
    group by hub, name, year
),

facts as (
    select
        hub,
        year,
        n,
        first_date,
        last_date,
        arrayConcat(
            arrayMap((h, v) -> ('daily_shape', concat(name, ' ', leftPad(toString(h), 2, '0')), '1', v / mean), mapKeys(hour_means), mapValues(hour_means)),
            arrayMap((d, v) -> ('weekly_shape', concat(name, ' ', toString(d)), '1', v / mean), mapKeys(weekday_means), mapValues(weekday_means)),
            [
                ('peak_off_peak', name, '1', peak / off_peak),
                ('hour_of_peak', name, 'h', toFloat64(mapKeys(hour_means)[indexOf(mapValues(hour_means), arrayMax(mapValues(hour_means)))])),
                ('hour_of_trough', name, 'h', toFloat64(mapKeys(hour_means)[indexOf(mapValues(hour_means), arrayMin(mapValues(hour_means)))])),
                ('shape_amplitude', name, '1', (arrayMax(mapValues(hour_means)) - arrayMin(mapValues(hour_means))) / mean),
                ('midday_ratio', name, '1', midday / mean),
                ('weekend_weekday', name, '1', weekend / working)
            ],
            if(name = 'load', [('load_factor', name, '1', mean / top)], [])
        ) as found
    from stats
)

select
    f.1 as fact,
    f.2 as slice,
    f.3 as unit,
    year,
    hub,
    f.4 as x,
    n,
    first_date,
    last_date
from facts
array join found as f
