"""Registry queries for the command line: who was champion when, what differs between versions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pipeline_tasks.steps.schedules import load_schedules

FACTS = ("artifact_sha", "cutoff", "data_version", "code_sha", "profile", "seed", "gate", "run_id")


def champion_at(*, model: str, market: str, instant: datetime) -> dict[str, Any] | None:
    """Who was champion at an instant, from the audit chain; None where there was none."""
    from pipeline_tasks import tracking
    from pipeline_tasks.warehouse import connect

    with connect() as warehouse:
        return tracking.champion_at(warehouse, model=model, market=market, instant=instant)


def history(*, model: str, market: str) -> list[dict[str, Any]]:
    """Every champion with the time it reigned."""
    from pipeline_tasks import tracking
    from pipeline_tasks.warehouse import connect

    with connect() as warehouse:
        return tracking.history(warehouse, model=model, market=market)


def rollback(*, model: str, market: str, actor: str, reason: str, to: str = "") -> dict[str, Any]:
    """Return to a former champion at once; see `tracking.rollback`."""
    from pipeline_tasks import tracking
    from pipeline_tasks.warehouse import connect

    with connect() as warehouse:
        return tracking.rollback(warehouse, model=model, market=market, actor=actor, reason=reason, to=to).to_dict()


def compare(*, model: str, market: str, first: str, second: str) -> list[dict[str, Any]]:
    """Facts, training metrics and metrics of published forecasts of two versions, side by side; only what one of them has.

    Raises:
        ValueError: there is no such version.
    """
    from pipeline_tasks import tracking
    from pipeline_tasks.tracking.store import client
    from pipeline_tasks.warehouse import connect

    refs = [tracking.version(model, market, number) for number in (first, second)]
    runs = [client().get_run(ref.mlflow_run_id).data for ref in refs]
    with connect() as warehouse:
        published = [_published(warehouse, model, market, ref.version) for ref in refs]
    sides = [
        {**{f: ref.to_dict()[f] for f in FACTS}, **{f"param {k}": v for k, v in run.params.items()}, **dict(run.metrics), **scores}
        for ref, run, scores in zip(refs, runs, published, strict=True)
    ]
    names = list(dict.fromkeys([*sides[0], *sides[1]]))
    return [
        {"what": n, first: sides[0].get(n), second: sides[1].get(n), "same": sides[0].get(n) == sides[1].get(n)} for n in names
    ]  # fmt: skip


def _published(warehouse: Any, model: str, market: str, number: str) -> dict[str, float]:
    from config.markets import resolve_market

    selection = resolve_market(market)
    rows = warehouse.query(
        "select metric, sum(value * n) / sum(n) as value, uniqExact(delivery_date) as days from ("
        " select * from ops.model_metrics where model = {model:String} and market = {market:String} and hub in {hubs:Array(String)}"
        " and model_version = {version:String} order by at_ts desc limit 1 by hub, delivery_date, metric) group by metric order by metric",
        {"model": model, "market": selection.market.key, "hubs": list(selection.hubs), "version": number},
    )
    return {f"published {m} ({days} days)": value for m, value, days in rows.iter_rows()}


def back_up() -> dict[str, Any]:
    """Back the registry up; as many backups are kept as config/schedules.yaml says."""
    from pipeline_tasks.tracking.exchange import back_up as make
    from pipeline_tasks.tracking.exchange import backups

    made = make(load_schedules().watch.backups)
    return {"path": str(made), "kept": len(backups())}
