"""Operations tables: loads, publications, checks, metrics, the audit chain."""

from __future__ import annotations

from pipeline_tasks.contracts.columns import Column, day, flag, instant, integer, number, string, symbol
from pipeline_tasks.contracts.tables import Database, Table

_AT = instant("at_ts", "When it happened, UTC.")
_RUN = string("run_id", "Pipeline run.")
_MODEL = symbol("model", "Model name.")


def _ops(name: str, columns: tuple[Column, ...], key: tuple[str, ...], meaning: str) -> Table:
    return Table(database=Database.OPS, name=name, columns=columns, key=key, meaning=meaning, dedup_window=10_000)


LOADS = _ops(
    "loads",
    (
        string("load_id", "Content hash of the loaded object: same content, same id."),
        symbol("source", "Source."),
        string("source_object", "File, endpoint or object."),
        symbol("table_name", "Raw table."),
        symbol("market", "Market key."),
        integer("rows_read", "Rows the source delivered.", ge=0),
        integer("rows_loaded", "Rows in raw.", ge=0),
        integer("rows_quarantined", "Rows in quarantine.", ge=0),
        integer("rows_duplicate", "Rows already in raw with the same row_sha, not loaded again.", ge=0),
        string("content_sha", "SHA-256 over the contract frame."),
        _AT,
    ),
    ("load_id",),
    "One exactly-once load of one object: rows_read = rows_loaded + rows_quarantined + rows_duplicate.",
)
LOAD_INTENTS = _ops(
    "load_intents",
    (
        string("load_id", "Load that was begun (ops.loads once it is complete)."),
        integer("attempt", "0, or one more for each time the load began anew after it was complete.", ge=0),
        instant("ingested_ts", "ingested_ts of every row of the load; a retry after a crash takes it from here."),
    ),
    ("load_id", "attempt"),
    "Loads that were begun: a retry finds its own rows by their ingested_ts and goes on instead of starting over.",
)
PUBLICATIONS = _ops(
    "publications",
    (
        string("publication_id", "SHA-256 of table, partition and content."),
        _RUN,
        _MODEL,
        symbol("table_name", "Curated table."),
        symbol("market", "Market key."),
        symbol("hub", "Hub, zone or settlement point."),
        day("delivery_date", "Market-local delivery date; with market and hub the partition."),
        instant("as_of", "Decision time."),
        symbol("model_version", "Registry version."),
        integer("row_count", "Rows of the partition.", ge=0),
        string("content_sha", "SHA-256 over the partition's rows in key order."),
        symbol("status", "OK or DEGRADED.", allowed=("OK", "DEGRADED")),
        _AT,
    ),
    ("publication_id", "at_ts"),
    "One row per publication of a curated partition; the last one of a partition is what readers see.",
)
KILL_SWITCH = _ops(
    "kill_switch",
    (
        symbol("scope", "model, market or run.", allowed=("model", "market", "run", "all")),
        string("target", "Name of the model, market or run; '*' for all."),
        flag("active", "True hides the target from all readers; a later false shows it again."),
        string("reason", "Why."),
        string("actor", "Who."),
        _AT,
    ),
    ("scope", "target", "at_ts"),
    "Kill switch events; the last one of (scope, target) holds and the next query sees it.",
)
AUDIT_LOG = _ops(
    "audit_log",
    (
        integer("seq", "Position in the chain, from 1 without gaps.", ge=1),
        _AT,
        string("actor", "Who acted."),
        symbol("action", "bootstrap_promotion, promotion, approval, publication, revocation, kill_switch, migration, ..."),
        string("subject", "What was acted on."),
        string("payload_json", "Details, canonical JSON."),
        string("prev_sha", "row_sha of the row before; 64 zeros for the first."),
        string("row_sha", "SHA-256 over prev_sha and this row's other fields."),
    ),
    ("seq",),
    "Append-only, hash-chained log of every promotion, approval, publication and switch.",
)
APPROVALS = _ops(
    "approvals",
    (
        string("approval_id", "Identity of the request."),
        _MODEL,
        symbol("model_version", "Version to promote, or the decision plan (model is decision_plan then)."),
        string("requester", "Who asked."),
        string("approver", "Who answered; never the requester."),
        symbol("decision", "approved or rejected.", allowed=("approved", "rejected")),
        string("comment", "Reason given."),
        _AT,
    ),
    ("approval_id", "at_ts"),
    "Answers to requests for promotions and decision plans.",
)
CHECK_RESULTS = _ops(
    "check_results",
    (
        _RUN,
        symbol("table_name", "Checked table."),
        symbol("check_name", "Expectation or business rule."),
        symbol("column_name", "Checked column; empty for whole rows."),
        symbol("severity", "block or warn.", allowed=("block", "warn")),
        flag("success", "Whether the check held."),
        integer("rows_checked", "Rows looked at.", ge=0),
        integer("rows_failed", "Rows that failed.", ge=0),
        string("detail_json", "What was expected and seen."),
        _AT,
    ),
    ("run_id", "table_name", "check_name", "column_name", "at_ts"),
    "Results of the Great Expectations gates.",
)
DBT_RESULTS = _ops(
    "dbt_results",
    (
        _RUN,
        string("unique_id", "dbt node."),
        symbol("resource_type", "model, test, unit_test, seed, ..."),
        symbol("status", "success, pass, warn, fail, error, skipped."),
        number("seconds", "Execution time.", unit="s", ge=0),
        integer("failures", "Failing rows of a test.", ge=0),
        string("message", "Adapter message."),
        _AT,
    ),
    ("run_id", "unique_id", "at_ts"),
    "run_results.json of every dbt build.",
)
MODEL_METRICS = _ops(
    "model_metrics",
    (
        _RUN,
        _MODEL,
        symbol("model_version", "Registry version."),
        symbol("market", "Market key."),
        symbol("hub", "Hub."),
        day("delivery_date", "Evaluated delivery date."),
        symbol("metric", "mae, rmae, crps, coverage_90, ..."),
        number("value", "Metric value."),
        integer("n", "Intervals scored.", ge=0),
        instant("as_of", "Evaluation time: outcomes known by then were used."),
        _AT,
    ),
    ("model", "market", "hub", "delivery_date", "metric", "run_id", "at_ts"),
    "Metrics of published forecasts against outcomes.",
)
SCORECARD = _ops(
    "scorecard",
    (
        symbol("system", "Model or feature."),
        symbol("data_set", "Data set, e.g. epf_de."),
        symbol("data_class", "real, twin or test_system.", allowed=("real", "twin", "test_system")),
        symbol("metric", "Metric."),
        number("target", "Target value; null when none is set.", nullable=True),
        string("baseline", "Named baseline."),
        number("baseline_value", "The baseline's value on the same rows.", nullable=True),
        number("value", "Measured value.", nullable=True),
        number("ci_low", "Lower end of the 95 % interval.", nullable=True),
        number("ci_high", "Upper end of the 95 % interval.", nullable=True),
        number("p_value", "p-value of the named test.", nullable=True, ge=0, le=1),
        integer("n", "Rows scored.", ge=0),
        day("window_from", "First scored delivery date."),
        day("window_to", "Last scored delivery date."),
        integer("seed", "Random seed."),
        symbol("verdict", "pass, miss or not_measurable.", allowed=("pass", "miss", "not_measurable")),
        string("reason", "Why it misses or cannot be measured; the test used."),
        number("seconds", "Computation time.", unit="s", ge=0),
        string("code_sha", "Code version."),
        _AT,
    ),
    ("system", "data_set", "metric", "baseline", "window_from", "window_to", "at_ts"),
    "Walk-forward results with baseline, interval and test.",
)
STYLISED_FACTS = _ops(
    "stylised_facts",
    (
        _RUN,
        symbol("data_set", "Market key."),
        symbol("data_class", "real or twin (simulated).", allowed=("real", "twin")),
        symbol("fact", "Stylised fact; docs/realism.md defines each."),
        symbol("slice", "Product, hour, quantile, unit class, ... the value is for."),
        symbol("span", "whole window, or one calendar year of it.", allowed=("whole", "year")),
        symbol("unit", "Unit of value: 1 for a ratio or share."),
        number("value", "Value; the median over hubs where a fact is computed for each hub.", unit="see unit"),
        number("hub_low", "Smallest value of a hub; the value itself where there is one series.", unit="see unit"),
        number("hub_high", "Largest value of a hub.", unit="see unit"),
        integer("n", "Observations behind the value, all hubs together.", ge=0),
        day("window_from", "First market-local date."),
        day("window_to", "Last market-local date."),
        string("code_sha", "Code version."),
        _AT,
    ),
    ("data_set", "fact", "slice", "span", "window_from", "at_ts"),
    "Stylised facts of the simulated market and of real ones, from raw; the rows of a data set's newest at_ts hold.",
)
TRAINING_RUNS = _ops(
    "training_runs",
    (
        _RUN,
        _MODEL,
        symbol("model_version", "Registry version."),
        symbol("market", "Market key."),
        symbol("hub", "Hub; empty when one model serves all hubs."),
        instant("cutoff", "Nothing known later was used."),
        integer("seed", "Random seed."),
        integer("row_count", "Training rows.", ge=0),
        string("data_version", "SHA-256 of the training rows."),
        string("artifact_sha", "SHA-256 of the artifact."),
        string("code_sha", "Code version."),
        string("mlflow_run_id", "MLflow run."),
        number("seconds", "Training time.", unit="s", ge=0),
        number("peak_memory_mb", "Peak resident memory.", unit="MB", ge=0),
        symbol("gate", "pass, miss or not_run.", allowed=("pass", "miss", "not_run")),
        string("gate_json", "Metrics, baseline and test of the gate."),
        _AT,
    ),
    ("model", "market", "hub", "cutoff", "run_id", "at_ts"),
    "Training runs with data, code and gate result.",
)
RUNS = _ops(
    "runs",
    (
        _RUN,
        symbol("dag", "nightly, train, promote, replay, ..."),
        symbol("source", "Source of the data."),
        symbol("market", "Market key."),
        day("delivery_date", "Market-local delivery date."),
        instant("as_of", "Decision time."),
        symbol("step", "Pipeline step."),
        symbol("status", "OK, DEGRADED or FAILED.", allowed=("OK", "DEGRADED", "FAILED")),
        string("detail_json", "Row counts and reasons."),
        number("seconds", "Duration.", unit="s", ge=0),
        _AT,
    ),
    ("run_id", "step", "at_ts"),
    "One row per executed step of a run.",
)
INGEST_CURSORS = _ops(
    "ingest_cursors",
    (
        symbol("source", "Provider (config/providers.yaml)."),
        symbol("product", "Product of the provider."),
        symbol("region", "The provider's name of a place; * for an answer about all places of the feed."),
        symbol("market", "Market key."),
        instant("chunk_start_ts", "Start of the chunk, UTC."),
        instant("chunk_end_ts", "End of the chunk, UTC, exclusive."),
        instant("loaded_until_ts", "Rows whose delivery starts before this instant are in the warehouse."),
        symbol(
            "status",
            "OK: loaded; EMPTY: the provider has nothing; DRIFTED: its columns changed, rows are in quarantine; FAILED: no usable answer.",
            allowed=("OK", "EMPTY", "DRIFTED", "FAILED"),
        ),
        flag("settled", "The answer came when nothing about the chunk changes any more; it is not asked again."),
        instant("fetched_ts", "When the answer came, UTC; null where none did.", nullable=True),
        instant("newest_known_ts", "Newest known_ts among the rows; null without rows.", nullable=True),
        string("payload_shas", "SHA-256 of the raw answers, comma separated; names in the payload store."),
        integer("rows_read", "Rows of the chunk.", ge=0),
        string("reason", "What went wrong, or new columns that are not read."),
        _AT,
    ),
    ("source", "product", "region", "market", "chunk_start_ts", "at_ts"),
    "One row per chunk of a live feed that landed or failed; the newest that did not fail holds, and together they are the feed's cursor.",
)
MIGRATIONS = _ops(
    "migrations",
    (
        integer("version", "Number of the migration; 0 for the SQL files as a whole.", ge=0),
        string("name", "File name."),
        string("checksum", "SHA-256 of the file, or of all of them."),
        _AT,
    ),
    ("version", "at_ts"),
    "Applied migrations, and the state of all SQL files that the warehouse was last brought to.",
)

OPS_TABLES: tuple[Table, ...] = (
    LOADS,
    LOAD_INTENTS,
    PUBLICATIONS,
    KILL_SWITCH,
    AUDIT_LOG,
    APPROVALS,
    CHECK_RESULTS,
    DBT_RESULTS,
    MODEL_METRICS,
    SCORECARD,
    STYLISED_FACTS,
    TRAINING_RUNS,
    RUNS,
    INGEST_CURSORS,
    MIGRATIONS,
)
