"""F2: outage scenarios beside another solver on public test networks, and beside the simulated market cleared with the outage."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models._kernel.grid.recovery import correlation
from models._kernel.yardstick import DataClass
from pipeline_tasks.scorecard.outage_events import FROZEN, LOOKUP, OURS, Event, Found, events_of, rated
from pipeline_tasks.scorecard.outage_realised import realised_rows
from pipeline_tasks.scorecard.rows import ScoreRow, Verdict
from pipeline_tasks.scorecard.systems import SystemJob, system_row

Array = npt.NDArray[np.float64]
DATA_SETS = ("case118", "case300", "twin", "twin_realised")
ON_MARKETS = ("twin", "twin_realised")
TARGET, FLOOR = 0.8, 0.7
METRICS = ("event_correlation", "share_above_0_8", "mae", "binding_f1")
DRAWS = 2000


def rows(job: SystemJob) -> list[ScoreRow]:
    """Rows of F2 on one network: N-1 events, and N-2 events as topologies that nothing was learned from; or on the simulated market."""
    from models._kernel.grid.cases import load_pypower_case
    from models._kernel.grid.network import GridError

    if job.data_set == "twin_realised":
        return realised_rows(job)
    if job.data_set in ON_MARKETS:
        return _market_rows(job)
    try:
        network = rated(load_pypower_case(job.data_set))
    except GridError as error:
        return [system_row(job, DataClass.TEST_SYSTEM, m, None, reason=str(error)) for m in METRICS]
    job.say(f"{job.data_set}: outages by PYPOWER and by the study")
    found = events_of(job.data_set, network, job.seed)
    return [*_part(job, found, found.single, "n1"), *_part(job, found, found.double, "n2")]


def _market_rows(job: SystemJob) -> list[ScoreRow]:
    """Events of the simulated market beside yesterday's shadow prices on the new sensitivities; a band calibrated on earlier dates."""
    from pipeline_tasks.scorecard.outage_market import market_events
    from pipeline_tasks.scorecard.sources import TWIN_DATE, WarehouseSource

    WarehouseSource().prepare(job.data_set, job.say, features=False)
    events, still = market_events(job.end or TWIN_DATE, job.seed, job.say)
    if not events:
        return [system_row(job, DataClass.TWIN, m, None, reason="no event moved congestion") for m in METRICS]
    note = f"{still} further hours moved no congestion; one of the 20 most loaded branches out for a day, announced before the gate"
    rows = _against(job, events, "market", FROZEN, note, DataClass.TWIN)
    size, error = (float(np.mean([np.abs(values(e)).mean() for e in events])) for values in (lambda e: e.truth, _error))
    better: Verdict = "pass" if error < size else "miss"
    said = "mean over events and buses, currency/MWh; baseline: congestion stays as it is"
    rows.append(
        system_row(
            job, DataClass.TWIN, "mae_market", error, reason=said, n=len(events), verdict=better, baseline="no_change", baseline_value=size
        )
    )
    return [*rows, _band_row(job, events)]


def _error(event: Event) -> Array:
    return np.asarray(event.told[OURS] - event.truth, dtype=np.float64)


def _band_row(job: SystemJob, events: list[Event]) -> ScoreRow:
    """Coverage of a 90 % band: errors in units of 0.5 plus the size of the answer, their quantile over the earlier half of the dates."""
    days = np.array([e.level for e in events])
    middle = np.median(days)
    scaled = [np.abs(_error(e)) / (0.5 + np.abs(e.told[OURS])) for e in events]
    earlier, later = ([s for s, d in zip(scaled, days, strict=True) if bool(d <= middle) is want] for want in (True, False))
    if not later:
        return system_row(job, DataClass.TWIN, "coverage_90_market", None, reason="one date has events; a band needs some to learn from")
    width = float(np.quantile(np.concatenate(earlier), 0.9))
    share = float(np.mean(np.concatenate(later) <= width))
    verdict: Verdict = "pass" if 0.85 <= share <= 0.95 else "miss"
    said = f"share of buses within {width:.2f} x (0.5 + |answer|), learned on the earlier half of the dates; target 0.85 .. 0.95"
    return system_row(job, DataClass.TWIN, "coverage_90_market", share, reason=said, n=len(later), verdict=verdict, target=0.9)


