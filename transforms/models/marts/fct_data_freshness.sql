-- How far the data of each series reaches.
-- Grain: table_name, market, series, source. As-of rule: none, the newest state.
{{ config(materialized='table', order_by='(table_name, market, series, source)') }}

{%- set series_of = {
    'prices': "toString(product)",
    'quantities': "concat(quantity, ' ', kind)",
    'commodities': "concat(commodity, ' ', hub)",
    'interfaces': "'interfaces'",
    'units': "'units'",
    'lng_events': "toString(event)",
} %}

with

{% for name, series in series_of.items() %}
    {{ name }} as (
        select
            '{{ name }}' as table_name,
            market,
            {{ series }} as series,
            source,
            count() as row_count,
            min(delivery_ts) as first_delivery_ts,
            max(delivery_ts) as last_delivery_ts,
            max(known_ts) as last_known_ts,
            max(ingested_ts) as last_ingested_ts
        from {{ source('raw', name) }}
        group by table_name, market, series, source
    ),

{% endfor %}
final as (
    {% for name in series_of %}
        select * from {{ name }}
        {{ 'union all' if not loop.last }}
    {% endfor %}
)

{{ as_contract('final') }}
