"""Prices of a plan: joint scenarios of day-ahead and balancing prices from the champions, and what the dials do to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.registry import spec_of
from pipeline_tasks.copilot import dials
from pipeline_tasks.copilot.request import PlanRequest, PlanRequestError

if TYPE_CHECKING:
    from pipeline_tasks.steps.context import RunContext
    from pipeline_tasks.warehouse import Warehouse

Array = npt.NDArray[np.float64]
DAY_AHEAD, SPREAD = "curve_dist", "imbalance"
EXACT, RESPONSE, UNCHANGED = "network", "model", "none"
CERTIFIED = 1e-6
LEAST_UNSERVED_MW = 0.01


@dataclass(frozen=True, slots=True)
class Input:
    """Something that numbers of a plan rest on.

    Attributes:
        kind: model, data, configuration or code.
        name: which.
        version: of a model in the registry; empty otherwise.
        sha: SHA-256 of the artifact, of the rows read, or of the file.
    """

    kind: str
    name: str
    version: str
    sha: str


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices of the horizon: s scenarios, h hubs, t intervals.

    Attributes:
        starts: start of each interval, UTC.
        hours: its length, shape (t,).
        day_ahead: day-ahead price, dials turned, currency/MWh, shape (s, h, t).
        real_time: balancing price of the same scenario, shape (s, h, t); the day-ahead price where the market has none.
        change: what the dials do to both, shape (h, t).
        mark: what an open position is valued at before anything happens: the mean day-ahead price of the world as known, shape (h, t).
        method: how the change was found: network (exact dispatch of both worlds), model (the champion on changed inputs), none.
        has_balancing: whether there is a balancing price to hedge against.
        drivers: contributions to the day-ahead median, mean over the horizon: hub, feature, contribution, output.
        inputs: what all that rests on.
        regime: state of the market as published before the gate.
        reasons: why it is DEGRADED; empty where it is not.
    """

    starts: tuple[datetime, ...]
    hours: Array
    day_ahead: Array
    real_time: Array
    change: Array
    mark: Array
    method: str
    has_balancing: bool
    drivers: pl.DataFrame
    inputs: tuple[Input, ...]
    regime: str = "unknown"
    reasons: tuple[str, ...] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class _Answer:
    """Scenarios and drivers of one champion."""

    scenarios: pl.DataFrame
    drivers: pl.DataFrame
    input: tuple[Input, ...]
    regime: str
    reasons: tuple[str, ...]


def prices_of(warehouse: Warehouse, request: PlanRequest, *, versions: dict[str, str] | None = None) -> Prices:
    """Forecast the horizon of a request, in the world as known and in the scenario.

    Args:
        warehouse: a connection that may read.
        request: what is asked.
        versions: registry version of each model that answers; the champions where not given (a replay gives the recorded ones).

    Raises:
        NoChampionError: a champion is missing.
        PlanRequestError: a dial does not fit the market.
        MarketStateError: lines or units are named and the state of the network is not known.
        ValueError: the day is not covered by the features.
    """
    versions = versions or {}
    own = request.context
    day_ahead = _answer(warehouse, request, own, DAY_AHEAD, versions)
    if day_ahead is None:
        raise PlanRequestError(f"market is {request.market!r}: it has no day-ahead price features; choose another")
    spread = _answer(warehouse, request, own, SPREAD, versions)
    starts = _horizon(request, day_ahead.scenarios)
    base = _cube(day_ahead.scenarios, request.hubs, starts, "price_ccy_per_mwh")
    margin = _spread(spread, request.hubs, starts, base.shape)
    change, method, told, reasons = _change(warehouse, request, own, starts, base, versions)
    dialed = base + change[None]
    answers = [a for a in (day_ahead, spread) if a is not None]
    reasons = (*(r for a in answers for r in a.reasons), *reasons)
    if margin is None:
        reasons = (*reasons, "no balancing price is forecast: open positions are valued at the day-ahead price and not hedged")
    return Prices(
        starts=starts,
        hours=np.full(len(starts), _step(starts, request)),
        day_ahead=dialed,
        real_time=dialed if margin is None else dialed + margin,
        change=change,
        mark=base.mean(axis=0),
        method=method,
        has_balancing=margin is not None,
        drivers=_drivers(day_ahead.drivers, request.hubs, starts),
        inputs=(*(i for a in answers for i in a.input), *told),
        regime=day_ahead.regime,
        reasons=tuple(dict.fromkeys(reasons)),
    )