def _part(job: SystemJob, found: Found, events: list[Event], part: str) -> list[ScoreRow]:
    if not events:
        return [
            system_row(job, DataClass.TEST_SYSTEM, f"{m}_{part}", None, reason="no event moved congestion") for m in (*METRICS, "certified")
        ]
    lost = f"{found.still} further events moved no congestion, {found.unsolved} were not solved by the reference,"
    note = f"{lost} {found.splitting} branches would split the network; ratings by rule, loads +-10 %"
    rows = [row for baseline in (FROZEN, LOOKUP) for row in _against(job, events, part, baseline, note)]
    f1, proof = (float(np.mean([getattr(e, name) for e in events])) for name in ("same_limits", "certified"))
    kind = DataClass.TEST_SYSTEM
    said = "mean F1 of the branches at their limits, against the reference's"
    rows.append(system_row(job, kind, f"binding_f1_{part}", f1, reason=f"reported; {said}; {note}", n=len(events), verdict="pass"))
    verdict: Verdict = "pass" if proof == 1.0 else "miss"
    said = "share of answers with every optimality residual at most 1e-6"
    rows.append(system_row(job, kind, f"certified_{part}", proof, reason=said, n=len(events), verdict=verdict, target=1.0))
    return rows


def _against(
    job: SystemJob, events: list[Event], part: str, baseline: str, note: str, kind: DataClass = DataClass.TEST_SYSTEM
) -> list[ScoreRow]:
    """Correlation per event, share of good ones and error, beside a baseline on the events it answers."""
    both = [e for e in events if np.isfinite(e.told[baseline]).all()]
    if not both:
        why = f"{baseline} has no answer for topologies it never saw"
        return [system_row(job, kind, f"{m}_{part}", None, reason=why, baseline=baseline) for m in METRICS[:3]]
    ours, theirs = (np.array([correlation(e.told[name], e.truth) for e in both]) for name in (OURS, baseline))
    error, other = (np.array([np.abs(e.told[name] - e.truth).mean() for e in both]) for name in (OURS, baseline))
    low, high = _interval(ours, both, job.seed)
    good: Verdict = "pass" if np.median(ours) >= TARGET and low > FLOOR and np.median(ours) > np.median(theirs) else "miss"
    better: Verdict = "pass" if error.mean() < other.mean() else "miss"
    n = len(both)
    true = "the market's, cleared with the outage" if kind is DataClass.TWIN else "PYPOWER's"
    said = f"median over events of the correlation over buses of the change of congestion with {true}"
    return [
        system_row(
            job, kind, f"event_correlation_{part}", float(np.median(ours)), reason=f"{said}; {note}", n=n, verdict=good, target=TARGET,
            interval=(low, high), baseline=baseline, baseline_value=float(np.median(theirs)),
        ),
        system_row(
            job, kind, f"share_above_0_8_{part}", float((ours >= TARGET).mean()), reason="reported; share of such events", n=n,
            verdict="pass", baseline=baseline, baseline_value=float((theirs >= TARGET).mean()),
        ),
        system_row(
            job, kind, f"mae_{part}", float(error.mean()), reason="mean over events and buses, currency/MWh", n=n, verdict=better,
            baseline=baseline, baseline_value=float(other.mean()),
        ),
    ]  # fmt: skip


def _interval(values: Array, events: list[Event], seed: int) -> tuple[float, float]:
    """95 % interval of the median: outages are drawn with all their load levels, because those resemble each other."""
    _, cluster = np.unique([str(e.branches) for e in events], return_inverse=True)
    members = [values[cluster == k] for k in range(int(cluster.max()) + 1)]
    rng = np.random.default_rng(seed)
    medians = [np.median(np.concatenate([members[k] for k in rng.integers(0, len(members), len(members))])) for _ in range(DRAWS)]
    low, high = np.quantile(medians, [0.025, 0.975])
    return float(low), float(high)
