"""Outages of branches that really happened, as events: what congestion did from the day before, and what the simulator says of it.

An event is a planned outage that was announced before the gate of the first delivery date on which it covers the hour. The truth is the
change of day-ahead congestion from the same local hour of the day before. The simulator gets the state that was public at that gate, with
the branch in service, and takes it out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl

from config.markets import Market, resolve_market
from models._kernel.grid.outage_response import Realised
from models._kernel.grid.outage_study import Outage, OutageStudy
from models._kernel.tenors import EPOCH
from pipeline_tasks.simulate.market_case import MarketCase, MarketStateError, market_case
from pipeline_tasks.simulate.outages import Say, window_at
from pipeline_tasks.simulate.response import HOURS
from pipeline_tasks.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class Begun:
    """An outage in the first hour of that name which it covers.

    Attributes:
        element: branch.
        delivery: market-local delivery date.
        at: start of the hour, UTC.
        before: start of the same local hour of the day before, UTC.
    """

    element: str
    delivery: date
    at: datetime
    before: datetime


def begun_outages(warehouse: Warehouse, market: str, *, first: date, last: date) -> list[Begun]:
    """Planned outages of branches that begin between two delivery dates, by hour; the branch was in service the day before."""
    rules = resolve_market(market).market
    rows = warehouse.query(
        "select outage_id, element, known_ts, delivery_ts, end_ts, available_mw, kind from raw.outages"
        " where market = {market:String} and element_kind = 'branch' order by known_ts, revision",
        {"market": market},
    )
    found: dict[tuple[str, datetime], Begun] = {}
    for day in _days(first, last):
        known = rows.filter(pl.col("known_ts") <= rules.gate(day)).unique("outage_id", keep="last", maintain_order=True)
        out = known.filter(pl.col("available_mw").fill_null(0.0) == 0.0)
        for hour in HOURS:
            at, before = _start(rules, day, hour), _start(rules, day - timedelta(days=1), hour)
            if at is None or before is None:
                continue
            now = out.filter(pl.col("delivery_ts") <= at, pl.col("end_ts") > at, pl.col("kind") == "planned")["element"].to_list()
            gone = set(out.filter(pl.col("delivery_ts") <= before, pl.col("end_ts") > before)["element"].to_list())
            for element in sorted(set(now) - gone):
                found[element, at] = Begun(element, day, at, before)
    return sorted(found.values(), key=lambda b: (b.at, b.element))


def realised_events(warehouse: Warehouse, market: str, begun: Sequence[Begun], say: Say) -> Iterator[Realised]:
    """Events with their truth and the simulator's answer; left out where state or prices are missing, or the network falls apart."""
    rules = resolve_market(market).market
    prices = _congestion(warehouse, market, sorted({t for b in begun for t in (b.at, b.before)}))
    states: dict[datetime, MarketCase] = {}
    for number, one in enumerate(begun):
        if not number % 10:
            say(f"{market}: realised outage {number + 1} of {len(begun)}")
        if one.at not in states:
            try:
                window = window_at(one.at.astimezone(rules.zone).hour)
                states = {one.at: market_case(warehouse, market, at=one.at, as_of=rules.gate(one.delivery), window=window)}
            except MarketStateError:
                continue
        event = _event(states[one.at], one, prices)
        if event is not None:
            yield event


def _event(state: MarketCase, one: Begun, prices: dict[datetime, dict[str, float]]) -> Realised | None:
    network, nodes = state.network, state.network.buses.names
    now, before = prices.get(one.at, {}), prices.get(one.before, {})
    if one.element not in network.branches.names or any(n not in now or n not in before for n in nodes):
        return None
    branch = network.branches.names.index(one.element)
    case = replace(state.case, outages=tuple(k for k in state.case.outages if k != branch))
    study = OutageStudy(network, case, state.options)
    impact = study.impact(Outage(one.element, (branch,)))
    if impact.split:
        return None
    past = np.array([before[n] for n in nodes])
    truth = np.array([now[n] for n in nodes]) - past
    simulated, base = impact.result.congestion - study.base.congestion, study.base.congestion
    parts = [np.asarray(v - v.mean(), dtype=np.float64) for v in (truth, simulated, base, past)]
    return Realised(one.element, (one.delivery - EPOCH).days, *parts)


def _congestion(warehouse: Warehouse, market: str, times: Sequence[datetime]) -> dict[datetime, dict[str, float]]:
    """Congestion by hour and node, as first published."""
    rows = warehouse.query(
        "select delivery_ts, node, congestion_ccy_per_mwh from raw.nodal_prices where market = {market:String} and product = 'da'"
        " and congestion_ccy_per_mwh is not null and has({times:Array(DateTime64(3, 'UTC'))}, delivery_ts)"
        " order by known_ts limit 1 by delivery_ts, node",
        {"market": market, "times": list(times)},
    )
    found: dict[datetime, dict[str, float]] = {}
    for at, node, value in rows.iter_rows():
        found.setdefault(at, {})[node] = value
    return found


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=k) for k in range((last - first).days + 1)]


def _start(rules: Market, day: date, hour: int) -> datetime | None:
    """Start of a local hour of a day, UTC; None where the day has none."""
    begin, end = rules.day_bounds(day)
    at = begin
    while at < end:
        if at.astimezone(rules.zone).hour == hour:
            return at
        at += timedelta(hours=1)
    return None
