-- Offers of generating units and stores, by block.
-- Grain: market, unit_id, product, window, block, delivery_ts, resolution_min, known_ts.
-- Every revision is kept; of rows with equal key the one loaded last counts.
with

loaded as (
    select * from {{ source('raw', 'offers') }}
),

one_per_key as (
    select
        market,
        unit_id,
        product,
        window,
        block,
        delivery_ts,
        resolution_min,
        known_ts,
        argMax(tuple(currency, owner, start_mw, block_mw, price_ccy_per_mwh, source), (ingested_ts, row_sha)) as newest
    from loaded
    group by market, unit_id, product, window, block, delivery_ts, resolution_min, known_ts
),

final as (
    select
        market,
        unit_id,
        product,
        window,
        block,
        delivery_ts,
        resolution_min,
        known_ts,
        tupleElement(newest, 1) as currency,
        tupleElement(newest, 2) as owner,
        tupleElement(newest, 3) as start_mw,
        tupleElement(newest, 4) as block_mw,
        tupleElement(newest, 5) as price_ccy_per_mwh,
        product in ('bm_offer', 'bm_bid') and abs(tupleElement(newest, 5)) >= 9000 as is_withheld,
        tupleElement(newest, 6) as source
    from one_per_key
)

{{ as_contract('final') }}
