"""Tables of the watch over models: what was served, parity, schema versions, drift, shadow days and verdicts."""

from __future__ import annotations

from pipeline_tasks.contracts.columns import Column, day, flag, instant, integer, number, string, symbol
from pipeline_tasks.contracts.tables import Database, Table

_AT = instant("at_ts", "When it was written, UTC.")
_RUN = string("run_id", "Pipeline run.")
_MODEL = symbol("model", "Model name.")
_MARKET = symbol("market", "Market key.")
_HUB = symbol("hub", "Hub, zone or settlement point.")
_DAY = day("delivery_date", "Market-local delivery date.")
_AS_OF = instant("as_of", "Decision time of the run.")
_TABLE = symbol("table_name", "Table, database.name.")


def _watch(name: str, columns: tuple[Column, ...], key: tuple[str, ...], meaning: str) -> Table:
    return Table(database=Database.OPS, name=name, columns=columns, key=key, meaning=meaning, dedup_window=10_000)


SERVED_FEATURES = _watch(
    "served_features",
    (
        _RUN,
        _MODEL,
        symbol("model_version", "Registry version that was given the row."),
        _TABLE,
        _MARKET,
        _HUB,
        symbol("product", "Product that was forecast."),
        instant("delivery_ts", "Start of the delivery interval, UTC."),
        _DAY,
        instant("as_of", "Decision time the row was served for."),
        integer("position", "Place of the row in the frame the model was given, from 0.", ge=0),
        string("schema_json", "Names and types of the frame's columns, in the order the model was given them."),
        string("row_json", "The row's values, exactly: numbers as the bits of the double, instants in ms; a null stands as null."),
        _AT,
    ),
    ("model", "market", "delivery_date", "hub", "product", "delivery_ts", "as_of", "run_id", "at_ts"),
    "Feature rows as a model was given them when it forecast; parity compares them with a later rebuild.",
)
PARITY = _watch(
    "parity",
    (
        _RUN,
        _MODEL,
        _MARKET,
        _TABLE,
        integer("samples", "Values (row, feature) compared.", ge=0),
        integer("rows", "Served rows compared.", ge=0),
        integer("mismatches", "Values that differ, with rows that are gone counted once.", ge=0),
        integer("schema_mismatches", "Frames whose column order or types differ.", ge=0),
        integer("rebuilt_rows", "Rows whose table was built again after they were served: the independent part of the check.", ge=0),
        string("example", "First difference; empty for none."),
        day("first_date", "First delivery date compared."),
        day("last_date", "Last delivery date compared."),
        _AS_OF,
        _AT,
    ),
    ("model", "market", "run_id", "at_ts"),
    "Values served online against the same values rebuilt later, as known at the decision; any mismatch blocks promotion.",
)
SCHEMA_VERSIONS = _watch(
    "schema_versions",
    (
        _TABLE,
        integer("version", "1, 2, ... per table.", ge=1),
        string("schema_sha", "SHA-256 of columns_json."),
        string("columns_json", "Names and types in storage order."),
        string("changes", "What changed against the version before; empty for the first."),
        _RUN,
        _AT,
    ),
    ("table_name", "version", "at_ts"),
    "Schemas of live feature, curated and mart tables, a row for each change.",
)
DRIFT = _watch(
    "drift",
    (
        _RUN,
        _MARKET,
        _HUB,
        symbol("feature", "Feature that was watched."),
        _DAY,
        symbol("detector", "mean, scale, clock, unit, stuck, calendar, psi, ks, wasserstein."),
        number("statistic", "Value of the detector on that day; larger is worse."),
        number("threshold", "Alarm above it; from a block bootstrap of clean history of the season."),
        flag("alarm", "Whether the statistic lies above the threshold."),
        symbol("severity", "ok, watch, or severe: a fault of the data that degrades the forecast.", allowed=("ok", "watch", "severe")),
        symbol("reference", "season: same season of earlier years; recent: history is shorter than that.", allowed=("season", "recent")),
        integer("reference_days", "Clean days behind the threshold.", ge=0),
        _AS_OF,
        _AT,
    ),
    ("market", "hub", "feature", "delivery_date", "detector", "run_id", "at_ts"),
    "Drift and data-fault detectors of every monitored feature, newest day of each run.",
)
SHADOW_DAYS = _watch(
    "shadow_days",
    (
        _RUN,
        _MODEL,
        _MARKET,
        _DAY,
        symbol("champion_version", "Version whose forecast is published."),
        symbol("challenger_version", "Version that answered in the shadow."),
        string("champion_inputs", "SHA-256 of the feature rows the champion read (data_version of the publication)."),
        string("challenger_inputs", "SHA-256 of the feature rows the challenger read."),
        flag("inputs_equal", "Whether both read the same rows."),
        integer("row_count", "Rows the challenger answered.", ge=0),
        number("seconds", "Time of the challenger's answers, per delivery date.", unit="s", ge=0),
        _AS_OF,
        _AT,
    ),
    ("model", "market", "delivery_date", "challenger_version", "at_ts"),
    "Delivery dates a challenger answered beside the champion, unpublished, with the proof that inputs were identical.",
)
SHADOW_VERDICTS = _watch(
    "shadow_verdicts",
    (
        _RUN,
        _MODEL,
        _MARKET,
        symbol(
            "question",
            "promotion: is the challenger better; demotion: is the champion worse than its baseline.",
            allowed=("promotion", "demotion"),
        ),
        symbol("champion_version", "Version whose forecast is published."),
        symbol("rival", "Challenger version, or name of the baseline."),
        integer("days", "Paired delivery dates.", ge=0),
        number("champion_loss", "Mean daily loss of the champion.", nullable=True),
        number("rival_loss", "Mean daily loss of the rival on the same rows.", nullable=True),
        number("e_value", "Largest value of the e-process so far; valid whenever it is looked at.", ge=0),
        number("threshold", "1 / alpha: the e-value that decides.", ge=1),
        number("power", "Chance to decide within the horizon at the declared effect.", nullable=True, ge=0, le=1),
        number("inputs_equal_share", "Share of shadow dates with identical inputs.", nullable=True, ge=0, le=1),
        symbol("verdict", "wait, promote, keep, demote, blocked.", allowed=("wait", "promote", "keep", "demote", "blocked")),
        string("reason", "One sentence."),
        _AS_OF,
        _AT,
    ),
    ("model", "market", "question", "run_id", "at_ts"),
    "Answers of the anytime-valid tests of promotion and demotion.",
)

WATCH_TABLES: tuple[Table, ...] = (SERVED_FEATURES, PARITY, SCHEMA_VERSIONS, DRIFT, SHADOW_DAYS, SHADOW_VERDICTS)
