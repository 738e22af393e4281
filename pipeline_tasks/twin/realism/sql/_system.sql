quantity_intervals as (
    select
        area,
        quantity,
        kind,
        delivery_ts,
        resolution_min,
        argMax(value, (known_ts, ingested_ts)) as newest
    from raw.quantities
    where
        market = {market:String}
        and quantity in ('load', 'wind', 'solar', 'renewables')
        and delivery_ts >= {from:DateTime64(3, 'UTC')}
        and resolution_min <= 60
    group by area, quantity, kind, delivery_ts, resolution_min
),

quantity_hours as (
    select
        area,
        quantity,
        kind,
        resolution_min,
        intDiv(toUnixTimestamp(delivery_ts), 3600) as hour_no,
        avg(newest) as amount
    from quantity_intervals
    group by area, quantity, kind, resolution_min, hour_no
    having count() = intDiv(60, resolution_min)
    order by resolution_min
    limit 1 by area, quantity, kind, hour_no
),

described as (
    -- measured where there is a measurement, else forecast ('actual' sorts before 'forecast')
    select
        *,
        min(toString(kind)) over (partition by quantity) as best_kind,
        max(area = 'system') over (partition by quantity, kind) as has_system,
        uniqExact(area) over (partition by quantity, kind) as areas
    from quantity_hours
),

totals as (
    -- the system's own figure, or the sum over all areas in hours in which none is missing
    select
        quantity,
        hour_no,
        if(any(has_system), sumIf(amount, area = 'system'), sum(amount)) as total
    from described
    where kind = best_kind
    group by quantity, hour_no
    having if(any(has_system), countIf(area = 'system') = 1, count() = any(areas))
),

known_totals as (
    select
        *,
        countIf(quantity = 'solar') over () > 0 as knows_solar,
        countIf(quantity in ('wind', 'solar', 'renewables')) over () > 0 as knows_renewables
    from totals
),

system as (
    -- one row per hour; knows_renewables says whether the market publishes any
    select
        hour_no,
        any(knows_renewables) as knows_renewables,
        if(countIf(quantity = 'load') = 1, sumIf(total, quantity = 'load'), null) as load,
        if(countIf(quantity = 'wind') = 1, sumIf(total, quantity = 'wind'), null) as wind,
        if(countIf(quantity = 'solar') = 1, sumIf(total, quantity = 'solar'), null) as solar,
        multiIf(
            countIf(quantity = 'renewables') = 1,
            sumIf(total, quantity = 'renewables'),
            countIf(quantity = 'wind') = 1 and countIf(quantity = 'solar') = toUInt8(any(knows_solar)),
            sumIf(total, quantity in ('wind', 'solar')),
            null
        ) as renewables
    from known_totals
    group by hour_no
)
