"""M1: sensitivities estimated without the network: recovered on test networks and in the simulated market; events at NYISO's interfaces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models._kernel.grid.network import Network
from models._kernel.grid.recovery import Recovered, by_size, correlation, ends, outage_shares, recover, recover_from_prices
from models._kernel.yardstick import DataClass
from pipeline_tasks.scorecard.caiso_events import caiso_rows
from pipeline_tasks.scorecard.grid_estimators import FEWEST_HOURS, PRICE_PRIOR, TARGET, Compared, others, recovery_rows
from pipeline_tasks.scorecard.grid_market import market_rows
from pipeline_tasks.scorecard.interface_events import interface_rows
from pipeline_tasks.scorecard.rows import ScoreRow, Verdict
from pipeline_tasks.scorecard.sources import DataAbsentError
from pipeline_tasks.scorecard.systems import SystemJob, system_row

Array = npt.NDArray[np.float64]
DATA_SETS = ("caiso", "case118", "case300", "nyiso", "twin")
ON_MARKETS = ("nyiso", "twin")
SAMPLES, NOISE = 2000, 0.01  # hours; measurement noise as a share of each series' standard deviation
FLOW_PRIOR = 0.1
METRICS = ("ptdf_row_correlation", "ptdf_max_error", "event_correlation")


def rows(job: SystemJob) -> list[ScoreRow]:
    """Rows of M1 on one data set."""
    made: dict[str, Callable[[SystemJob], list[ScoreRow]]] = {"caiso": caiso_rows, "nyiso": interface_rows, "twin": market_rows}
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
    used, live = inputs[found.moved], data.flow.std(axis=0) > 1e-3
    job.say(f"{job.data_set}: other estimators")
    theirs = {n: v[live][:, found.moved] for n, v in others(data.injection[:, inputs], data.flow, centre=True).items()}
    note = f"{SAMPLES} hours, 1 % noise, {int(found.moved.sum())} of {len(inputs)} buses with injections that move"
    both = Compared("flows", DataClass.TEST_SYSTEM, truth[live][:, used], found.values[live][:, found.moved], theirs, note)
    made = recovery_rows(job, both)
    made += _outage_rows(job, network, found, truth, inputs)
    hours = (np.abs(data.shadow_price) > 1e-6).sum(axis=0)
    bound = np.flatnonzero(hours)
    if (hours >= FEWEST_HOURS).any():
        prices = recover_from_prices(data.shadow_price[:, bound], data.congestion, prior=PRICE_PRIOR)
        often = hours[bound] >= FEWEST_HOURS
        note = f"{int(often.sum())} branches that bound in at least {FEWEST_HOURS} of {SAMPLES} hours, from prices and shadow prices alone"
        theirs = {n: v.T[often] for n, v in others(*by_size(data.shadow_price[:, bound], data.congestion), centre=False).items()}
        made += recovery_rows(job, Compared("prices", DataClass.TEST_SYSTEM, truth[bound[often]], prices.values.T[often], theirs, note))
    return made


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
