-- Settlements of fuels, allowances and currencies.
-- Grain: market, commodity, hub, delivery_ts, known_ts.
-- Every revision is kept; of rows with equal key the one loaded last counts.
with

loaded as (
    select * from {{ source('raw', 'commodities') }}
),

one_per_key as (
    select
        market,
        commodity,
        hub,
        delivery_ts,
        known_ts,
        tupleElement(argMax(tuple(resolution_min), (ingested_ts, row_sha)), 1) as resolution_min,
        tupleElement(argMax(tuple(currency), (ingested_ts, row_sha)), 1) as currency,
        tupleElement(argMax(tuple(unit), (ingested_ts, row_sha)), 1) as unit,
        tupleElement(argMax(tuple(price_ccy_per_unit), (ingested_ts, row_sha)), 1) as price_ccy_per_unit,
        tupleElement(argMax(tuple(source), (ingested_ts, row_sha)), 1) as source
    from loaded
    group by market, commodity, hub, delivery_ts, known_ts
),

final as (
    select
        market,
        commodity,
        hub,
        delivery_ts,
        resolution_min,
        known_ts,
        currency,
        unit,
        price_ccy_per_unit,
        source
    from one_per_key
)

{{ as_contract('final') }}
