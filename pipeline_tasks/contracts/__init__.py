"""Contracts: every table and column of the warehouse, declared once. Imports nothing else of this project."""

from pipeline_tasks.contracts.columns import TS_DTYPE, Column, ColumnType
from pipeline_tasks.contracts.cross_asset import CROSS_ASSET_TABLES
from pipeline_tasks.contracts.curated import LINEAGE, companion_table, curated_table, drivers_table, shadow_table, with_lineage
from pipeline_tasks.contracts.features import FEATURE_TABLES
from pipeline_tasks.contracts.grid import GRID_TABLES
from pipeline_tasks.contracts.intermediate import INTERMEDIATE_TABLES
from pipeline_tasks.contracts.marts import MART_TABLES
from pipeline_tasks.contracts.nodes import NODE_TABLES
from pipeline_tasks.contracts.ops import OPS_TABLES
from pipeline_tasks.contracts.participants import PARTICIPANT_TABLES
from pipeline_tasks.contracts.plans import PLAN_REQUESTS, PLAN_TABLES
from pipeline_tasks.contracts.raw import HUB_TABLES, quarantine_of
from pipeline_tasks.contracts.sensitivities import SENSITIVITY_TABLES
from pipeline_tasks.contracts.series import SERIES_TABLES
from pipeline_tasks.contracts.simulation import SIMULATION_TABLES
from pipeline_tasks.contracts.staging import STAGING_TABLES
from pipeline_tasks.contracts.tables import Database, Rule, Severity, Table
from pipeline_tasks.contracts.truth import TRUTH_TABLES
from pipeline_tasks.contracts.watch import WATCH_TABLES

RAW_TABLES: tuple[Table, ...] = (*HUB_TABLES, *GRID_TABLES)
QUARANTINE_TABLES: tuple[Table, ...] = tuple(quarantine_of(t) for t in RAW_TABLES)

STATIC_TABLES: tuple[Table, ...] = (
    *RAW_TABLES,
    *QUARANTINE_TABLES,
    *STAGING_TABLES,
    *INTERMEDIATE_TABLES,
    *SERIES_TABLES,
    *FEATURE_TABLES,
    *MART_TABLES,
    *OPS_TABLES,
    *WATCH_TABLES,
    *TRUTH_TABLES,
    *SIMULATION_TABLES,
    PLAN_REQUESTS,
    *PLAN_TABLES,
    *NODE_TABLES,
    *PARTICIPANT_TABLES,
    *CROSS_ASSET_TABLES,
    *SENSITIVITY_TABLES,
)

__all__ = [
    "CROSS_ASSET_TABLES",
    "FEATURE_TABLES",
    "INTERMEDIATE_TABLES",
    "LINEAGE",
    "MART_TABLES",
    "NODE_TABLES",
    "OPS_TABLES",
    "PARTICIPANT_TABLES",
    "PLAN_REQUESTS",
    "PLAN_TABLES",
    "QUARANTINE_TABLES",
    "RAW_TABLES",
    "SENSITIVITY_TABLES",
    "SERIES_TABLES",
    "SIMULATION_TABLES",
    "STAGING_TABLES",
    "STATIC_TABLES",
    "TRUTH_TABLES",
    "TS_DTYPE",
    "WATCH_TABLES",
    "Column",
    "ColumnType",
    "Database",
    "Rule",
    "Severity",
    "Table",
    "companion_table",
    "curated_table",
    "drivers_table",
    "quarantine_of",
    "shadow_table",
    "with_lineage",
]
