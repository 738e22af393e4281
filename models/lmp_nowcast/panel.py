"""Rows of nodes as matrices: one row per decision of a horizon, one column per node."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline_tasks.contracts.features import NODAL, NODAL_BACK

Array = npt.NDArray[np.float64]
Positions = npt.NDArray[np.int64]
OPTIONAL = tuple(
    c.name for c in NODAL.columns if c.nullable and c.name not in {"price_ccy_per_mwh", "price_known_ts"} and c.type.polars.is_numeric()
)
LAST = "price_last_ccy_per_mwh"
PAST = (*(f"price_before_{k}_ccy_per_mwh" for k in NODAL_BACK), "price_mean_60m_ccy_per_mwh")
AHEAD = ("price_lag_1d_ccy_per_mwh", "price_da_ccy_per_mwh", "price_last_da_ccy_per_mwh")
SPREADS = ("price_std_60m_ccy_per_mwh",)
NODAL_COLUMNS = (LAST, *PAST, *AHEAD, *SPREADS, "price_last_age_min")
SHARED = (
    "local_minute",
    "day_of_week",
    "is_holiday",
    "load_forecast_mw",
    "wind_forecast_mw",
    "solar_forecast_mw",
    "residual_load_forecast_mw",
    "residual_load_forecast_change_mw",
)
DECISION = ("market", "delivery_ts", "as_of")
NODE = "_node"


@dataclass(frozen=True, slots=True)
class Panel:
    """Decisions of one horizon.

    Attributes:
        nodes: names of the columns.
        values: per-node column name -> matrix (decisions, nodes), NaN where unknown.
        shared: what holds for all nodes of a decision, shape (decisions, len(SHARED)), NaN where unknown.
        row: decision of each row asked for, shape (n,).
        column: node of each row asked for, shape (n,).
    """

    nodes: list[str]
    values: dict[str, Array]
    shared: Array
    row: Positions
    column: Positions

    def own(self, name: str) -> Array:
        """A per-node column at the rows asked for, shape (n,)."""
        return np.asarray(self.values[name][self.row, self.column])

    def spread(self, values: pl.Series) -> Array:
        """A column of the rows asked for as a matrix (decisions, nodes), NaN elsewhere."""
        made = np.full(self.values[LAST].shape, np.nan)
        made[self.row, self.column] = values.cast(pl.Float64).to_numpy()
        return made


def complete(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with every optional column, null where the frame lacks it, and the name of the node, hub and product together."""
    absent = [c for c in (*OPTIONAL, "is_holiday") if c not in rows.columns]
    return rows.with_columns(
        pl.concat_str("hub", "product", separator="|").alias(NODE),
        *(pl.lit(None, dtype=NODAL.column(c).type.polars).alias(c) for c in absent),
    )


def panel(rows: pl.DataFrame, around: pl.DataFrame, nodes: list[str]) -> Panel:
    """The panel of one horizon.

    Args:
        rows: rows asked for, of `complete`.
        around: rows that may hold other nodes of the same decisions; what they say of their outcome is not read.
        nodes: trained nodes, the first columns; others of `rows` follow in name order.
    """
    needed = [*DECISION, NODE, *NODAL_COLUMNS, *SHARED]
    everything = rows.select(needed)
    if not around.is_empty():
        everything = pl.concat([everything, _others(rows, around).select(needed)])
    columns = [*nodes, *rows.filter(is_new(nodes))[NODE].unique().sort().to_list()]
    decisions = everything.select(DECISION).unique().sort(DECISION).with_row_index("_row")
    place = pl.DataFrame({NODE: columns, "_column": range(len(columns))}, schema={NODE: pl.String, "_column": pl.Int64})
    column = everything.select(NODE).join(place, on=NODE, how="left", maintain_order="left")["_column"].fill_null(-1).to_numpy()
    row = everything.select(DECISION).join(decisions, on=DECISION, how="left", maintain_order="left")["_row"].to_numpy().astype(np.int64)
    seen, shape = column >= 0, (decisions.height, len(columns))
    at, values = (row[seen], column[seen]), {}
    for name, numbers in zip(NODAL_COLUMNS, _numbers(everything, NODAL_COLUMNS).T, strict=True):
        values[name] = np.full(shape, np.nan)
        values[name][at] = numbers[seen]
    shared = np.full((decisions.height, len(SHARED)), np.nan)
    first = everything.select(pl.Series("_row", row), *SHARED).group_by("_row").agg(pl.col(c).drop_nulls().first() for c in SHARED)
    shared[first["_row"].to_numpy()] = _numbers(first, SHARED)
    return Panel(columns, values, shared, row[: rows.height], column[: rows.height])


def is_new(nodes: list[str]) -> pl.Expr:
    """Whether a row's node is none of `nodes`."""
    return ~pl.col(NODE).is_in(pl.Series(nodes, dtype=pl.String).implode())


def _others(rows: pl.DataFrame, around: pl.DataFrame) -> pl.DataFrame:
    """Rows of the same decisions that are not asked for."""
    same = around.join(rows.select(DECISION).unique(), on=DECISION, how="semi")
    return same.join(rows.select(*DECISION, NODE), on=[*DECISION, NODE], how="anti")


def _numbers(frame: pl.DataFrame, names: tuple[str, ...]) -> Array:
    """Columns as a matrix, NaN where null."""
    return np.asarray(frame.select(pl.col(c).cast(pl.Float64).fill_null(float("nan")) for c in names).to_numpy(), dtype=np.float64)
