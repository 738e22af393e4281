"""What a model was given: feature rows kept value by value at the moment they are handed to `predict`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl

from models._kernel.spec import ModelSpec
from pipeline_tasks.contracts.watch import SERVED_FEATURES
from pipeline_tasks.warehouse.hashing import combined_sha, exact_text, row_shas

if TYPE_CHECKING:
    from pipeline_tasks.steps.context import RunContext
    from pipeline_tasks.warehouse import Warehouse

ROW = ("market", "hub", "product", "delivery_ts", "delivery_date", "as_of")


def schema_json(frame: pl.DataFrame) -> str:
    """Names and types of a frame's columns in their order, as JSON."""
    return json.dumps([[name, str(dtype)] for name, dtype in frame.schema.items()])


def exact_rows(frame: pl.DataFrame) -> pl.Series:
    """Every row as a JSON object of column -> exact text (`hashing.exact_text`), nulls as null."""
    if not frame.height:
        return pl.Series("row_json", [], dtype=pl.String)
    texts = pl.DataFrame([exact_text(frame.get_column(name)) for name in frame.columns])
    return texts.select(pl.struct(pl.all()).struct.json_encode().alias("row_json")).to_series()


def snapshot(target: pl.DataFrame) -> pl.DataFrame:
    """The rows a model is about to answer on, as they stand: key, place, schema and exact values.

    Args:
        target: frame of `Features.target`, in the order the model is given it.

    Returns:
        Columns of `ROW`, position, schema_json, row_json; one row per row of `target`.
    """
    place = pl.int_range(pl.len(), dtype=pl.Int64).alias("position")
    key = [pl.col(name).cast(SERVED_FEATURES.column(name).type.polars) for name in ROW]  # schema_json keeps what it was
    return target.select(*key, place, pl.lit(schema_json(target)).alias("schema_json"), exact_rows(target))


def keep(warehouse: Warehouse, spec: ModelSpec, version: str, runs: Sequence[tuple[RunContext, pl.DataFrame]]) -> int:
    """Write snapshots to ops.served_features; the same rows served again to the same version are kept once.

    Args:
        warehouse: a connection that may write.
        spec: the model.
        version: registry version that was given the rows.
        runs: run and its `snapshot`.

    Returns:
        Rows sent.
    """
    written = datetime.now(UTC)
    lineage = {"model": spec.name, "model_version": version, "table_name": spec.inputs.full_name}
    frames = [frame.with_columns(pl.lit(ctx.run_id).alias("run_id")) for ctx, frame in runs]
    rows = pl.concat(frames).with_columns(pl.lit(v).alias(k) for k, v in lineage.items())
    token = combined_sha(row_shas(rows))
    stamped = rows.with_columns(pl.lit(written).cast(SERVED_FEATURES.column("at_ts").type.polars).alias("at_ts"))
    return warehouse.insert(SERVED_FEATURES, stamped.select(SERVED_FEATURES.column_names), token=token)
