-- First published prices of every node, in the product of nodal decisions and day-ahead, of several lengths of interval the finest.
-- Grain: market, product, node, delivery_ts. Later corrections are left out: what was known first stays what features see. Where the data of
-- a market hold no nodes its hubs take their place. Read from the raw table: nodes are many, and their first version is enough.
-- Made anew from start_date on to the end of end_date's week; without start_date wholly.
{{ config(partition_by='(market, toYYYYMMDD(toStartOfWeek(delivery_ts)))', order_by='(market, product, node, delivery_ts)') }}

{%- set of_row = ['market', 'product', 'delivery_ts', 'resolution_min', 'known_ts', 'ingested_ts', 'currency', 'price_ccy_per_mwh'] %}
{%- set at_nodes = source('raw', 'nodal_prices') %}

with

market_settings as (
    select
        market,
        nodal_product,
        nodal_resolution_min,
        toDateTime64(nodal_from_date - 8, 3, 'UTC') as wanted_from_ts
    from {{ source('calendar', 'market_settings') }} where {{ of_market() }} and nodal_product != ''
),

with_nodes as (
    select
        nodal.market as market,
        minIf(
            nodal.delivery_ts,
            nodal.product = market_settings.nodal_product and nodal.resolution_min <= market_settings.nodal_resolution_min
        ) as first_ts
    from {{ at_nodes }} as nodal
    inner join market_settings on nodal.market = market_settings.market
    where {{ of_market('nodal.market') }}
    group by nodal.market
),

published as (
    select
        {{ of_row | join(', ') }},
        node
    from {{ at_nodes }}
    where {{ of_market() }} and {{ is_computed('toDate32(delivery_ts)', partition='Week') }}
    union all
    select
        {{ of_row | join(', ') }},
        hub as node
    from {{ source('raw', 'prices') }}
    where
        {{ of_market() }}
        and {{ is_computed('toDate32(delivery_ts)', partition='Week') }}
        and market not in (select with_nodes.market from with_nodes)
),

wanted as (
    select
        {% for name in of_row + ['node'] %}
            published.{{ name }} as {{ name }},
        {% endfor %}
        greatest(market_settings.wanted_from_ts, coalesce(with_nodes.first_ts, market_settings.wanted_from_ts) - toIntervalDay(1)) as from_ts
    from published
    inner join market_settings on published.market = market_settings.market
    left join with_nodes on published.market = with_nodes.market
    where
        published.product = 'da'
        or (published.product = market_settings.nodal_product and published.resolution_min <= market_settings.nodal_resolution_min)
),

first_published as (
    select
        market,
        product,
        node,
        delivery_ts,
        min(tuple(resolution_min, known_ts, -toUnixTimestamp64Milli(ingested_ts), price_ccy_per_mwh, currency)) as first_row
    from wanted
    where delivery_ts >= from_ts
    group by market, product, node, delivery_ts
),

buses as (
    select
        market,
        bus,
        argMin(hub, (delivery_ts, known_ts)) as bus_hub
    from {{ source('raw', 'grid_buses') }}
    where {{ of_market() }}
    group by market, bus
),

final as (
    select
        first_published.market as market,
        first_published.product as product,
        first_published.node as node,
        coalesce(buses.bus_hub, first_published.node) as hub,
        first_published.delivery_ts as delivery_ts,
        first_published.first_row.1 as resolution_min,
        first_published.first_row.5 as currency,
        first_published.first_row.2 as known_ts,
        first_published.first_row.4 as price_ccy_per_mwh
    from first_published
    left join buses on first_published.market = buses.market and first_published.node = buses.bus
)

{{ as_contract('final', carried='toDate32(delivery_ts)', partition='Week') }}
