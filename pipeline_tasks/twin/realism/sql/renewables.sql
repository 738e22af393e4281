-- Share of wind and solar in load, and how often wind lulls (below a tenth of its 99.9 % quantile).
-- Grain: fact, slice, year (0 for the whole window). Hours in which load and the quantity are both known.
with

{% include '_system.sql' %},

measured as (
    select
        m.1 as name,
        toDate(toDateTime(hour_no * 3600, {zone:String})) as local_date,
        arrayJoin([0, toYear(local_date)]) as year,
        assumeNotNull(m.2) as amount,
        assumeNotNull(load) as demand
    from system
    array join [('wind', wind), ('solar', solar), ('wind and solar', renewables)] as m
    where m.2 is not null and load is not null
),

stats as (
    select
        name,
        year,
        count() as n,
        min(local_date) as first_date,
        max(local_date) as last_date,
        sum(amount) / sum(demand) as share,
        arrayAvg(a -> a < 0.1 * quantileExactInclusive(0.999)(amount), groupArray(amount)) as lull
    from measured
    group by name, year
)

select
    f.1 as fact,
    f.2 as slice,
    f.3 as unit,
    year,
    'system' as hub,
    f.4 as x,
    n,
    first_date,
    last_date
from stats
array join if(name = 'wind', [('renewable_share', name, '1', share), ('wind_lull_share', name, '1', lull)], [('renewable_share', name, '1', share)]) as f
