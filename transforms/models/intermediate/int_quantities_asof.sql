-- Versions of forecasts and actuals on the market's delivery intervals; finer source intervals are averaged, coarser ones held.
-- Grain: market, area, quantity, kind, delivery_ts, source_resolution_min, usable_from_date. As-of rule as in int_prices_asof; a mean of
-- finer intervals exists only from the gate on at which all of them were known.
{{ config(order_by='(market, area, quantity, kind, delivery_ts, source_resolution_min, usable_from_date)') }}

with

days as (
    select
        market,
        delivery_date,
        as_of
    from {{ source('calendar', 'market_days') }} where {{ of_market() }}
),

market_settings as (
    select
        market,
        resolution_min
    from {{ source('calendar', 'market_settings') }} where {{ of_market() }}
),

calendar as (
    select * from {{ ref('int_market_calendar') }} where {{ of_market() }}
),

places as ( -- what features look at; further areas stay in staging
    select
        market,
        area
    from {{ source('calendar', 'market_settings') }} where {{ of_market() }}
    union distinct
    select
        market,
        hub as area
    from {{ ref('stg_prices') }} where {{ of_market() }}
),

quantities as (
    select * from {{ ref('stg_quantities') }}
    where
        {{ of_market() }}
        and (market, area) in (select tuple(places.market, places.area) from places)
        and not (kind = 'actual' and resolution_min >= 1440) -- daily measurements: int_series_asof
),

pieces as (
    select
        quantities.market as market,
        quantities.area as area,
        quantities.quantity as quantity,
        quantities.kind as kind,
        quantities.known_ts as known_ts,
        quantities.resolution_min as source_resolution_min,
        quantities.value as value,
        greatest(1, intDiv(market_settings.resolution_min, quantities.resolution_min)) as pieces_expected,
        quantities.delivery_ts
        + toIntervalMinute(arrayJoin(range(0, toUInt32(quantities.resolution_min), toUInt32(market_settings.resolution_min)))) as piece_ts
    from quantities
    inner join market_settings on quantities.market = market_settings.market
),

with_gate as (
    select
        pieces.market as market,
        pieces.area as area,
        pieces.quantity as quantity,
        pieces.kind as kind,
        pieces.known_ts as known_ts,
        pieces.source_resolution_min as source_resolution_min,
        pieces.value as value,
        pieces.pieces_expected as pieces_expected,
        pieces.piece_ts as piece_ts,
        days.delivery_date as usable_from_date
    from pieces
    asof join days on pieces.market = days.market and pieces.known_ts <= days.as_of
),

on_calendar as (
    select
        with_gate.market as market,
        with_gate.area as area,
        with_gate.quantity as quantity,
        with_gate.kind as kind,
        with_gate.known_ts as known_ts,
        with_gate.source_resolution_min as source_resolution_min,
        with_gate.value as value,
        with_gate.pieces_expected as pieces_expected,
        with_gate.piece_ts as piece_ts,
        with_gate.usable_from_date as usable_from_date,
        calendar.delivery_ts as delivery_ts,
        calendar.delivery_date as delivery_date,
        calendar.local_minute as local_minute,
        calendar.dst_fold as dst_fold,
        calendar.resolution_min as resolution_min
    from with_gate
    asof join calendar on with_gate.market = calendar.market and with_gate.piece_ts >= calendar.delivery_ts
),

by_interval as (
    select
        market,
        area,
        quantity,
        kind,
        delivery_ts,
        source_resolution_min,
        any(delivery_date) as delivery_date,
        any(local_minute) as local_minute,
        any(dst_fold) as dst_fold,
        any(resolution_min) as interval_min,
        any(pieces_expected) as pieces_expected,
        arraySort(groupArray((known_ts, usable_from_date, piece_ts, value))) as piece_versions,
        arraySort(groupUniqArray(piece_ts)) as piece_starts,
        arraySort(groupUniqArray(usable_from_date)) as gates
    from on_calendar
    where piece_ts < delivery_ts + toIntervalMinute(resolution_min)
    group by market, area, quantity, kind, delivery_ts, source_resolution_min
),

values_at_gates as (
    select
        *,
        arrayMap(
            gate -> (
                gate,
                arrayMap(
                    start -> arrayFilter(piece -> piece.3 = start and piece.2 <= gate, piece_versions)[-1] .4,
                    arrayFilter(
                        start -> arrayExists(piece -> piece.3 = start and piece.2 <= gate, piece_versions),
                        piece_starts
                    )
                )
            ),
            gates
        ) as known_pieces
    from by_interval
    where length(piece_starts) = pieces_expected
),

complete_versions as (
    select
        *,
        arrayMap(
            known -> (known.1, known.1, arrayAvg(known.2)),
            arrayFilter(known -> length(known.2) = pieces_expected, known_pieces)
        ) as versions
    from values_at_gates
),

ranged as (
    select
        *,
        arrayJoin({{ version_ranges() }}) as version
    from complete_versions
),

final as (
    select
        market,
        area,
        quantity,
        kind,
        delivery_ts,
        delivery_date,
        local_minute,
        dst_fold,
        interval_min,
        source_resolution_min,
        version.3 as value,
        version.1 as usable_from_date,
        version.2 as usable_to_date
    from ranged
)

{{ as_contract('final') }}
