-- Series beside power (prices of fuels, allowances and currencies; storage, flows and LNG by day or longer) as known at each gate: the one place
-- where a last known value is carried, at most carry_days after the end of the period it holds for. Grain: market, delivery_date, kind, series,
-- place. As-of rule: known_ts <= as_of of the delivery date, so a late or revised value changes nothing before its known_ts.
{{ config(order_by='(market, delivery_date, kind, series, place)') }}

{%- set default_carry_days = 10 %}

with

days as (
    select
        market,
        delivery_date,
        as_of
    from {{ source('calendar', 'market_days') }} where {{ of_market() }}
),

calendar_days as (
    select distinct
        market,
        delivery_date
    from {{ ref('int_market_calendar') }} where {{ of_market() }}
),

settings as (
    select * from {{ source('calendar', 'series_settings') }}
),

sessions as (
    select * from {{ source('calendar', 'trading_days') }}
),

unit_factors as (
    select * from {{ source('calendar', 'unit_factors') }}
),

heat as (
    select any(mwh_per_unit) as mwh_per_mmbtu from unit_factors where unit = 'MMBtu'
),

commodities as (
    select * from {{ ref('stg_commodities') }} where {{ of_market() }}
),

measured as (
    select * from {{ ref('stg_quantities') }} where {{ of_market() }} and kind = 'actual' and resolution_min >= 1440
),

published as (
    select
        market,
        'price' as kind,
        toString(commodity) as series,
        toString(hub) as place,
        delivery_ts,
        resolution_min,
        known_ts,
        toString(currency) as currency,
        toString(unit) as unit,
        price_ccy_per_unit as value
    from commodities
    union all
    select
        market,
        'quantity' as kind,
        toString(quantity) as series,
        toString(area) as place,
        delivery_ts,
        resolution_min,
        known_ts,
        '' as currency,
        toString(unit) as unit,
        value
    from measured
),

with_settings as (
    select
        published.market as market,
        published.kind as kind,
        published.series as series,
        published.place as place,
        published.delivery_ts as delivery_ts,
        published.resolution_min as resolution_min,
        published.known_ts as known_ts,
        published.currency as currency,
        published.unit as unit,
        published.value as value,
        coalesce(toString(settings.calendar), '') as calendar_name,
        coalesce(toString(settings.roll), '') as roll,
        toUInt32(coalesce(settings.carry_days, {{ default_carry_days }})) as carry_days,
        published.delivery_ts + toIntervalMinute(published.resolution_min) as period_end_ts
    from published
    left join settings on published.kind = settings.kind and published.series = settings.series and published.place = settings.place
),

with_gate as (
    select
        with_settings.market as market,
        with_settings.kind as kind,
        with_settings.series as series,
        with_settings.place as place,
        with_settings.delivery_ts as delivery_ts,
        with_settings.known_ts as known_ts,
        tuple(
            with_settings.value,
            with_settings.unit,
            with_settings.currency,
            with_settings.resolution_min,
            with_settings.calendar_name,
            with_settings.roll
        ) as content,
        with_settings.carry_days as carry_days,
        with_settings.period_end_ts as period_end_ts,
        with_settings.resolution_min as resolution_min,
        days.delivery_date as usable_from_date
    from with_settings
    asof join days on with_settings.market = days.market and with_settings.known_ts <= days.as_of
),

carried as (
    select
        * except (usable_from_date),
        addDays(usable_from_date, arrayJoin(range(0, carry_days + 3 + toUInt32(intDiv(resolution_min, 1440))))) as delivery_date
    from with_gate
),

newest as (
    select
        carried.market as market,
        carried.delivery_date as delivery_date,
        carried.kind as kind,
        carried.series as series,
        carried.place as place,
        any(days.as_of) as as_of,
        argMax(carried.content, (carried.delivery_ts, carried.known_ts)) as last_content,
        max(carried.delivery_ts) as period_ts,
        argMax(carried.known_ts, (carried.delivery_ts, carried.known_ts)) as known_ts
    from carried
    inner join days on carried.market = days.market and carried.delivery_date = days.delivery_date
    inner join calendar_days on carried.market = calendar_days.market and carried.delivery_date = calendar_days.delivery_date
    where days.as_of <= carried.period_end_ts + toIntervalDay(carried.carry_days)
    group by carried.market, carried.delivery_date, carried.kind, carried.series, carried.place
),

dated as (
    select
        market,
        delivery_date,
        kind,
        series,
        place,
        as_of,
        period_ts,
        known_ts,
        last_content.1 as value,
        last_content.2 as unit,
        last_content.3 as currency,
        last_content.4 as resolution_min,
        last_content.5 as calendar_name,
        last_content.6 as roll,
        -- a period starts at a local midnight: twelve hours later it is that day in UTC too, in any zone
        toDate32(period_ts + toIntervalHour(12)) as period_date,
        -- the newest day whose value, published as late after its start as this one, is known by the gate
        toDate32(as_of + toIntervalSecond(dateDiff('second', known_ts, toDateTime64(period_date, 3, 'UTC')))) as due_date
    from newest
),

currencies as (
    select
        market,
        delivery_date,
        value as usd_eur
    from dated
    where kind = 'price' and series = 'fx' and place = 'USD'
),

with_sessions as (
    select
        dated.market as market,
        dated.delivery_date as delivery_date,
        dated.kind as kind,
        dated.series as series,
        dated.place as place,
        dated.as_of as as_of,
        dated.period_ts as period_ts,
        dated.known_ts as known_ts,
        dated.value as value,
        dated.unit as unit,
        dated.currency as currency,
        dated.resolution_min as resolution_min,
        dated.period_date as period_date,
        greatest(0, due.session_number - settled.session_number) as missing_sessions,
        multiIf(
            dated.roll = 'front_month', settled.front_month_date, dated.roll = 'front_december', settled.front_december_date, null
        ) as contract_date,
        currencies.usd_eur as known_usd_eur,
        unit_factors.mwh_per_unit as mwh_per_unit
    from dated
    left join sessions as settled on dated.calendar_name = settled.calendar and dated.period_date = settled.calendar_date
    left join sessions as due on dated.calendar_name = due.calendar and dated.due_date = due.calendar_date
    left join currencies on dated.market = currencies.market and dated.delivery_date = currencies.delivery_date
    left join unit_factors on dated.series = unit_factors.series and dated.unit = unit_factors.unit
),

converted as (
    select
        *,
        multiIf(currency = 'EUR', value, currency = 'USD', value * known_usd_eur, null) as price_eur_per_unit,
        multiIf(currency = 'USD', value, currency = 'EUR', value / known_usd_eur, null) as price_usd_per_unit
    from with_sessions
),

final as (
    select
        market,
        delivery_date,
        as_of,
        kind,
        series,
        place,
        value,
        unit,
        currency,
        period_ts,
        period_date,
        resolution_min,
        known_ts,
        missing_sessions,
        contract_date,
        known_usd_eur as usd_eur,
        price_eur_per_unit,
        price_usd_per_unit,
        price_eur_per_unit / mwh_per_unit as price_eur_per_mwh,
        price_usd_per_unit / mwh_per_unit as price_usd_per_mwh,
        price_usd_per_unit / mwh_per_unit * heat.mwh_per_mmbtu as price_usd_per_mmbtu
    from converted
    cross join heat
)

{{ as_contract('final') }}
