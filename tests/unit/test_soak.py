"""What a soak asks for and when it holds."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any, cast

import polars as pl
import pytest

from config.markets import resolve_market
from models._kernel.registry import spec_of
from pipeline_tasks.soak.cycles import Cycle
from pipeline_tasks.soak.proof import DECISION, Proof, asked_decisions
from pipeline_tasks.warehouse import Warehouse

MIDNIGHT, MARKET = datetime(2026, 6, 15, 22, tzinfo=UTC), resolve_market("twin")
PROOF = Proof(*(0 for _ in range(12)))
CYCLE = Cycle(MIDNIGHT, 1.0, "OK", "", 3, 1, 1, 1, published=5, decisions=30, degraded=0, rewritten=0, reached=True, steps={})


class FakeWarehouse:
    """Has one series of five minutes and one of an hour."""

    def query(self, _sql: str, _params: Any = None) -> pl.DataFrame:
        return pl.DataFrame({"hub": ["FINE", "COARSE"], "product": ["rt", "rt"], "minutes": [5, 60]})


def test_every_interval_of_the_day_is_asked_for_at_every_horizon_that_was_decided() -> None:
    asked = asked_decisions(
        cast("Warehouse", FakeWarehouse()), spec_of("price_prediction"), MARKET, MIDNIGHT.replace(minute=15), MIDNIGHT.replace(minute=15)
    )
    assert asked.select(DECISION).is_unique().all()
    assert asked["delivery_ts"].min() == MIDNIGHT
    assert asked["as_of"].max() == MIDNIGHT.replace(minute=15)
    lead = asked.with_columns((pl.col("delivery_ts") - pl.col("as_of")).dt.total_minutes().alias("lead"))
    counts = {(hub, minutes): n for hub, minutes, n in lead.group_by("hub", "lead").len().iter_rows()}
    assert counts == {("FINE", 15): 7, ("FINE", 60): 16, ("COARSE", 15): 1, ("COARSE", 60): 2}


@pytest.mark.parametrize("fault", [f.name for f in fields(Proof) if f.name.startswith(("lost", "dup", "unasked", "unexpl", "differ"))])
def test_a_single_fault_breaks_the_proof_and_nothing_proves_nothing(fault: str) -> None:
    whole = replace(PROOF, source_rows=1, decisions=1, replayed=1)
    assert whole.holds
    assert not replace(whole, **{fault: 1}).holds
    assert not PROOF.holds


@pytest.mark.parametrize(
    ("changed", "holds"),
    [
        ({}, True),
        ({"status": "DEGRADED", "reason": "old prices"}, True),
        ({"status": "DEGRADED"}, False),
        ({"status": "FAILED", "reason": "a bug"}, False),
        ({"published": 0}, False),
        ({"rows_duplicate": 0}, False),
        ({"rewritten": 1}, False),
    ],
)
def test_a_cycle_publishes_or_says_why_and_its_counts_add_up(changed: dict[str, Any], holds: bool) -> None:
    assert replace(CYCLE, **changed).holds is holds
