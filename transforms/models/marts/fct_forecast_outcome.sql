-- Published, not revoked forecast distributions beside what happened.
-- Grain: model, market, hub, product, delivery_ts, as_of. As-of rule: the forecast used nothing known after as_of; the outcome is the first
-- published price. A view, so that a kill switch holds at once. Depends on the curated views that exist when it is built.
{{ config(query_settings={'join_use_nulls': 1}) }}

{%- set levels = ['01', '05', '10', '25', '50', '75', '90', '95', '99'] %}
{#- Curated views of published distributions: those with a mean and the quantiles shown here, one row per interval and decision (a companion
    table has a longer key). #}
{%- set find_views %}
    select table
    from system.columns
    where
        database = 'curated'
        and startsWith(table, 'v_')
        and name in ('mean_ccy_per_mwh', 'q01_ccy_per_mwh', 'q50_ccy_per_mwh', 'q99_ccy_per_mwh')
        and substring(table, 3) in (
            select name from system.tables
            where database = 'curated' and sorting_key = 'market, hub, product, delivery_ts, as_of'
        )
    group by table
    having count() = 4
    order by table
{%- endset %}
{%- set views = run_query(find_views).rows | map(attribute=0) | list if execute else [] %}

with

outcomes as (
    select
        market,
        hub,
        product,
        delivery_ts,
        any(first_price_ccy_per_mwh) as outcome_ccy_per_mwh,
        any(first_known_ts) as outcome_known_ts
    from {{ ref('int_prices_asof') }}
    group by market, hub, product, delivery_ts
),

forecasts as (
    {% for view in views %}
        select
            model, model_version, run_id, market, hub, product, delivery_ts, delivery_date, as_of, status, mean_ccy_per_mwh,
            {% for level in levels %}
                q{{ level }}_ccy_per_mwh{{ ',' if not loop.last }}
            {% endfor %}
        from curated.{{ view }}
        {{ 'union all' if not loop.last }}
    {% else %}
        select
            '' as model,
            '' as model_version,
            '' as run_id,
            market,
            hub,
            product,
            delivery_ts,
            delivery_date,
            first_known_ts as as_of,
            'OK' as status,
            toFloat64(0) as mean_ccy_per_mwh,
        {% for level in levels %}
            toFloat64(0) as q{{ level }}_ccy_per_mwh{{ ',' if not loop.last }}
        {% endfor %}
        from {{ ref('int_prices_asof') }}
        where false
    {% endfor %}
),

final as (
    select
        forecasts.model as model,
        forecasts.model_version as model_version,
        forecasts.run_id as run_id,
        forecasts.market as market,
        forecasts.hub as hub,
        forecasts.product as product,
        forecasts.delivery_ts as delivery_ts,
        forecasts.delivery_date as delivery_date,
        forecasts.as_of as as_of,
        forecasts.status as status,
        forecasts.mean_ccy_per_mwh as mean_ccy_per_mwh,
        {% for level in levels %}
            forecasts.q{{ level }}_ccy_per_mwh as q{{ level }}_ccy_per_mwh,
        {% endfor %}
        outcomes.outcome_ccy_per_mwh as outcome_ccy_per_mwh,
        outcomes.outcome_known_ts as outcome_known_ts,
        forecasts.mean_ccy_per_mwh - outcomes.outcome_ccy_per_mwh as error_ccy_per_mwh,
        outcomes.outcome_ccy_per_mwh between forecasts.q05_ccy_per_mwh and forecasts.q95_ccy_per_mwh as inside_90
    from forecasts
    left join outcomes
        on
            forecasts.market = outcomes.market
            and forecasts.hub = outcomes.hub
            and forecasts.product = outcomes.product
            and forecasts.delivery_ts = outcomes.delivery_ts
)

{{ as_contract('final') }}
