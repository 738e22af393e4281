"""The node sets of F7: simulated markets of 118 and 300 nodes, and what is public of real nodes; each as cold starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from config.settings import get_settings
from models._kernel.nodes.comovement import completed, price_factors
from models._kernel.nodes.embedding import corridors
from models._kernel.nodes.learn import NodeMarket, covariances
from models._kernel.tenors import EPOCH
from pipeline_tasks.scorecard.node_trials import OURS, Errors, Trial, errors, hidden_groups
from pipeline_tasks.scorecard.sources import DataAbsentError
from pipeline_tasks.scorecard.systems import SystemJob

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
REVEALED = (0, 3, 7, 30)
LEARNED_DAYS, SCORED_DAYS, GROUPS = 60, 28, 5
ALONE = ("shift", "ptdf", "walks", "sage", "place")
CLUSTER_OF = 6  # nodes per cluster of the bootstrap, on average
CAISO_GROUPS, CAISO_HIDDEN, CAISO_FROM = 3, 750, 2
DEGREE_KM = 111.2


@dataclass(frozen=True)
class Cold:
    """What the cold starts of a data set gave.

    Attributes:
        errors: see `node_trials.Errors`.
        cluster: group of each node; nodes of one move together.
        shares_bus: nodes whose past prices equal those of another node throughout.
        new: nodes that were not there when learning began.
        unit: of the errors.
        note: how it was done.
        days: scored delivery dates, days since 1970.
        not_measurable: metric -> why.
    """

    errors: Errors
    cluster: Ints
    shares_bus: Flags
    new: Flags
    unit: str
    note: str
    days: tuple[int, ...] = ()
    not_measurable: Mapping[str, str] = field(default_factory=dict)


def cold_starts(job: SystemJob) -> Cold:
    """Cold starts of a data set.

    Raises:
        DataAbsentError: it is not here.
    """
    made: dict[str, Callable[[SystemJob], Cold]] = {
        "caiso": _caiso, "ieso_nodes": _ieso, "isone": _isone, "twin": _twin, "twin_300": _twin_300,
    }  # fmt: skip
    if job.data_set not in made:
        raise DataAbsentError(f"data set {job.data_set!r} has no nodes; choose one of {', '.join(sorted(made))}")
    return made[job.data_set](job)


def methods(market: NodeMarket, seed: int) -> dict[str, dict[str, Array]]:
    """Ours, and each kind of knowledge alone; GraphSAGE is measured beside DeepWalk and is not part of ours."""
    every = covariances(market, seed=seed, topologies=("walks", "sage"))
    ours = {name: gram for name, gram in every.items() if not name.startswith("sage")}
    alone = {kind: {n: g for n, g in every.items() if n.split("_")[0] == kind} for kind in ALONE}
    return {OURS: ours, **{kind: found for kind, found in alone.items() if found}}


def shared(prices: Array) -> Flags:
    """Nodes whose prices equal another's in every row, as far as both are there."""
    _, code, count = np.unique(np.nan_to_num(prices, nan=-1e9).round(6), axis=1, return_inverse=True, return_counts=True)
    return np.asarray(count[code.ravel()] > 1)


