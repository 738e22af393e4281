-- Forecasts and measurements; units are normalised on load.
-- Grain: market, area, quantity, kind, delivery_ts, resolution_min, known_ts.
-- Every revision is kept; of rows with equal key the one loaded last counts.
with

loaded as (
    select * from {{ source('raw', 'quantities') }}
),

one_per_key as (
    select
        market,
        area,
        quantity,
        kind,
        delivery_ts,
        resolution_min,
        known_ts,
        tupleElement(argMax(tuple(unit), (ingested_ts, row_sha)), 1) as unit,
        tupleElement(argMax(tuple(value), (ingested_ts, row_sha)), 1) as value,
        tupleElement(argMax(tuple(source), (ingested_ts, row_sha)), 1) as source
    from loaded
    group by market, area, quantity, kind, delivery_ts, resolution_min, known_ts
),

final as (
    select
        market,
        area,
        quantity,
        kind,
        delivery_ts,
        resolution_min,
        known_ts,
        unit,
        value,
        source
    from one_per_key
)

{{ as_contract('final') }}
