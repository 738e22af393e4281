-- Output of generating units.
-- Grain: market, unit_id, delivery_ts, resolution_min, known_ts.
-- Every revision is kept; of rows with equal key the one loaded last counts.
with

loaded as (
    select * from {{ source('raw', 'units') }}
),

one_per_key as (
    select
        market,
        unit_id,
        delivery_ts,
        resolution_min,
        known_ts,
        tupleElement(argMax(tuple(fuel), (ingested_ts, row_sha)), 1) as fuel,
        tupleElement(argMax(tuple(output_mw), (ingested_ts, row_sha)), 1) as output_mw,
        tupleElement(argMax(tuple(heat_input_mmbtu), (ingested_ts, row_sha)), 1) as heat_input_mmbtu,
        tupleElement(argMax(tuple(capability_mw), (ingested_ts, row_sha)), 1) as capability_mw,
        tupleElement(argMax(tuple(source), (ingested_ts, row_sha)), 1) as source
    from loaded
    group by market, unit_id, delivery_ts, resolution_min, known_ts
),

final as (
    select
        market,
        unit_id,
        fuel,
        delivery_ts,
        resolution_min,
        known_ts,
        output_mw,
        heat_input_mmbtu,
        capability_mw,
        source
    from one_per_key
)

{{ as_contract('final') }}
