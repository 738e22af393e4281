-- Size of forecast errors: load, wind and solar as forecast before the day began, and the real-time price as forecast hours ahead.
-- Grain: fact, slice, year (0 for the whole window). Errors are divided by the mean of what was forecast.
with

quantity_values as (
    select
        quantity,
        kind,
        resolution_min,
        delivery_ts,
        argMax(value, (known_ts, ingested_ts)) as amount
    from raw.quantities
    where
        market = {market:String}
        and area = 'system'
        and quantity in ('load', 'wind', 'solar', {load_actual:String})
        and delivery_ts >= {from:DateTime64(3, 'UTC')}
        and resolution_min <= 60
        -- a forecast counts as it stood when the market-local day began
        and (kind = 'actual' or known_ts < toStartOfDay(toTimeZone(delivery_ts, {zone:String})))
    group by quantity, kind, resolution_min, delivery_ts
),

quantity_hours as (
    select
        quantity,
        kind,
        resolution_min,
        intDiv(toUnixTimestamp(delivery_ts), 3600) as hour_no,
        avg(amount) as hour_mean
    from quantity_values
    group by quantity, kind, resolution_min, hour_no
    having count() = intDiv(60, resolution_min)
    order by resolution_min
    limit 1 by quantity, kind, hour_no
),

quantity_pairs as (
    select
        toString(ahead.quantity) as name,
        ahead.hour_no as hour_no,
        ahead.hour_mean as said,
        actual.hour_mean as was
    from (select * from quantity_hours where kind = 'forecast') as ahead
    inner join (select * from quantity_hours where kind = 'actual') as actual on ahead.hour_no = actual.hour_no
    where actual.quantity = if(ahead.quantity = 'load', {load_actual:String}, ahead.quantity)
),

price_values as (
    select
        product,
        delivery_ts,
        dateDiff('hour', known_ts, delivery_ts) as ahead_h,
        argMax(price_ccy_per_mwh, (known_ts, ingested_ts)) as price
    from raw.prices
    where
        market = {market:String}
        and hub = {hubs:Array(String)}[1]
        and (product = 'predispatch' or product = 'rt')
        and delivery_ts >= {from:DateTime64(3, 'UTC')}
        and resolution_min = 60
    group by product, delivery_ts, ahead_h
),

price_pairs as (
    select
        concat('price, ', toString(ahead.ahead_h), ' h ahead') as name,
        intDiv(toUnixTimestamp(ahead.delivery_ts), 3600) as hour_no,
        ahead.price as said,
        live.price as was
    from (select * from price_values where product = 'predispatch') as ahead
    inner join (select * from price_values where product = 'rt') as live on ahead.delivery_ts = live.delivery_ts
),

spans as (
    select
        *,
        toDate(toDateTime(hour_no * 3600, {zone:String})) as local_date,
        arrayJoin([0, toYear(local_date)]) as year
    from (select * from quantity_pairs union all select * from price_pairs)
),

stats as (
    select
        name,
        year,
        count() as n,
        min(local_date) as first_date,
        max(local_date) as last_date,
        avg(abs(said - was)) / avg(was) as size,
        avg(said - was) / avg(was) as bias
    from spans
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
array join if(
    startsWith(name, 'price'),
    [('price_forecast_error', substring(name, 8), '1', size)],
    [('forecast_error', name, '1', size), ('forecast_bias', name, '1', bias)]
) as f
