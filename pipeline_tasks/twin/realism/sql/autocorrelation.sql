-- Autocorrelation at 1, 24 and 168 hours of prices, load, wind and solar; pairs of hours that are that far apart, gaps left out.
-- Grain: fact, slice, year (0 for the whole window) of the later hour, hub.
with

{% include '_series.sql' %},

lagged as (
    select
        *,
        arrayJoin([1, 24, 168]) as lag,
        hour_no - lag as earlier
    from local_series
),

pairs as (
    select
        lagged.hub as hub,
        lagged.name as name,
        lagged.lag as lag,
        lagged.local_date as local_date,
        arrayJoin([0, lagged.local_year]) as year,
        lagged.x as later_x,
        local_series.x as earlier_x
    from lagged
    inner join local_series
        on lagged.hub = local_series.hub and lagged.name = local_series.name and lagged.earlier = local_series.hour_no
)

select
    'autocorrelation' as fact,
    concat(name, ' ', toString(lag), ' h') as slice,
    '1' as unit,
    year,
    hub,
    corrStable(later_x, earlier_x) as x,
    count() as n,
    min(local_date) as first_date,
    max(local_date) as last_date
from pairs
group by name, lag, year, hub
