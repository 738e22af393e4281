"""Cycles of the intraday DAG, one after the other at simulated instants, and what each of them did."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from config.markets import resolve_market
from pipeline_tasks.soak.proof import Ledger, Proof, prove
from pipeline_tasks.steps.pipeline import run_intraday

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Cycle:
    """One run of the DAG.

    Attributes:
        decided_at: its instant, UTC.
        seconds: whole run, Airflow included.
        status, reason: of the run.
        rows_read, rows_loaded, rows_quarantined, rows_duplicate: of its ingest.
        published: partitions of forecasts.
        degraded: decisions made now that are DEGRADED.
        decisions: decisions made now.
        rewritten: decisions published before that differ now; must be 0.
        reached: whether the source could be reached.
        steps: seconds by step.
    """

    decided_at: datetime
    seconds: float
    status: str
    reason: str
    rows_read: int
    rows_loaded: int
    rows_quarantined: int
    rows_duplicate: int
    published: int
    decisions: int
    degraded: int
    rewritten: int
    reached: bool
    steps: dict[str, float]

    @property
    def holds(self) -> bool:
        """Whether it published or said why what it published is DEGRADED, its counts add up, and it rewrote nothing."""
        added = self.rows_loaded + self.rows_quarantined + self.rows_duplicate
        marked = self.status == "OK" or (self.status == "DEGRADED" and self.reason != "")
        return marked and self.published > 0 and self.rows_read == added and self.rewritten == 0


def soak_intraday(
    *,
    source: str,
    market: str,
    cycles: int,
    every_min: int,
    start: datetime | None = None,
    say: Say = lambda _: None,
) -> dict[str, Any]:
    """Run the intraday DAG `cycles` times in a row, every `every_min` minutes of simulated time, and prove what it did.

    Args:
        source: live source: `twin` or `twin_faults`.
        market: market selection key.
        cycles: number of runs.
        every_min: minutes between two of them.
        start: instant of the first one, UTC; `every_min` after the start of the first day without a price when None.
        say: told of every cycle.

    Returns:
        `cycles` (rows of `Cycle`), `seconds` (median, p95, longest), `seconds_by_step` (median), `status` (cycles by status), `proof`
        (`proof.Proof`), `holds`.

    Raises:
        ValueError: the market has no intraday decisions or no price.
    """
    ledger = Ledger(source, market)
    first = start or ledger.next_day() + timedelta(minutes=every_min)
    done: list[Cycle] = []
    for number in range(cycles):
        instant = first + timedelta(minutes=every_min) * number
        run = run_intraday(source=source, market=market, instant=instant)
        cycle = _cycle(run, ledger, instant)
        done.append(cycle)
        say(
            f"cycle {number + 1}/{cycles} {instant:%Y-%m-%d %H:%M} {cycle.status} in {cycle.seconds:.1f} s: rows {cycle.rows_read} ="
            f" {cycle.rows_loaded} + {cycle.rows_quarantined} + {cycle.rows_duplicate}, decisions {cycle.decisions}"
            f" ({cycle.degraded} DEGRADED) {cycle.reason[:120]}"
        )
        if cycle.status == "FAILED":
            break
    proof = prove(ledger, source=source, market=resolve_market(market), first=first, last=done[-1].decided_at, blind=_blind(done))
    return _report(done, cycles, proof)


def _blind(done: list[Cycle]) -> list[tuple[datetime, datetime]]:
    """Decision times without news, as (last cycle that reached the source, cycle that did not)."""
    spans, reached = [], datetime.min.replace(tzinfo=UTC)
    for cycle in done:
        if cycle.reached:
            reached = cycle.decided_at
        else:
            spans.append((reached, cycle.decided_at))
    return spans


def _cycle(run: dict[str, Any], ledger: Ledger, instant: datetime) -> Cycle:
    counts = {f"rows_{k}": int(run["ingest"].get(f"rows_{k}", 0)) for k in ("read", "loaded", "quarantined", "duplicate")}
    seen = ledger.look(instant)
    return Cycle(
        decided_at=instant,
        seconds=run["seconds"],
        status=run["status"],
        reason=run["status_reason"],
        **counts,
        published=sum(p["table"] in ledger.tables for p in run["publications"]),
        decisions=seen.new,
        degraded=seen.degraded,
        rewritten=seen.rewritten,
        reached=all(s["status"] == "OK" for s in run["steps"] if s["step"] == "ingest"),
        steps={s["step"]: s["seconds"] for s in run["steps"]},
    )


def _report(done: list[Cycle], wanted: int, proof: Proof) -> dict[str, Any]:
    seconds = sorted(c.seconds for c in done)
    steps = sorted({s for c in done for s in c.steps})
    statuses = sorted({c.status for c in done})
    return {
        "cycles": [asdict(c) | {"holds": c.holds} for c in done],
        "seconds": {
            "median": statistics.median(seconds),
            "p95": seconds[max(0, -(-95 * len(seconds) // 100) - 1)],
            "longest": seconds[-1],
        },
        "seconds_by_step": {s: round(statistics.median([c.steps[s] for c in done if s in c.steps]), 2) for s in steps},
        "status": {s: sum(c.status == s for c in done) for s in statuses},
        "proof": asdict(proof) | {"holds": proof.holds},
        "holds": len(done) == wanted and all(c.holds for c in done) and proof.holds,
    }
