"""Replay step: make a published delivery date again, from the same point in time, and compare the bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from models._kernel.registry import spec_of
from models._kernel.spec import ModelSpec
from pipeline_tasks.steps.context import INSTANT, RunContext
from pipeline_tasks.steps.infer import forecast

if TYPE_CHECKING:
    from pipeline_tasks.warehouse import Warehouse


def replay(ctx: RunContext, models: Sequence[str]) -> dict[str, Any]:
    """Forecast a delivery date again with the very version that was published, and compare every partition.

    Nothing is written: a partition that differs stays as it was published, and the row says which columns differ.

    Returns:
        `partitions`: rows of model, hub, delivery_date, published_sha, replayed_sha, identical, differs (columns), decided (decision times
        whose rows differ); `status` DEGRADED when any differs.
    """
    from pipeline_tasks.warehouse import connect

    with connect() as warehouse:
        rows = [row for name in models for row in _model(warehouse, ctx, spec_of(name))]
    different = [f"{r['model']} {r['hub']} {r['delivery_date']}: {r['differs']}" for r in rows if not r["identical"]]
    return {"status": "DEGRADED" if different else "OK", "reason": "; ".join(different), "partitions": rows}


def published_dates(market: str, models: Sequence[str], start: date, end: date) -> list[date]:
    """Delivery dates of a market selection with a publication of any of the models."""
    from config.markets import resolve_market
    from pipeline_tasks.warehouse import connect

    selection = resolve_market(market)
    with connect() as warehouse:
        found = warehouse.query(
            "select distinct delivery_date from ops.publications where market = {market:String} and hub in {hubs:Array(String)}"
            " and table_name in {tables:Array(String)} and delivery_date between {start:Date32} and {end:Date32} order by 1",
            {
                "market": selection.market.key,
                "hubs": list(selection.hubs),
                "tables": [spec_of(m).curated.full_name for m in models],
                "start": start,
                "end": end,
            },
        )
    return list(found.get_column("delivery_date").to_list())


def _model(warehouse: Warehouse, ctx: RunContext, spec: ModelSpec) -> list[dict[str, Any]]:
    from pipeline_tasks import tracking
    from pipeline_tasks.warehouse.hashing import content_sha

    where = {"market": ctx.selection.market.key, "hubs": list(ctx.selection.hubs), "day": ctx.delivery_date}
    published = warehouse.query(
        f"select * from {spec.curated.full_name} where market = {{market:String}} and hub in {{hubs:Array(String)}}"
        " and delivery_date = {day:Date32}",
        where,
    )
    if published.is_empty():
        return []
    made: dict[tuple[str, str], pl.DataFrame] = {}
    rows = []
    for (hub, run_id, number), old in published.group_by("hub", "run_id", "model_version", maintain_order=True):
        maker = from_run_id(ctx, str(run_id))
        if (run_id, number) not in made:
            ref = tracking.version(spec.name, maker.market, str(number))
            made[run_id, number] = forecast(warehouse, [maker], spec, ref)[maker.run_id].frame
        new = made[run_id, number].filter(pl.col("hub") == hub)
        shas = [content_sha(frame.select(old.columns), spec.curated.key) for frame in (old, new)]
        rows.append(
            {
                "model": spec.name,
                "hub": hub,
                "delivery_date": ctx.delivery_date.isoformat(),
                "published_sha": shas[0],
                "replayed_sha": shas[1],
                "identical": shas[0] == shas[1],
                "differs": ", ".join(different_columns(old, new, spec)),
                "decided": different_decisions(old, new, spec),
            }
        )
    return rows


def from_run_id(ctx: RunContext, run_id: str) -> RunContext:
    """Context of the run that published: a partition may come from a run of one hub or of the whole market.

    Raises:
        ValueError: the run_id is not of the form dag:market:date, or dag:market:date:instant.
    """
    parts = run_id.split(":")
    if len(parts) not in {3, 4}:
        raise ValueError(f"run_id {run_id!r} is not of the form dag:market:date[:instant]; only pipeline runs can be replayed")
    decided = datetime.strptime(parts[3], INSTANT).replace(tzinfo=UTC) if len(parts) == 4 else None
    return replace(ctx, dag=parts[0], market=parts[1], delivery_date=date.fromisoformat(parts[2]), decided_at=decided)


def different_decisions(old: pl.DataFrame, new: pl.DataFrame, spec: ModelSpec) -> list[datetime]:
    """Decision times of rows that only one of the frames has, or that differ."""
    from pipeline_tasks.warehouse.hashing import row_shas

    key = list(spec.curated.key)
    hashed = [f.select(key).with_columns(row_shas(f.select(old.columns)).alias("_sha")) for f in (old, new)]
    unlike = pl.concat([a.join(b, on=[*key, "_sha"], how="anti") for a, b in (hashed, hashed[::-1])])
    return unlike["as_of"].unique().sort().to_list()


def different_columns(old: pl.DataFrame, new: pl.DataFrame, spec: ModelSpec) -> list[str]:
    """Columns whose values differ, or `row count`."""
    if old.height != new.height:
        return ["row count"]
    key = list(spec.curated.key)
    left, right = old.sort(key), new.select(old.columns).sort(key)
    return [c for c in old.columns if not left.get_column(c).equals(right.get_column(c), null_equal=True)]
