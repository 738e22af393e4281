"""SQL of the reports. Values are bound; table names come from the contracts."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline_tasks.contracts import QUARANTINE_TABLES

_WINDOW = """market = {market:String}
  and hub in {hubs:Array(String)}
  and delivery_date between {first:Date32} and {last:Date32}"""

STEPS = """
select step, status, seconds, detail_json, at_ts
from ops.runs
where run_id = {run_id:String}
order by at_ts desc
limit 1 by step
"""

PUBLICATIONS = f"""
select model, hub, delivery_date, as_of, model_version, row_count, content_sha, status, at_ts
from ops.publications
where {_WINDOW}
order by delivery_date desc, model, hub, at_ts desc
limit 1 by model, hub, delivery_date, table_name
"""

LOADS = """
select source, source_object, table_name, rows_read, rows_loaded, rows_quarantined, rows_duplicate, content_sha, at_ts
from ops.loads
where market = {market:String}
order by table_name, source_object, at_ts desc
limit 1 by source_object, table_name
"""

CHECKS = """
select *
from (
  select table_name, check_name, column_name, severity, success, rows_checked, rows_failed, detail_json, at_ts
  from ops.check_results
  where run_id = {run_id:String}
  order by at_ts desc
  limit 1 by table_name, check_name, column_name
)
order by success, severity, table_name, check_name, column_name
"""

DBT = """
select resource_type, status, count() as nodes, round(sum(seconds), 2) as seconds, sum(failures) as failures
from (
  select unique_id, resource_type, status, seconds, failures
  from ops.dbt_results
  where run_id = {run_id:String}
  order by at_ts desc
  limit 1 by unique_id
)
group by resource_type, status
order by resource_type, status
"""

METRICS = f"""
select hub, delivery_date, metric, value, n, model_version
from ops.model_metrics
where {_WINDOW}
  and model = {{model:String}}
order by hub, delivery_date, metric, at_ts desc
limit 1 by hub, delivery_date, metric
"""

TRAINING = """
select
  model_version, cutoff, row_count, data_version, artifact_sha, code_sha, mlflow_run_id, seconds, peak_memory_mb, gate, gate_json, at_ts
from ops.training_runs
where model = {model:String} and market = {market:String}
order by at_ts desc
limit 1
"""

DRIFT = """
select hub, feature, delivery_date, detector, statistic, threshold, alarm, severity, reference, reference_days
from ops.drift
where run_id = {run_id:String}
order by severity = 'severe' desc, alarm desc, feature, hub, detector, at_ts desc
limit 1 by hub, feature, delivery_date, detector
"""

PARITY = """
select model, samples, rows, mismatches, schema_mismatches, rebuilt_rows, first_date, last_date, example
from ops.parity
where run_id = {run_id:String}
order by model, at_ts desc
limit 1 by model
"""

SCHEMAS = """
select table_name, version, at_ts, schema_sha, changes
from ops.schema_versions
order by table_name, version desc
limit 1 by table_name
"""

VERDICTS = """
select
  model, question, verdict, champion_version, rival, days, champion_loss, rival_loss, e_value, threshold, power, inputs_equal_share, reason
from ops.shadow_verdicts
where run_id = {run_id:String}
order by model, question, at_ts desc
limit 1 by model, question
"""

CHAMPIONS = """
select
  at_ts, action, actor, subject, JSONExtractString(payload_json, 'version') as version,
  JSONExtractString(payload_json, 'comment') as reason
from ops.audit_log
where action in ('bootstrap_promotion', 'promotion', 'rollback', 'demotion') and endsWith(subject, {ending:String})
order by seq desc
limit 50
"""

FRESHNESS = """
select 'prices' as table_name, product as series, max(delivery_ts) as newest_delivery_ts, max(known_ts) as newest_known_ts, count() as rows
from raw.prices
where market = {market:String}
group by product
union all
select 'quantities', concat(quantity, ' ', kind), max(delivery_ts), max(known_ts), count()
from raw.quantities
where market = {market:String}
group by quantity, kind
union all
select 'commodities', concat(commodity, ' ', hub), max(delivery_ts), max(known_ts), count()
from raw.commodities
where market = {market:String}
group by commodity, hub
"""


def outcomes(tables: Iterable[str]) -> str:
    """First published prices of every product that the feature tables forecast."""
    parts = [f"select hub, product, delivery_ts, delivery_date, local_hour, price_ccy_per_mwh from {t} where {_WINDOW}" for t in tables]
    return "select * from (" + "\nunion distinct ".join(parts) + ") order by product, hub, delivery_ts"


def forecasts(view: str, *, newest_only: bool = False) -> str:
    """Published rows of a curated view in the window, or of the newest delivery date only."""
    dates = "delivery_date = {last:Date32}" if newest_only else "delivery_date between {first:Date32} and {last:Date32}"
    where = f"market = {{market:String}} and hub in {{hubs:Array(String)}} and {dates}"
    return f"select * from {view} where {where} order by hub, delivery_ts, as_of"


def quarantine() -> str:
    """Quarantined rows of a market by object and broken rule, with one example each."""
    parts = [
        f"""
select '{table.name}' as table_name, source, source_object, broken_rules, count() as rows, min(row_json) as example
from {table.full_name}
where load_id in (select load_id from ops.loads where market = {{market:String}})
group by all"""
        for table in QUARANTINE_TABLES
    ]
    return "select * from (" + "\nunion all".join(parts) + ") order by rows desc, table_name, source, source_object, broken_rules"
