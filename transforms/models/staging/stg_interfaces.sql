-- Flows and limits: the negative limit is never positive, a limit of 9999 MW or more means none.
-- Grain: market, interface, delivery_ts, resolution_min, known_ts.
-- Every revision is kept; of rows with equal key the one loaded last counts.
with

loaded as (
    select * from {{ source('raw', 'interfaces') }}
),

one_per_key as (
    select
        market,
        interface,
        delivery_ts,
        resolution_min,
        known_ts,
        tupleElement(argMax(tuple(flow_mw), (ingested_ts, row_sha)), 1) as flow_mw,
        tupleElement(argMax(tuple(limit_pos_mw), (ingested_ts, row_sha)), 1) as limit_pos_mw,
        tupleElement(argMax(tuple(limit_neg_mw), (ingested_ts, row_sha)), 1) as limit_neg_mw,
        tupleElement(argMax(tuple(source), (ingested_ts, row_sha)), 1) as source
    from loaded
    group by market, interface, delivery_ts, resolution_min, known_ts
),

final as (
    select
        market,
        interface,
        delivery_ts,
        resolution_min,
        known_ts,
        flow_mw,
        if(abs(one_per_key.limit_pos_mw) >= 9999, null, one_per_key.limit_pos_mw) as limit_pos_mw,
        if(abs(one_per_key.limit_neg_mw) >= 9999, null, -abs(one_per_key.limit_neg_mw)) as limit_neg_mw,
        source
    from one_per_key
)

{{ as_contract('final') }}
