-- Last publication of every curated partition, killed ones included.
-- Grain: table_name, market, hub, delivery_date. As-of rule: none, the newest state; a view, so that it never lags.
with

publications as (
    select * from {{ source('ops', 'publications') }}
),

final as (
    select
        table_name,
        argMax(model, at_ts) as model,
        market,
        hub,
        delivery_date,
        argMax(run_id, at_ts) as run_id,
        argMax(model_version, at_ts) as model_version,
        argMax(as_of, at_ts) as as_of,
        argMax(row_count, at_ts) as row_count,
        argMax(content_sha, at_ts) as content_sha,
        argMax(status, at_ts) as status,
        count() as publications,
        max(at_ts) as published_ts
    from publications
    group by table_name, market, hub, delivery_date
)

{{ as_contract('final') }}
