intervals as (
    -- the newest publication counts
    select
        hub,
        product,
        delivery_ts,
        resolution_min,
        argMax(price_ccy_per_mwh, (known_ts, ingested_ts)) as price,
        tupleElement(argMax(tuple(congestion_ccy_per_mwh), (known_ts, ingested_ts)), 1) as congestion
    from raw.prices
    where
        market = {market:String}
        and hub in {{ '{' ~ places ~ ':Array(String)}' }}
        and product in ('da', 'rt')
        and delivery_ts >= {from:DateTime64(3, 'UTC')}
        and resolution_min <= 60
    group by hub, product, delivery_ts, resolution_min
),

whole_hours as (
    -- an hour with a missing interval is a gap
    select
        hub,
        product,
        resolution_min,
        intDiv(toUnixTimestamp(delivery_ts), 3600) as hour_no,
        avg(price) as mean_price,
        if(countIf(congestion is null) = 0, avg(congestion), null) as mean_congestion
    from intervals
    group by hub, product, resolution_min, hour_no
    having count() = intDiv(60, resolution_min)
),

hours as (
    select
        hub,
        product,
        hour_no,
        mean_price as price,
        mean_congestion as congestion,
        toDateTime(hour_no * 3600, {zone:String}) as local_ts,
        toDate(local_ts) as local_date,
        toYear(local_ts) as local_year
    from whole_hours
    order by resolution_min
    limit 1 by hub, product, hour_no
)