def clusters(prices: Array) -> Ints:
    """Groups of nodes whose prices move together, about six nodes each."""
    factors = price_factors(completed(prices), rank=min(12, *prices.shape))
    return corridors(factors.loadings + 1e-9, max(2, prices.shape[1] // CLUSTER_OF))


def _hourly(job: SystemJob, market: NodeMarket, prices: Array, day: Ints, *, learned: int, note: str) -> Cold:
    """Hourly prices: the last days are scored, those before are learned from; `market.limits` must be those of the latter."""
    cut = int(day.max()) - int(day.min()) + 1 - learned
    begin = int(day.max()) - cut + 1
    past = day < begin
    known = replace(market, prices=prices[past])
    revealed = {f"d{d}": past & (day >= begin - d) for d in REVEALED}
    trial = Trial(known, prices[~past], {k: rows[past] for k, rows in revealed.items()}, methods(known, job.seed))
    job.say(f"{job.data_set}: {prices.shape[1]} nodes, {learned} days learned, {cut} scored")
    found = errors(trial, hidden_groups(np.arange(prices.shape[1]), GROUPS, job.seed))
    scored = tuple(sorted(set(day[~past].tolist())))
    return Cold(found, clusters(prices[past]), shared(prices[past]), np.zeros(prices.shape[1], dtype=bool), "currency/MWh", note, scored)


def _twin(job: SystemJob) -> Cold:
    """The simulated market as its participants see it."""
    from pipeline_tasks.embedding.market import limits, nodal_prices, places, wide
    from pipeline_tasks.scorecard.sources import TWIN_DATE, WarehouseSource
    from pipeline_tasks.simulate.market_case import bare_network, known_grid
    from pipeline_tasks.warehouse import connect

    selection = WarehouseSource().prepare(job.data_set, job.say)
    rules = selection.market
    last = job.end or TWIN_DATE
    first = job.start or last - timedelta(days=SCORED_DAYS - 1)
    begin, gate = rules.day_bounds(first - timedelta(days=LEARNED_DAYS))[0], rules.gate(first)
    with connect() as warehouse:
        buses, branches = known_grid(warehouse, rules.key, at=gate, as_of=gate)
        network = bare_network(rules.key, buses, branches)
        starts, _, prices = wide(nodal_prices(warehouse, rules.key, first=begin, as_of=rules.day_bounds(last)[1]), network.buses.names)
        kept = (starts < rules.day_bounds(last)[1]).to_numpy()
        learned = int((starts < gate).sum())
        bound = limits(warehouse, rules.key, network, first=begin, as_of=gate, intervals=learned)
    day = starts.dt.convert_time_zone(str(rules.zone)).dt.date().to_physical().to_numpy().astype(np.int64)
    market = NodeMarket(network.buses.names, tuple(buses["hub"].to_list()), prices, network, bound, places(buses))
    note = f"{LEARNED_DAYS} days learned, 20 % of the nodes hidden at a time, day-ahead prices nowcast from the other nodes' of the hour"
    return _hourly(job, market, prices[kept], day[kept], learned=LEARNED_DAYS, note=note)


def _twin_300(job: SystemJob) -> Cold:
    """The simulated market's law on a network of 300 buses."""
    from pipeline_tasks.scorecard.node_market import LEARNED, simulated

    made = simulated(job.say)
    note = f"IEEE 300 under the simulated market's law, {LEARNED} days learned, 20 % of the nodes hidden at a time"
    return _hourly(job, made.market, made.market.prices, made.day, learned=LEARNED, note=note)


def _folder(name: str) -> Path:
    folder = get_settings().data_dir / name
    if not folder.is_dir():
        raise DataAbsentError(f"{name} is not in the data folder; set DESK_DATA_DIR or --data-dir")
    return folder


def _ieso(job: SystemJob) -> Cold:
    """Ontario's 15 nodes; no network model or places are public with them. The reference is the mean of all nodes that are visible."""
    frame = pl.read_parquet(_folder("ieso_2002_2025") / "nodal_price_hourly_15nodes.parquet").sort("Date", "Hour")
    names = tuple(c for c in frame.columns if c not in {"Date", "Hour"})
    frame = frame.tail(24 * (LEARNED_DAYS + SCORED_DAYS))
    values, day = (
        frame.select(names).cast(pl.Float64).fill_null(float("nan")).to_numpy(),
        frame["Date"].cast(pl.Date).to_physical().to_numpy(),
    )
    market = NodeMarket(names, ("ONTARIO",) * len(names), values)
    gone = {f"rmae_{m}": f"{m}: no coordinates or network model are public with these nodes" for m in ("nearest_on_map", "ptdf_cosine")}
    cold = _hourly(job, market, values, day.astype(np.int64), learned=LEARNED_DAYS, note="hourly prices; no static knowledge of the nodes")
    return replace(cold, not_measurable=gone)


def _isone(job: SystemJob) -> Cold:
    """One day of New England's day-ahead prices: the morning is learned from, the afternoon nowcast; 0 or 12 hours are revealed."""
    frame = pl.read_parquet(_folder("isone_nodal_2026_sample") / "da_lmp_all_nodes_20260604.parquet")
    frame = frame.filter(pl.col("Location Type") == "NETWORK NODE").with_columns(
        v=pl.col("Locational Marginal Price") - pl.col("Energy Component"), hour=pl.col("Hour Ending").cast(pl.Int64)
    )
    matrix = frame.pivot("Location Name", index="hour", values="v", aggregate_function="first").sort("hour")
    names = tuple(c for c in matrix.columns if c != "hour")
    values = matrix.select(names).to_numpy()
    station = tuple(n.partition(".")[2][:8].strip() for n in names)
    market = NodeMarket(names, ("ISONE",) * len(names), values[:12], groups={"station": station})
    trial = Trial(
        market, values[12:], {"h0": np.zeros(12, dtype=bool), "h12": np.ones(12, dtype=bool)}, {OURS: covariances(market, seed=job.seed)}
    )
    found = errors(trial, hidden_groups(np.arange(len(names)), GROUPS, job.seed))
    day = (int((datetime(2026, 6, 4, tzinfo=UTC).date() - EPOCH).days),)
    note = "one day: 12 hours learned, 12 scored, so that nothing is said of days; stations by name, no coordinates or network are public"
    gone = dict.fromkeys(("rmae_d3", "rmae_d7", "rmae_d30"), "one day of prices is public here")
    return Cold(found, clusters(values[:12]), shared(values[:12]), np.zeros(len(names), dtype=bool), "USD/MWh", note, day, gone)


def _caiso(job: SystemJob) -> Cold:
    """Monthly means of midday and evening congestion of some 2,150 nodes: each month nowcast from the nodes that are visible in it."""
    folder = _folder("caiso_congestion_2025")
    frame = pl.read_parquet(folder / "node_metrics_raw_monthly.parquet")
    where = pl.read_parquet(folder / "node_coordinates.parquet").unique("PNode ID", keep="first", maintain_order=True)
    months = sorted(frame["month"].unique().to_list())
    long = frame.unpivot(["MCC_mid", "MCC_eve"], index=["node", "month"]).with_columns(row=pl.col("month") + pl.col("variable"))
    matrix = long.pivot("node", index="row", values="value", aggregate_function="first").sort("row")
    names = tuple(sorted(c for c in matrix.columns if c != "row"))
    values = matrix.select(names).to_numpy()
    about = pl.DataFrame({"PNode ID": names}).join(where, on="PNode ID", how="left", maintain_order="left")
    north, east = (about[c].cast(pl.Float64).fill_null(float("nan")).to_numpy() for c in ("Latitude", "Longitude"))
    place = np.column_stack([east * np.cos(np.radians(np.nanmean(north))), north]) * DEGREE_KM
    hub = tuple(about["Aggregate PNode ID"].fill_null("none").to_list())
    stem = tuple(n.split("_")[0] for n in names)
    market = NodeMarket(names, hub, values, place_km=place, groups={"station": stem, "hub": hub, "site": tuple(s[:5] for s in stem)})
    return _by_month(job, market, values, months)


def _by_month(job: SystemJob, market: NodeMarket, values: Array, months: list[str]) -> Cold:
    """Walk forward over months; a node's error is the mean over the months in which it was hidden."""
    n = values.shape[1]
    sums: Errors = {}
    counts: Errors = {}
    whole = np.flatnonzero(np.isfinite(values).all(axis=0))
    sample = np.random.default_rng(job.seed).choice(whole, min(CAISO_HIDDEN, whole.size), replace=False)
    first = np.array([int(np.argmax(np.isfinite(values[:, k]))) // 2 for k in range(n)])
    late = np.asarray(~np.isfinite(values[: 2 * CAISO_FROM]).any(axis=0))
    for k in range(CAISO_FROM, len(months)):
        job.say(f"{job.data_set}: {months[k]}")
        past, now = values[: 2 * k], values[2 * k : 2 * k + 2]
        fresh = np.flatnonzero(late & (first == k))
        rows = np.arange(2 * k) >= 2 * (k - 1)
        known = replace(market, prices=past)
        priors = {OURS: covariances(known, seed=job.seed)}
        trial = Trial(known, now, {"d0": np.zeros(2 * k, dtype=bool), "d30": rows}, priors)
        dealt = hidden_groups(sample, CAISO_GROUPS, job.seed + k)
        for key, found in errors(trial, [*dealt[:1], *([fresh] if fresh.size else [])]).items():
            there = np.isfinite(found) & ~(late & (key[1] == "d30"))
            sums.setdefault(key, np.zeros(n))[there] += found[there]
            counts.setdefault(key, np.zeros(n))[there] += 1
    made = {key: np.where(counts[key] > 0, sums[key] / np.maximum(counts[key], 1), np.nan) for key in sums}
    gone = dict.fromkeys(("rmae_d3", "rmae_d7"), "monthly means are public, no days") | {
        "rmae_ptdf_cosine": "no shift factors are public",
        "rmae_last_days_ridge": "a month of means is two numbers",
    }
    days = tuple((datetime.strptime(m, "%Y-%m").replace(tzinfo=UTC).date() - EPOCH).days for m in months[CAISO_FROM:])
    note = "monthly means of midday and evening congestion; d0: no month known, d30: the month before; a third of 750 nodes hidden a month"
    return Cold(made, clusters(values[: 2 * CAISO_FROM, :]), shared(values), late, "USD/MWh", note, days, gone)