def _answer(
    warehouse: Warehouse, request: PlanRequest, run: RunContext, model: str, versions: dict[str, str], *, dialed: bool = False
) -> _Answer | None:
    """What a champion says of the day; None where the market has no rows of it.

    What it has published is taken where it would say the same now; a replay, which names its versions, asks it again.
    """
    from pipeline_tasks import tracking
    from pipeline_tasks.steps.infer import forecast
    from pipeline_tasks.steps.published import published_answer
    from pipeline_tasks.steps.reading import lacks_input

    spec = spec_of(model)
    if lacks_input(warehouse, spec, run.selection):
        return None
    ref = tracking.version(model, run.market, versions[model]) if model in versions else tracking.champion(model, run.market)
    if ref is None:
        raise tracking.NoChampionError(f"{model} has no champion for {run.market}; run the nightly DAG (it makes the first one)")
    turn = partial(dials.dialed_rows, dials=request.dials, delivery_date=request.delivery_date) if dialed else None
    made = None if dialed or model in versions else published_answer(warehouse, run, spec, ref)
    made = made or forecast(warehouse, [run], spec, ref, counterfactual=turn)[run.run_id]
    scenarios = next(table.name for table in spec.companions if table.name.endswith("scenarios"))
    bad = made.frame.filter(pl.col("status") == "DEGRADED")["status_reason"].unique().sort().to_list()
    found = (Input("model", model, ref.version, ref.artifact_sha), Input("data", spec.inputs.full_name, "", made.frame["data_version"][0]))
    return _Answer(
        made.beside[scenarios],
        made.beside[spec.drivers.name],
        found,
        made.frame["regime"][0],
        tuple(f"{model}: {reason}" for reason in bad),
    )


def _horizon(request: PlanRequest, scenarios: pl.DataFrame) -> tuple[datetime, ...]:
    """Starts of the intervals of the horizon."""
    begin = request.context.selection.market.day_bounds(request.delivery_date)[0]
    end = begin + timedelta(hours=request.horizon_h)
    starts = scenarios.filter(pl.col("delivery_ts") >= begin, pl.col("delivery_ts") < end)["delivery_ts"].unique().sort().to_list()
    if not starts:
        raise PlanRequestError(f"delivery_date is {request.delivery_date}: no interval of it is forecast; choose a day the features cover")
    return tuple(starts)


def _step(starts: Sequence[datetime], request: PlanRequest) -> float:
    minutes = request.context.selection.market.resolution_min
    return (starts[1] - starts[0]) / timedelta(hours=1) if len(starts) > 1 else minutes / 60


def _cube(frame: pl.DataFrame, hubs: Sequence[str], starts: Sequence[datetime], column: str) -> Array:
    """Scenarios as (s, h, t).

    Raises:
        ValueError: a hub or interval has no scenarios, or hubs have different numbers of them.
    """
    rows = frame.filter(pl.col("hub").is_in(list(hubs)), pl.col("delivery_ts").is_in(list(starts))).sort("hub", "delivery_ts", "scenario")
    count = rows["scenario"].n_unique()
    if rows.height != count * len(hubs) * len(starts):
        raise ValueError(
            f"{column}: {rows.height} scenario values for {len(hubs)} hubs and {len(starts)} intervals; run the nightly DAG first"
        )
    order = {hub: k for k, hub in enumerate(sorted(hubs))}
    cube = rows[column].to_numpy().reshape(len(hubs), len(starts), count)
    return np.ascontiguousarray(np.moveaxis(cube[[order[hub] for hub in hubs]], 2, 0))


def _spread(spread: _Answer | None, hubs: Sequence[str], starts: Sequence[datetime], shape: tuple[int, ...]) -> Array | None:
    """Spread scenarios that go with the day-ahead ones; None where there are none, or they are not as many."""
    if spread is None or spread.scenarios.is_empty():
        return None
    cube = _cube(spread.scenarios, hubs, starts, "spread_ccy_per_mwh")
    return cube if cube.shape == shape else None


