-- Hourly prices of every product, first and last publication of each interval.
-- Grain: market, hub, product, hour_ts. As-of rule: none, the newest state; first_known_ts says from when the first prices were known.
{{ config(materialized='incremental', incremental_strategy='insert_overwrite', partition_by='market', order_by='(market, hub, product, hour_ts)') }}

with

prices as (
    select * from {{ ref('stg_prices') }} where {{ of_market() }} and resolution_min <= 60
),

intervals as (
    select
        market,
        hub,
        product,
        delivery_ts,
        resolution_min,
        any(currency) as currency,
        argMax(price_ccy_per_mwh, known_ts) as last_price,
        argMin(price_ccy_per_mwh, known_ts) as first_price,
        count() - 1 as revisions,
        min(known_ts) as first_known_ts,
        max(known_ts) as last_known_ts
    from prices
    group by market, hub, product, delivery_ts, resolution_min
),

hours as (
    select
        market,
        hub,
        product,
        resolution_min,
        toDateTime64(toStartOfHour(delivery_ts), 3, 'UTC') as hour_ts,
        any(currency) as currency,
        {{ stable_array('last_price', 'delivery_ts') }} as last_prices,
        {{ stable_array('first_price', 'delivery_ts') }} as first_prices,
        sum(revisions) as revisions,
        max(first_known_ts) as first_known_ts,
        max(last_known_ts) as last_known_ts
    from intervals
    group by market, hub, product, resolution_min, hour_ts
),

finest as (
    select * from hours order by resolution_min asc limit 1 by market, hub, product, hour_ts
),

final as (
    select
        market,
        hub,
        product,
        hour_ts,
        currency,
        if(length(last_prices) = intDiv(60, resolution_min), arrayAvg(last_prices), null) as price_ccy_per_mwh,
        if(length(first_prices) = intDiv(60, resolution_min), arrayAvg(first_prices), null) as first_price_ccy_per_mwh,
        revisions,
        first_known_ts,
        last_known_ts
    from finest
)

{{ as_contract('final') }}
