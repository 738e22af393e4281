from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from pipeline_tasks.steps.context import RunContext
from pipeline_tasks.steps.faults import delivery_date_of, is_permanent
from pipeline_tasks.steps.replay import from_run_id
from pipeline_tasks.steps.schedules import Schedules, load_schedules


def test_run_id_follows_from_the_data_interval_alone() -> None:
    one = RunContext("twin", "epf_de", date(2017, 6, 15))
    other = RunContext("files", "epf_de", date(2017, 6, 15))
    assert one.run_id == other.run_id == "nightly:epf_de:2017-06-15"
    assert one.on(date(2017, 6, 16)).run_id != one.run_id
    assert one.days_before(15).delivery_date == date(2017, 5, 31)


def test_as_of_is_the_markets_gate() -> None:
    ctx = RunContext("files", "epf_de", date(2017, 6, 15))
    assert ctx.as_of == ctx.selection.market.gate(date(2017, 6, 15))
    assert ctx.as_of < datetime(2017, 6, 15, tzinfo=UTC)


def test_context_survives_xcom() -> None:
    ctx = RunContext("files", "epf_de", date(2017, 6, 15), dag="replay")
    assert RunContext.from_dict(ctx.to_dict()) == ctx


def test_an_intraday_run_is_about_the_local_day_of_its_instant() -> None:
    ctx = RunContext.at("twin", "twin", datetime(2026, 6, 14, 22, 30, 12, tzinfo=UTC))
    assert ctx.run_id == "intraday:twin:2026-06-15:20260614T2230Z"
    assert ctx.as_of == datetime(2026, 6, 14, 22, 30, tzinfo=UTC)
    assert RunContext.from_dict(ctx.to_dict()) == ctx
    assert from_run_id(RunContext("twin", "twin", date(2026, 1, 1)), ctx.run_id) == ctx


def test_a_day_that_is_over_has_one_run_whichever_asks() -> None:
    night, later = RunContext("twin", "twin", date(2026, 6, 15)), RunContext.at("twin", "twin", datetime(2026, 6, 14, 13, tzinfo=UTC))
    done = {ctx.decisions_of(date(2026, 6, 13)).run_id for ctx in (night, later)}
    assert done == {"intraday:twin:2026-06-13:20260613T2200Z"}
    assert night.decisions_of(date(2026, 6, 14)).as_of == night.as_of


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"source": "twin", "market": "twin"}, "delivery_date"),
        ({"source": "", "market": "twin", "delivery_date": "2026-06-15"}, "source"),
        ({"source": "twin", "market": "twin", "delivery_date": "15.06.2026"}, "15.06.2026"),
    ],
)
def test_bad_contexts_name_the_field_and_the_value(values: dict[str, str], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        RunContext.from_dict(values)


def test_a_scheduled_run_decides_for_the_next_gate() -> None:
    market = RunContext("twin", "twin", date(2026, 6, 15)).selection.market
    gate = market.gate(date(2026, 6, 15))
    assert delivery_date_of("twin", gate) == date(2026, 6, 15)
    assert delivery_date_of("twin", gate.replace(hour=gate.hour + 1)) == date(2026, 6, 16)


def test_connection_errors_are_retried_and_our_bugs_are_not() -> None:
    class OperationalError(Exception):
        pass

    assert not is_permanent(ConnectionResetError("gone"))
    assert not is_permanent(TimeoutError("late"))
    assert not is_permanent(OperationalError("database is locked"))
    assert is_permanent(ValueError("wrong"))
    assert is_permanent(KeyError("absent"))
    assert is_permanent(FileNotFoundError("no such file"))
    assert is_permanent(ModuleNotFoundError("no module"))


def test_schedules_are_checked() -> None:
    assert load_schedules().dags["nightly"].cron
    values = load_schedules().model_dump()
    with pytest.raises(ValueError, match="bootstrap_days"):
        Schedules.model_validate({**values, "bootstrap_days": 0})
    with pytest.raises(ValueError, match="surprise"):
        Schedules.model_validate({**values, "surprise": 1})
