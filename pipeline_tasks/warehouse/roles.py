"""Who may do what in the warehouse, said once: the users of the embedded server and the roles of a configured one come from here.

`truth` (what the simulated market knows of itself) is out of reach of `pipeline`, which computes features, trains and
predicts, and of `analyst`. `yardstick` reads it, `steward` creates and loads it and can do nothing else. `shadow` runs
challengers: it reads what they need and writes `curated_shadow` and its own record, so that no answer of a challenger can
reach a reader whatever the code does.
"""

from __future__ import annotations

from typing import Literal

from pipeline_tasks.contracts import Database

Role = Literal["pipeline", "analyst", "admin", "yardstick", "steward", "shadow"]
ROLES: tuple[Role, ...] = ("admin", "pipeline", "analyst", "yardstick", "steward", "shadow")
OPEN_DATABASES = tuple(d.value for d in Database if d is not Database.TRUTH)

_ENGINES = ("MergeTree", "ReplacingMergeTree", "AggregatingMergeTree", "SummingMergeTree", "Memory", "Null", "View", "MaterializedView")
GRANTS: dict[Role, tuple[str, ...]] = {
    "pipeline": (
        *(f"ALL ON {name}.*" for name in OPEN_DATABASES),
        "SELECT ON system.*",
        "CREATE TEMPORARY TABLE ON *.*",
        *(f"TABLE ENGINE ON {name}" for name in _ENGINES),
        "SET DEFINER ON pipeline",
    ),
    "analyst": (
        "SELECT ON marts.*",
        "SELECT ON curated.v_*",
        "SELECT ON ops.scorecard",
        "SELECT ON ops.stylised_facts",
        "SELECT ON ops.model_metrics",
        "SELECT ON ops.publications",
        "SELECT ON ops.check_results",
        "SELECT ON ops.drift",
        "SELECT ON ops.parity",
        "SELECT ON ops.schema_versions",
        "SELECT ON ops.shadow_days",
        "SELECT ON ops.shadow_verdicts",
    ),
    "yardstick": tuple(f"SELECT ON {d.value}.*" for d in Database),
    "steward": (
        "ALL ON truth.*",
        "SELECT, INSERT ON ops.loads",
        "SELECT, INSERT ON ops.load_intents",
        "SELECT ON system.*",
        "TABLE ENGINE ON MergeTree",
    ),
    "shadow": (
        "SELECT ON features.*",
        "SELECT ON curated.*",
        "SELECT ON ops.publications",
        "SELECT ON ops.check_results",
        "SELECT ON ops.shadow_verdicts",
        "SELECT, INSERT, ALTER DELETE ON curated_shadow.*",
        "SELECT, INSERT ON ops.shadow_days",
    ),
}


def roles_sql() -> str:
    """Statements that make the roles on a configured server; run by its administrator, safe to repeat."""
    lines = [
        "-- Roles of a configured ClickHouse server; the embedded one gets the same rights from users.xml. Run as its administrator, then",
        "-- create one user per role, e.g.: create user pipeline identified by '...'; grant desk_pipeline to pipeline;",
        "-- The views of published rows run as the user `pipeline`; give that name to the account of CLICKHOUSE_USER.",
    ]
    for role, grants in GRANTS.items():
        lines.append(f"\ncreate role if not exists desk_{role}{' settings readonly = 2' if role in {'analyst', 'yardstick'} else ''};")
        lines.extend(f"grant {grant} to desk_{role};" for grant in grants)
    return "\n".join(lines) + "\n"
