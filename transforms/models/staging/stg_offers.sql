-- Offers of generating units and stores, by block.
-- Grain: market, unit_id, product, window, block, delivery_ts, resolution_min, known_ts.
-- Every revision is kept; of rows with equal key the one loaded last counts.
with

loaded as (
    select * from {{ source('raw', 'offers') }}
),

one_per_key as (
    select
        l.market,
        l.unit_id,
        l.product,
        l.window,
        l.block,
        l.delivery_ts,
        l.resolution_min,
        l.known_ts,
        argMax(tuple(l.currency, l.owner, l.start_mw, l.block_mw, l.price_ccy_per_mwh, l.source), (l.ingested_ts, l.row_sha)) as newest
    from loaded as l
    group by l.market, l.unit_id, l.product, l.window, l.block, l.delivery_ts, l.resolution_min, l.known_ts
),

final as (
    select
        k.market,
        k.unit_id,
        k.product,
        k.window,
        k.block,
        k.delivery_ts,
        k.resolution_min,
        k.known_ts,
        tupleElement(k.newest, 1) as currency,
        tupleElement(k.newest, 2) as owner,
        tupleElement(k.newest, 3) as start_mw,
        tupleElement(k.newest, 4) as block_mw,
        tupleElement(k.newest, 5) as price_ccy_per_mwh,
        k.product in ('bm_offer', 'bm_bid') and abs(tupleElement(k.newest, 5)) >= 9000 as is_withheld,
        tupleElement(k.newest, 6) as source
    from one_per_key as k
)

{{ as_contract('final') }}
