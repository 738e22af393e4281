"""Parity of training and serving: values as they were served against the same values rebuilt later, row by row, exactly.

The served side is the snapshot that `infer` took of the frame it handed to `predict`. The other side is read afresh through the
training path and reduced to what was known at each row's own decision time. Ints, texts and instants must be equal, doubles
equal to the last bit; nulls equal nulls only. Column order and types are compared with the contract of the feature table.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl

from config.markets import MarketSelection
from models._kernel.frames import outcomes_known
from models._kernel.spec import ModelSpec
from pipeline_tasks.contracts import Table
from pipeline_tasks.contracts.watch import PARITY
from pipeline_tasks.watch.served import exact_rows, schema_json

if TYPE_CHECKING:
    from pipeline_tasks.steps.context import RunContext
    from pipeline_tasks.warehouse import Warehouse

KEY = ("market", "hub", "product", "delivery_ts", "as_of")
EVER = date(2299, 12, 30)


@dataclass(frozen=True, slots=True)
class Parity:
    """Result of a comparison.

    Attributes:
        samples: values compared, served rows times columns.
        rows: served rows.
        mismatches: values that differ; a row that the rebuild lacks counts every one of its values.
        schema_mismatches: distinct frames whose columns differ from the contract in name, order or type.
        rebuilt_rows: served rows whose table was built again since.
        example: first difference as a sentence; empty for none.
        first, last: delivery dates compared.
    """

    samples: int
    rows: int
    mismatches: int
    schema_mismatches: int
    rebuilt_rows: int = 0
    example: str = ""
    first: date = EVER
    last: date = EVER

    @property
    def holds(self) -> bool:
        """Whether something was compared and nothing differed."""
        return self.samples > 0 and not self.mismatches and not self.schema_mismatches


def compare(served: pl.DataFrame, rebuilt: pl.DataFrame, table: Table) -> Parity:
    """Compare snapshots with rows of the feature table.

    Args:
        served: `KEY`, delivery_date, position, schema_json, row_json (and rebuilt: flag, when known), as `served.snapshot` makes them.
        rebuilt: rows of `table` as known at their own decision times; more rows than were served do no harm.
        table: contract of the features.
    """
    if served.is_empty():
        return Parity(0, 0, 0, 0)
    wanted = schema_json(table.empty())
    schemas = served.get_column("schema_json").unique(maintain_order=True).to_list()
    odd = [s for s in schemas if s != wanted]
    names = list(table.column_names)
    texts = pl.Struct(dict.fromkeys(names, pl.String))
    right = rebuilt.select(*KEY, exact_rows(rebuilt.select(names)).str.json_decode(texts).alias("_rebuilt"))
    left = served.with_columns(pl.col("row_json").str.json_decode(texts).alias("_served"))
    joined = left.join(right, on=list(KEY), how="left", maintain_order="left")
    differs = [
        (pl.col("_served").struct.field(n).ne_missing(pl.col("_rebuilt").struct.field(n)) | pl.col("_rebuilt").is_null()).alias(n)
        for n in names
    ]
    bad = joined.select(differs)
    counts = bad.sum().row(0, named=True)
    order = _out_of_order(served)
    return Parity(
        samples=served.height * len(names),
        rows=served.height,
        mismatches=sum(counts.values()),
        schema_mismatches=len(odd) + order,
        rebuilt_rows=int(served.get_column("rebuilt").sum()) if "rebuilt" in served.columns else 0,
        example=_schema_example(odd, wanted) or _example(joined, bad) or ("rows were served out of key order" if order else ""),
        first=served.get_column("delivery_date").min(),  # type: ignore[arg-type]
        last=served.get_column("delivery_date").max(),  # type: ignore[arg-type]
    )


def _out_of_order(served: pl.DataFrame) -> int:
    """Frames whose rows were not in key order: positions of a run must rise with the key."""
    of = [c for c in ("run_id", "model_version") if c in served.columns]
    ordered = served.sort([*of, *KEY])
    step = (pl.col("position").diff().over(of) if of else pl.col("position").diff()) < 0
    broken = ordered.select(*of, step.alias("_back")).filter("_back")
    return broken.unique(of).height if of else int(broken.height > 0)


def _schema_example(odd: list[str], wanted: str) -> str:
    if not odd:
        return ""
    seen, right = json.loads(odd[0]), json.loads(wanted)
    for place, (a, b) in enumerate(zip(seen, right, strict=False)):
        if a != b:
            return f"column {place} was served as {a[0]} ({a[1]}), the contract has {b[0]} ({b[1]})"
    return f"{len(seen)} columns were served, the contract has {len(right)}"


def _example(joined: pl.DataFrame, bad: pl.DataFrame) -> str:
    """The first difference, with both values as exact text."""
    for name in bad.columns:
        hit = joined.filter(bad.get_column(name)).head(1)
        if hit.height:
            row = hit.row(0, named=True)
            if row["_rebuilt"] is None:
                return f"{row['hub']} {row['delivery_ts']}: the row is not in the rebuilt table"
            return f"{row['hub']} {row['delivery_ts']} {name}: served {row['_served'][name]}, rebuilt {row['_rebuilt'][name]}"
    return ""


def check(warehouse: Warehouse, spec: ModelSpec, selection: MarketSelection, *, first: date, last: date) -> Parity:
    """Parity of everything a model was served for delivery dates first..last, against the feature table as it is now."""
    from pipeline_tasks.warehouse.read import read_features

    served = served_rows(warehouse, spec, selection, first=first, last=last)
    if served.is_empty():
        return Parity(0, 0, 0, 0)
    rows = read_features(
        warehouse, spec.inputs, market=selection.market.key, hubs=selection.hubs, start_date=first, end_date=last, as_of=None
    )
    return compare(served, outcomes_known(rows, pl.col("as_of")), spec.inputs)


def check_recent(warehouse: Warehouse, model: str, market: str) -> Parity:
    """`check` over the newest served delivery dates of a model and market selection, as many as config/schedules.yaml says."""
    from config.markets import resolve_market
    from models._kernel.registry import spec_of
    from pipeline_tasks.steps.schedules import load_schedules

    selection = resolve_market(market)
    last = warehouse.scalar(
        "select max(delivery_date) from ops.served_features where model = {model:String} and market = {market:String}"
        " and hub in {hubs:Array(String)}",
        {"model": model, "market": selection.market.key, "hubs": list(selection.hubs)},
    )
    first = last - timedelta(days=load_schedules().watch.parity_days - 1)
    return check(warehouse, spec_of(model), selection, first=first, last=last)


def served_rows(warehouse: Warehouse, spec: ModelSpec, selection: MarketSelection, *, first: date, last: date) -> pl.DataFrame:
    """Snapshots of a model's inputs, the newest of each run, with whether the feature table was rebuilt since."""
    window = {"model": spec.name, "market": selection.market.key, "hubs": list(selection.hubs), "first": first, "last": last}
    served = warehouse.query(
        "select * from ops.served_features where model = {model:String} and market = {market:String} and hub in {hubs:Array(String)}"
        " and delivery_date between {first:Date32} and {last:Date32}"
        " order by run_id, position, at_ts desc limit 1 by run_id, model_version, hub, product, delivery_ts, as_of",
        window,
    )
    builds = warehouse.query(
        "select from_date, max(at_ts) as built_ts from intermediate.layer_builds where market = {market:String}"
        " and (layer = 'features' or startsWith(layer, 'features:') and has(splitByChar(':', toString(layer)), {table:String}))"
        " group by from_date",
        {**window, "table": spec.inputs.name},
    )
    later = [(pl.col("delivery_date") >= b["from_date"]) & (pl.col("at_ts") < b["built_ts"]) for b in builds.iter_rows(named=True)]
    return served.with_columns((pl.any_horizontal(later) if later else pl.lit(value=False)).alias("rebuilt"))


def record(warehouse: Warehouse, ctx: RunContext, spec: ModelSpec, found: Parity) -> None:
    """Write a result to ops.parity."""
    row = {
        "run_id": ctx.run_id,
        "model": spec.name,
        "market": ctx.selection.key,
        "table_name": spec.inputs.full_name,
        "samples": found.samples,
        "rows": found.rows,
        "mismatches": found.mismatches,
        "schema_mismatches": found.schema_mismatches,
        "rebuilt_rows": found.rebuilt_rows,
        "example": found.example,
        "first_date": found.first,
        "last_date": found.last,
        "as_of": ctx.as_of,
        "at_ts": datetime.now(UTC),
    }
    warehouse.insert(PARITY, pl.DataFrame([row], schema=PARITY.polars_schema()))
