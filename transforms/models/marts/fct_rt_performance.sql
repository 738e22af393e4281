-- How good published forecasts shortly before delivery were: per series, horizon and delivery date, beside the last known price.
-- Grain: model, market, hub, product, delivery_date, horizon_min. As-of rule: a forecast used nothing known after its decision; outcomes are
-- first published prices. A view, so that a kill switch holds at once. Depends on the curated views that exist when it is built.
{{ config(query_settings={'join_use_nulls': 1}) }}

{#- Curated views of forecasts decided interval by interval: those with a horizon and the quantiles shown here. #}
{%- set find_views %}
    select table
    from system.columns
    where
        database = 'curated'
        and startsWith(table, 'v_')
        and name in ('horizon_min', 'point_ccy_per_mwh', 'q10_ccy_per_mwh', 'q90_ccy_per_mwh')
    group by table
    having count() = 4
    order by table
{%- endset %}
{%- set views = run_query(find_views).rows | map(attribute=0) | list if execute else [] %}
{%- set of_decision = ['market', 'hub', 'product', 'delivery_ts', 'as_of', 'price_ccy_per_mwh', 'price_last_ccy_per_mwh'] %}

with

decisions as (
    select {{ of_decision | join(', ') }} from {{ ref('ftr_intraday') }}
    union all
    select {{ of_decision | join(', ') }} from {{ ref('ftr_nodal') }}
),

outcomes as (
    select
        market,
        hub,
        product,
        delivery_ts,
        as_of,
        any(price_ccy_per_mwh) as outcome,
        any(price_last_ccy_per_mwh) as last_price
    from decisions
    where price_ccy_per_mwh is not null
    group by market, hub, product, delivery_ts, as_of
),

forecasts as (
    {% for view in views %}
        select
            model, market, hub, product, delivery_ts, delivery_date, as_of, status, horizon_min, point_ccy_per_mwh, q10_ccy_per_mwh,
            q90_ccy_per_mwh
        from curated.{{ view }}
        {{ 'union all' if not loop.last }}
    {% else %}
        select
            '' as model,
            market,
            hub,
            product,
            delivery_ts,
            delivery_date,
            as_of,
            'OK' as status,
            horizon_min,
            price_last_ccy_per_mwh as point_ccy_per_mwh,
            price_last_ccy_per_mwh as q10_ccy_per_mwh,
            price_last_ccy_per_mwh as q90_ccy_per_mwh
        from {{ ref('ftr_intraday') }}
        where false
    {% endfor %}
),

final as (
    select
        forecasts.model as model,
        forecasts.market as market,
        forecasts.hub as hub,
        forecasts.product as product,
        forecasts.delivery_date as delivery_date,
        forecasts.horizon_min as horizon_min,
        count() as decisions,
        countIf(forecasts.status = 'DEGRADED') as degraded_decisions,
        avg(abs(forecasts.point_ccy_per_mwh - outcomes.outcome)) as mae_ccy_per_mwh,
        avg(abs(outcomes.last_price - outcomes.outcome)) as last_price_mae_ccy_per_mwh,
        avg(outcomes.outcome between forecasts.q10_ccy_per_mwh and forecasts.q90_ccy_per_mwh) as inside_80_share
    from forecasts
    inner join outcomes
        on
            forecasts.market = outcomes.market
            and forecasts.hub = outcomes.hub
            and forecasts.product = outcomes.product
            and forecasts.delivery_ts = outcomes.delivery_ts
            and forecasts.as_of = outcomes.as_of
    group by
        forecasts.model,
        forecasts.market,
        forecasts.hub,
        forecasts.product,
        forecasts.delivery_date,
        forecasts.horizon_min
)

{{ as_contract('final') }}
