-- Days for which a value of a series was due and was never loaded.
-- Grain: market, kind, series, place, session_date. As-of rule: none, the newest state. Between the first and the last value of a series.
with

settings as (
    select * from {{ source('calendar', 'series_settings') }}
),

sessions as (
    select
        calendar,
        calendar_date
    from {{ source('calendar', 'trading_days') }} where is_session
),

commodities as (
    select
        market,
        'price' as kind,
        toString(commodity) as series,
        toString(hub) as place,
        toDate32(delivery_ts + toIntervalHour(12)) as period_date
    from {{ ref('stg_commodities') }}
),

measured as (
    select * from {{ ref('stg_quantities') }} where kind = 'actual' and resolution_min >= 1440
),

quantities as (
    select
        market,
        'quantity' as kind,
        toString(quantity) as series,
        toString(area) as place,
        toDate32(delivery_ts + toIntervalHour(12)) as period_date
    from measured
),

days as (
    select * from commodities
    union all
    select * from quantities
),

spans as (
    select
        days.market as market,
        days.kind as kind,
        days.series as series,
        days.place as place,
        any(settings.calendar) as calendar,
        min(days.period_date) as first_date,
        max(days.period_date) as last_date,
        groupUniqArray(days.period_date) as dates
    from days
    inner join settings on days.kind = settings.kind and days.series = settings.series and days.place = settings.place
    group by days.market, days.kind, days.series, days.place
),

final as (
    select
        spans.market as market,
        spans.kind as kind,
        spans.series as series,
        spans.place as place,
        spans.calendar as calendar,
        sessions.calendar_date as session_date
    from spans
    inner join sessions on spans.calendar = sessions.calendar
    where
        sessions.calendar_date >= spans.first_date
        and sessions.calendar_date <= spans.last_date
        and not has(spans.dates, sessions.calendar_date)
)

{{ as_contract('final') }}
