"""M1: sensitivities estimated without the network: recovered on test networks and in the simulated market; events at NYISO's interfaces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.grid.network import Network
from models._kernel.grid.recovery import Recovered, ends, outage_shares, recover, recover_from_prices
from models._kernel.yardstick import DataClass
from pipeline_tasks.scorecard.interface_events import interface_rows
from pipeline_tasks.scorecard.outage_events import correlation
from pipeline_tasks.scorecard.rows import ScoreRow, Verdict
from pipeline_tasks.scorecard.sources import DataAbsentError
from pipeline_tasks.scorecard.systems import SystemJob, system_row

Array = npt.NDArray[np.float64]
DATA_SETS = ("case118", "case300", "nyiso", "twin")
ON_MARKETS = ("nyiso", "twin")
SAMPLES, NOISE = 2000, 0.01  # hours; measurement noise as a share of each series' standard deviation
FLOW_PRIOR, PRICE_PRIOR = 0.1, 0.3
FEWEST_HOURS = 50  # a constraint that bound more rarely is not estimated
LEARNED = 0.7  # first share of the hours, the rest is predicted
TARGET = 0.8
METRICS = ("ptdf_row_correlation", "ptdf_max_error", "event_correlation")


def rows(job: SystemJob) -> list[ScoreRow]:
    """Rows of M1 on one data set."""
    made: dict[str, Callable[[SystemJob], list[ScoreRow]]] = {"nyiso": interface_rows, "twin": _price_rows}
    try:
        return made.get(job.data_set, _network_rows)(job)
    except DataAbsentError as error:
        return [system_row(job, DataClass.REAL, m, None, reason=str(error)) for m in METRICS]


@dataclass(frozen=True, slots=True)
class Sampled:
    """Hours of a test network that was dispatched under changing loads, measured with noise."""

    injection: Array
    flow: Array
    congestion: Array
    shadow_price: Array


def sampled(network: Network, seed: int, samples: int = SAMPLES) -> Sampled:
    """Optimal dispatch under loads that vary by 10 % per bus and 10 % in common; noise on injections and flows, none on prices."""
    from models._kernel.grid.dcopf import DcOpf
    from models._kernel.grid.opf_types import OpfCase

    rng, solver = np.random.default_rng(seed), DcOpf(network)
    injection, flow = np.empty((samples, network.n_buses)), np.empty((samples, network.n_branches))
    congestion, worth = np.empty((samples, network.n_buses)), np.zeros((samples, network.n_branches))
    for k in range(samples):
        load = network.buses.load_mw * (1 + 0.1 * rng.standard_normal(network.n_buses)) * (1 + 0.1 * rng.standard_normal())
        result = solver.solve(OpfCase(load_mw=load))
        injection[k], flow[k] = network.injection_mw(result.p_mw, load_mw=load), result.flow_mw
        congestion[k], worth[k, result.binding.branch] = result.congestion, result.binding.shadow_price
    noisy = [v + NOISE * v.std(axis=0) * rng.standard_normal(v.shape) for v in (injection, flow)]
    return Sampled(noisy[0], noisy[1], congestion, worth)


def _network_rows(job: SystemJob) -> list[ScoreRow]:
    from models._kernel.grid.cases import load_pypower_case
    from models._kernel.grid.sensitivities import Sensitivities
    from pipeline_tasks.scorecard.outage_events import rated

    network = rated(load_pypower_case(job.data_set))
    job.say(f"{job.data_set}: dispatching {SAMPLES} hours")
    data, exact = sampled(network, job.seed), Sensitivities(network)
    truth = exact.ptdf()
    inputs = np.delete(np.arange(network.n_buses), network.reference_bus)
    found = recover(data.injection[:, inputs], data.flow, prior=FLOW_PRIOR)
    plain = np.linalg.lstsq(data.injection[:, inputs] - data.injection[:, inputs].mean(axis=0), data.flow - data.flow.mean(axis=0))[0].T
    used, live = inputs[found.moved], data.flow.std(axis=0) > 1e-3
    true, ours, theirs = truth[live][:, used], found.values[live][:, found.moved], plain[live][:, found.moved]
    note = f"{SAMPLES} hours, 1 % noise, {int(found.moved.sum())} of {len(inputs)} buses with injections that move"
    made = _recovery_rows(job, Compared("flows", DataClass.TEST_SYSTEM, true, ours, theirs, note))
    made += _outage_rows(job, network, found, truth, inputs)
    hours = (np.abs(data.shadow_price) > 1e-6).sum(axis=0)
    bound = np.flatnonzero(hours)
    if (hours >= FEWEST_HOURS).any():
        prices = recover_from_prices(data.shadow_price[:, bound], data.congestion, prior=PRICE_PRIOR)
        often = hours[bound] >= FEWEST_HOURS
        note = f"{int(often.sum())} branches that bound in at least {FEWEST_HOURS} of {SAMPLES} hours, from prices and shadow prices alone"
        made += _recovery_rows(job, Compared("prices", DataClass.TEST_SYSTEM, truth[bound[often]], prices.values.T[often], None, note))
    return made


@dataclass(frozen=True, slots=True)
class Compared:
    """Exact sensitivities with those recovered, and where there is one those of a simpler method, shape (rows, buses) each."""

    part: str
    kind: DataClass
    truth: Array
    ours: Array
    theirs: Array | None
    note: str


def _recovery_rows(job: SystemJob, both: Compared) -> list[ScoreRow]:
    """Row-wise correlation and errors of recovered sensitivities."""
    own = np.array([correlation(a, b) for a, b in zip(both.ours, both.truth, strict=True)])
    value, error = float(np.median(own)), np.abs(both.ours - both.truth)
    other = largest = None
    if both.theirs is not None:
        other = float(np.median([correlation(a, b) for a, b in zip(both.theirs, both.truth, strict=True)]))
        largest = float(np.abs(both.theirs - both.truth).max())
    verdict: Verdict = "pass" if value >= TARGET and (other is None or value > other) else "miss"
    baseline = "" if both.theirs is None else "least_squares"
    said = f"median over branches of the correlation over buses with the exact one; lowest {own.min():.3f}; {both.note}"
    told = f"reported; largest error of an element, MW per MW; mean {error.mean():.4f}"
    return [
        system_row(job, both.kind, f"ptdf_row_correlation_{both.part}", value, reason=said, n=len(own), verdict=verdict, target=TARGET,
                   baseline=baseline, baseline_value=other),
        system_row(job, both.kind, f"ptdf_max_error_{both.part}", float(error.max()), reason=told, n=error.size, verdict="pass",
                   baseline=baseline, baseline_value=largest),
    ]  # fmt: skip


def _outage_rows(job: SystemJob, network: Network, found: Recovered, truth: Array, inputs: npt.NDArray[np.int64]) -> list[ScoreRow]:
    """Branch ends and outage shares from recovered sensitivities alone."""
    from models._kernel.grid.sensitivities import Sensitivities

    whole, moved = np.zeros_like(truth), np.zeros(network.n_buses, dtype=bool)
    whole[:, inputs], moved[inputs] = found.values, found.moved
    moved[network.reference_bus] = True
    begin, end = ends(whole, moved)
    seen = moved[network.branches.from_bus] & moved[network.branches.to_bus]
    right = (begin == network.branches.from_bus) & (end == network.branches.to_bus)
    shares, every = outage_shares(whole, begin, end), np.arange(network.n_branches)
    exact = Sensitivities(network).lodf(every, every)
    usable = np.flatnonzero(seen & np.isfinite(shares).all(axis=0) & np.isfinite(exact).all(axis=0))
    known = [correlation(np.delete(shares[:, k], k), np.delete(exact[:, k], k)) for k in usable]
    said = f"share of branches between buses with injections whose two ends are found; {int((~seen).sum())} others cannot be"
    value = float(np.median(known)) if known else float("nan")
    verdict: Verdict = "pass" if value >= TARGET else "miss"
    told = "median over lost branches of the correlation over branches of LODF with the exact one, ends unknown"
    return [
        system_row(
            job,
            DataClass.TEST_SYSTEM,
            "ends_found",
            float(right[seen].mean()),
            reason=f"reported; {said}",
            n=int(seen.sum()),
            verdict="pass",
        ),
        system_row(job, DataClass.TEST_SYSTEM, "lodf_correlation", value, reason=told, n=len(known), verdict=verdict, target=TARGET),
    ]  # fmt: skip


def _price_rows(job: SystemJob) -> list[ScoreRow]:
    """The simulated market: sensitivities from published nodal prices and shadow prices, judged by the exact ones and on later hours."""
    from pipeline_tasks.scorecard.sources import WarehouseSource
    from pipeline_tasks.warehouse import connect
    from pipeline_tasks.warehouse.truth import open_truth

    WarehouseSource().prepare(job.data_set, job.say)
    with connect() as warehouse:
        prices = warehouse.query(
            "select delivery_ts, node, congestion_ccy_per_mwh as value from raw.nodal_prices where market = 'twin' and product = 'da'"
            " order by known_ts limit 1 by delivery_ts, node"
        )
        worth = warehouse.query(
            "select delivery_ts, branch, contingency, -sign(flow_mw) * shadow_price_ccy_per_mwh as value from raw.constraints"
            " where market = 'twin' and product = 'da' order by known_ts limit 1 by delivery_ts, branch, contingency"
        ).with_columns(name=pl.concat_str("branch", "contingency", separator="|"))
    congestion = prices.pivot("node", index="delivery_ts", values="value").sort("delivery_ts").fill_null(0.0)
    wide = worth.pivot("name", index="delivery_ts", values="value", aggregate_function="first")
    active = congestion.select("delivery_ts").join(wide, on="delivery_ts", how="left", maintain_order="left").fill_null(0.0)
    nodes, names = congestion.columns[1:], active.columns[1:]
    y, x = congestion.select(nodes).to_numpy(), active.select(names).to_numpy()
    cut = int(LEARNED * len(x))
    often = (x[:cut] != 0).sum(axis=0) >= FEWEST_HOURS
    found = recover_from_prices(x[:cut], y[:cut], prior=PRICE_PRIOR)
    with open_truth("yardstick") as truth:
        if truth is None:
            raise DataAbsentError("the configured server has no account that reads the truth")
        exact = truth.query("select branch, bus, ptdf from truth.ptdf where market = 'twin'").pivot("bus", index="branch", values="ptdf")
    plain = [k for k, name in enumerate(names) if often[k] and name.endswith("|") and name[:-1] in exact["branch"].to_list()]
    true = pl.DataFrame({"branch": [names[k][:-1] for k in plain]}).join(exact, on="branch", how="left", maintain_order="left")
    note = f"{len(plain)} limits without contingency that bound in at least {FEWEST_HOURS} hours; published prices and shadow prices alone"
    made = _recovery_rows(job, Compared("prices", DataClass.TWIN, true.select(nodes).to_numpy(), found.values.T[plain], None, note))
    later, mean = x[cut:], y[:cut].mean(axis=0)
    told, moved = later @ found.values.T, (np.abs(y[cut:]).max(axis=1) > 1.0)
    own = np.array([correlation(a, b) for a, b in zip(told[moved], y[cut:][moved], strict=True)])
    base = np.array([correlation(mean, b) for b in y[cut:][moved]])
    verdict: Verdict = "pass" if np.median(own) >= TARGET else "miss"
    said = "median over later hours of the correlation over nodes of congestion with that from their published shadow prices"
    made.append(
        system_row(job, DataClass.TWIN, "congestion_correlation_later", float(np.median(own)), reason=said, n=len(own), verdict=verdict,
                   target=TARGET, baseline="mean_response", baseline_value=float(np.median(base)))
    )  # fmt: skip
    return made
