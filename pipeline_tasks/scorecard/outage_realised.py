"""F2 on outages that really happened in the simulated market: what was learned of the earlier ones, on the later ones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from models._kernel.grid.network import GridError
from models._kernel.grid.outage_response import FELT, OutageResponse, Realised, learn_response, median_weights
from models._kernel.grid.recovery import correlation
from models._kernel.yardstick import DataClass
from pipeline_tasks.scorecard.rows import ScoreRow, Verdict
from pipeline_tasks.scorecard.systems import SystemJob, system_row

Array = npt.NDArray[np.float64]
MARKET = "twin"
LEARNED = 0.6  # first share of the events that are felt
TARGET = 0.8
DAYS = 400
METRICS = ("realised_mae", "realised_event_correlation", "realised_coverage_90")


def realised_rows(job: SystemJob) -> list[ScoreRow]:
    """Rows of the market's planned outages as they began, walked forward once."""
    from pipeline_tasks.scorecard.sources import TWIN_DATE, WarehouseSource
    from pipeline_tasks.simulate.realised import begun_outages, realised_events
    from pipeline_tasks.warehouse import connect

    WarehouseSource().prepare(MARKET, job.say, features=False)
    last = job.end or TWIN_DATE
    with connect() as warehouse:
        begun = begun_outages(warehouse, MARKET, first=last - timedelta(days=DAYS), last=last)
        events = list(realised_events(warehouse, MARKET, begun, job.say))
    return rows_of(job, events)


def rows_of(job: SystemJob, events: Sequence[Realised]) -> list[ScoreRow]:
    """Rows from events in order of time; those of elements that were learned from are not scored."""
    felt = [e for e in events if e.felt]
    learn = felt[: int(LEARNED * len(felt))]
    seen = {e.element for e in learn}
    later = [e for e in felt[len(learn) :] if e.element not in seen]
    note = f"{len(felt)} of {len(events)} planned outages move congestion by more than {FELT:g} currency/MWh in the simulation"
    try:
        response = learn_response(learn)
    except GridError as error:
        return [system_row(job, DataClass.TWIN, m, None, reason=f"{error}; {note}") for m in METRICS]
    if not later:
        return [system_row(job, DataClass.TWIN, m, None, reason=f"no later outage of another element; {note}") for m in METRICS]
    note += f"; learned from the first {len(learn)}, {len(later)} later ones of other elements scored"
    days = [e.day for e in later]
    return [
        *_error_rows(job, response, learn, later, note),
        *_correlation_rows(job, later, note, days),
        _band_row(job, response, later, note),
    ]


def _error_rows(
    job: SystemJob, response: OutageResponse, learn: Sequence[Realised], later: Sequence[Realised], note: str
) -> list[ScoreRow]:
    blind = OutageResponse(median_weights(learn, ("state", "before")), 0.0, len(learn))
    told = {
        "ours": [response.realised(e) for e in later],
        "no_change": [np.zeros_like(e.truth) for e in later],
        "simulator": [e.simulated for e in later],
        "without_outage": [blind.realised(e) for e in later],
    }
    error = {n: float(np.mean([np.abs(a - e.truth).mean() for a, e in zip(v, later, strict=True)])) for n, v in told.items()}
    said = "mean over events and buses of the change of congestion from the day before, currency/MWh"
    made = []
    for name in ("no_change", "simulator", "without_outage"):
        verdict: Verdict = "pass" if error["ours"] < error[name] else "miss"
        made.append(
            system_row(job, DataClass.TWIN, "realised_mae", error["ours"], reason=f"{said}; {note}", n=len(later), verdict=verdict,
                       baseline=name, baseline_value=error[name], days=[e.day for e in later])
        )  # fmt: skip
    return made


def _correlation_rows(job: SystemJob, later: Sequence[Realised], note: str, days: list[int]) -> list[ScoreRow]:
    """The simulator's answer alone, as it is, with what happened."""
    each = np.array([correlation(e.simulated, e.truth) for e in later])
    value = float(np.median(each))
    base = float(np.median([correlation(-e.before, e.truth) for e in later]))
    verdict: Verdict = "pass" if value >= TARGET and value > base else "miss"
    said = "median over events of the correlation over buses of the simulated change with what happened from the day before"
    drawn = np.random.default_rng(job.seed).integers(0, len(each), (2000, len(each)))
    low, high = np.quantile(np.median(each[drawn], axis=1), [0.025, 0.975])
    return [
        system_row(job, DataClass.TWIN, "realised_event_correlation", value, reason=f"{said}; {note}", n=len(later), verdict=verdict,
                   target=TARGET, interval=(float(low), float(high)), baseline="congestion_goes", baseline_value=base, days=days)
    ]  # fmt: skip


def _band_row(job: SystemJob, response: OutageResponse, later: Sequence[Realised], note: str) -> ScoreRow:
    inside = []
    for event in later:
        told = response.realised(event)
        inside.append(float((np.abs(told - event.truth) <= response.half_width(told, event.state)).mean()))
    share = float(np.mean(inside))
    verdict: Verdict = "pass" if 0.85 <= share <= 0.95 else "miss"
    said = f"share of buses inside the 90 % band; target 0.85 .. 0.95; lowest event {min(inside):.2f}; {note}"
    days = [e.day for e in later]
    return system_row(job, DataClass.TWIN, "realised_coverage_90", share, reason=said, n=len(later), verdict=verdict, target=0.9, days=days)
