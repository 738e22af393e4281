{% with places = 'hubs' %}{% include '_hours.sql' %}{% endwith %},

{% include '_system.sql' %},

series as (
    select
        hub,
        toString(product) as name,
        hour_no,
        price as x
    from hours
    union all
    select
        'system' as hub,
        measured.1 as name,
        hour_no,
        assumeNotNull(measured.2) as x
    from system
    array join [('load', load), ('wind', wind), ('solar', solar)] as measured
    where measured.2 is not null
),

local_series as (
    select
        hub,
        name,
        hour_no,
        x,
        toDateTime(hour_no * 3600, {zone:String}) as local_ts,
        toDate(local_ts) as local_date,
        toYear(local_ts) as local_year
    from series
)