def _change(
    warehouse: Warehouse, request: PlanRequest, run: RunContext, starts: Sequence[datetime], base: Array, versions: dict[str, str]
) -> tuple[Array, str, tuple[Input, ...], tuple[str, ...]]:
    """What the dials do to the price of each hub and interval, how it was found, on what it rests, and what is wrong with it."""
    if not request.dials.turned:
        return np.zeros(base.shape[1:]), UNCHANGED, (), ()
    has_network = warehouse.scalar(
        "select count() from raw.grid_buses where market = {market:String}", {"market": run.selection.market.key}
    )
    if has_network:
        return _dispatched(warehouse, request, run, starts)
    other = _answer(warehouse, request, run, DAY_AHEAD, versions, dialed=True)
    if other is None:
        raise PlanRequestError(f"market is {request.market!r}: it has no day-ahead price features; choose another")
    moved = _cube(other.scenarios, request.hubs, starts, "price_ccy_per_mwh")
    return moved.mean(axis=0) - base.mean(axis=0), RESPONSE, (), ()


def _dispatched(
    warehouse: Warehouse, request: PlanRequest, run: RunContext, starts: Sequence[datetime]
) -> tuple[Array, str, tuple[Input, ...], tuple[str, ...]]:
    """Exact dispatch of both worlds in every hour; a hub's price is that of its buses, weighted by their load."""
    from pipeline_tasks.simulate.market_case import known_grid, market_cases
    from pipeline_tasks.simulate.outages import data_version, window_at
    from pipeline_tasks.warehouse.hashing import combined_sha

    market = run.selection.market
    steps = dials.offer_steps(request.dials, dials.fuel_prices(warehouse, market, run.as_of), market)
    shas: list[str] = []
    reasons, unserved = [], 0.0
    weights = _hub_weights(known_grid(warehouse, market.key, at=starts[0], as_of=run.as_of)[0], request.hubs)
    hours = sorted({start.replace(minute=0) for start in starts})
    asked = [(hour, window_at(hour.astimezone(market.zone).hour)) for hour in hours]
    cases: dict[datetime, Array] = {}
    for hour, state in zip(hours, market_cases(warehouse, market.key, asked, as_of=run.as_of), strict=True):
        moved, residual, lost = dials.price_change(state, request.dials, steps)
        cases[hour], unserved = weights @ moved, max(unserved, lost)
        shas.append(data_version(state))
        if residual > CERTIFIED:
            reasons.append(f"dispatch of {hour:%H:%M} UTC is not proven: residual {residual:.2g}")
    change = np.stack([cases[start.replace(minute=0)] for start in starts], axis=1)
    if unserved > LEAST_UNSERVED_MW:
        reasons.append(f"{unserved:.0f} MW cannot be served in the scenario: prices are penalties there")
    return change, EXACT, (Input("data", "raw.grid_* and raw.offers", "", combined_sha(shas)),), tuple(reasons)


def _hub_weights(buses: pl.DataFrame, hubs: Sequence[str]) -> Array:
    """Share of each bus in each hub's price, rows adding up to 1, shape (h, n_buses)."""
    share = buses["load_share"].fill_null(0.0).to_numpy()
    names = np.array(buses["hub"].to_list())
    rows = []
    for hub in hubs:
        mine = names == hub
        weight = np.where(mine, share, 0.0) if share[mine].sum() > 0 else mine.astype(np.float64)
        if not mine.any():
            raise PlanRequestError(f"hub {hub!r} has no bus in the network model; leave it out or turn no dial")
        rows.append(weight / weight.sum())
    return np.array(rows)


def _drivers(frame: pl.DataFrame, hubs: Sequence[str], starts: Sequence[datetime]) -> pl.DataFrame:
    """Mean contribution of each feature over the horizon by hub, largest first; summed in the order of delivery."""
    own = frame.filter(pl.col("hub").is_in(list(hubs)), pl.col("delivery_ts").is_in(list(starts)))
    mean = own.sort("delivery_ts", "as_of").group_by("hub", "feature", "explained_output").agg(pl.col("contribution").sum() / len(starts))
    return mean.sort("hub", pl.col("contribution").abs(), "feature", descending=[False, True, False])


__all__ = ["DAY_AHEAD", "EXACT", "RESPONSE", "SPREAD", "UNCHANGED", "Input", "Prices", "prices_of"]
