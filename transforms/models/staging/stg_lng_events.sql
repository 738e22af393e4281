-- Departures and arrivals of LNG cargoes as estimated from ship positions.
-- Grain: market, event, origin, destination, delivery_ts, cargo_gwh, distance_nm, known_ts.
-- Every revision is kept; of rows with equal key the one loaded last counts.
with

loaded as (
    select * from {{ source('raw', 'lng_events') }}
),

final as (
    select
        market,
        event,
        origin,
        destination,
        delivery_ts,
        argMax(resolution_min, (ingested_ts, row_sha)) as resolution_min,
        known_ts,
        cargo_gwh,
        distance_nm,
        argMax(confidence_score, (ingested_ts, row_sha)) as confidence_score,
        tupleElement(argMax(tuple(source), (ingested_ts, row_sha)), 1) as source
    from loaded
    group by market, event, origin, destination, delivery_ts, cargo_gwh, distance_nm, known_ts
)

{{ as_contract('final') }}
