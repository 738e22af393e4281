from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

import polars as pl
import pytest

from pipeline_tasks.steps.context import RunContext
from pipeline_tasks.steps.infer import _degrade, upstream_faults
from pipeline_tasks.warehouse import Warehouse

CTX = RunContext("files", "epf_de", date(2017, 6, 15))


class FakeWarehouse:
    """Answers every query with the same failed warnings."""

    def __init__(self, *checks: str) -> None:
        self.checks = list(checks)

    def query(self, _sql: str, _params: Any = None) -> pl.DataFrame:
        n = len(self.checks)
        return pl.DataFrame({"table_name": ["raw.prices"] * n, "check_name": self.checks, "column_name": [""] * n})


def _faults(rows: pl.DataFrame, *checks: str) -> str:
    return upstream_faults(cast("Warehouse", FakeWarehouse(*checks)), CTX, rows)


def _rows(*, hours: int = 24, newest: datetime | None = None) -> pl.DataFrame:
    known = newest or CTX.as_of - timedelta(hours=20)
    return pl.DataFrame(
        {
            "hub": ["DE"] * (hours + 1),
            "product": ["da"] * (hours + 1),
            "delivery_date": [date(2017, 6, 14)] + [CTX.delivery_date] * hours,
            "price_known_ts": [known] + [None] * hours,
        },
        schema_overrides={"price_known_ts": pl.Datetime("ms", "UTC")},
    )


def test_good_input_has_no_faults() -> None:
    assert _faults(_rows()) == ""


def test_missing_intervals_are_counted() -> None:
    assert _faults(_rows(hours=22)) == "DE: 22 of 24 intervals"


def test_old_prices_are_named_with_their_age_and_the_limit() -> None:
    assert _faults(_rows(newest=CTX.as_of - timedelta(hours=100))) == "newest known price is 100 h old at the decision (limit 72 h)"
    assert "no price is known" in _faults(_rows().with_columns(pl.lit(None, dtype=pl.Datetime("ms", "UTC")).alias("price_known_ts")))


def test_warnings_of_the_gates_are_named() -> None:
    assert _faults(_rows(), "volume") == "check raw.prices.* volume"


@pytest.mark.parametrize(("said", "expected"), [("", "late"), ("missing inputs: load", "missing inputs: load; late")])
def test_upstream_faults_add_to_what_the_model_said(said: str, expected: str) -> None:
    answer = pl.DataFrame({"status": ["OK"], "status_reason": [said]})
    assert _degrade(answer, "late").row(0) == ("DEGRADED", expected)
    assert _degrade(answer, "").row(0) == ("OK", said)


def test_the_decision_time_of_the_example_is_before_delivery() -> None:
    assert datetime(2017, 6, 14, 10, 30, tzinfo=UTC) == CTX.as_of
