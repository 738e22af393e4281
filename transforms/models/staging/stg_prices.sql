-- Prices as published.
-- Grain: market, hub, product, delivery_ts, resolution_min, known_ts.
-- Every revision is kept; of rows with equal key the one loaded last counts.
with

loaded as (
    select * from {{ source('raw', 'prices') }}
),

one_per_key as (
    select
        market,
        hub,
        product,
        delivery_ts,
        resolution_min,
        known_ts,
        tupleElement(argMax(tuple(currency), (ingested_ts, row_sha)), 1) as currency,
        tupleElement(argMax(tuple(price_ccy_per_mwh), (ingested_ts, row_sha)), 1) as price_ccy_per_mwh,
        tupleElement(argMax(tuple(energy_ccy_per_mwh), (ingested_ts, row_sha)), 1) as energy_ccy_per_mwh,
        tupleElement(argMax(tuple(congestion_ccy_per_mwh), (ingested_ts, row_sha)), 1) as congestion_ccy_per_mwh,
        tupleElement(argMax(tuple(loss_ccy_per_mwh), (ingested_ts, row_sha)), 1) as loss_ccy_per_mwh,
        tupleElement(argMax(tuple(source), (ingested_ts, row_sha)), 1) as source
    from loaded
    group by market, hub, product, delivery_ts, resolution_min, known_ts
),

final as (
    select
        market,
        hub,
        product,
        delivery_ts,
        resolution_min,
        known_ts,
        currency,
        price_ccy_per_mwh,
        energy_ccy_per_mwh,
        congestion_ccy_per_mwh,
        loss_ccy_per_mwh,
        source
    from one_per_key
)

{{ as_contract('final') }}
