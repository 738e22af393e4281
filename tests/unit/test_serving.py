"""What a request to the model server may ask, on a warehouse that is a frame."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import polars as pl
import pyarrow as pa
import pyarrow.ipc
import pytest

from models._kernel import laws, registry
from models._kernel.protocol import Features
from models.lmp_nowcast.model import LmpNowcastModel
from pipeline_tasks.serving.answers import REFRESH, Answers, RequestError, told
from pipeline_tasks.warehouse import Warehouse

SPEC = registry.spec_of("lmp_nowcast")


class Frame:
    """Answers the questions of `Answers` from a frame, which has no parts as a ClickHouse table has."""

    def __init__(self, rows: pl.DataFrame) -> None:
        self.rows = rows

    def scalar(self, sql: str, params: dict[str, Any]) -> object:
        if "system.parts" in sql:
            return 0
        assert "{market:String}" in sql
        assert params["market"] == "twin"
        return self.rows.filter(pl.col("price_last_ccy_per_mwh").is_not_null())["as_of"].max()

    def query(self, sql: str, params: dict[str, Any]) -> pl.DataFrame:
        if "{first:DateTime64" not in sql:  # history for the calibration
            return self.rows.filter(pl.col("as_of") <= params["as_of"], pl.col("delivery_date").is_between(params["first"], params["last"]))
        return self.rows.filter(pl.col("as_of") == params["as_of"], pl.col("delivery_ts").is_between(params["first"], params["last"]))


@pytest.fixture(scope="module")
def subject() -> laws.Subject:
    return laws.Subject(LmpNowcastModel, registry.params_of("lmp_nowcast", "test"))


@pytest.fixture
def answers(subject: laws.Subject) -> Answers:
    rows = subject.sample.rows
    return Answers(subject.fitted, SPEC, "twin", subject.sample.cutoff, cast("Warehouse", Frame(rows)))


def test_a_decision_is_answered_without_its_outcome(answers: Answers, subject: laws.Subject) -> None:
    as_of = subject.sample.cutoff + timedelta(hours=15)
    told = answers.answer(as_of)
    wanted = subject.sample.rows.filter(pl.col("as_of") == as_of)
    assert told.height == wanted.height == 2
    assert told["as_of"].unique().to_list() == [as_of]


def test_calibration_makes_the_answer_that_history_makes(answers: Answers, subject: laws.Subject) -> None:
    as_of = subject.sample.cutoff + timedelta(days=5)
    before = answers.answer(as_of)
    answers.calibrate(as_of)
    assert answers.calibrated_to == as_of
    decided = subject.sample.rows.filter(pl.col("as_of") == as_of)
    whole = subject.fitted.predict(Features(subject.sample.rows, decided), as_of=as_of).frame
    assert answers.answer(as_of).equals(whole)
    assert not before.equals(whole)
    answers.calibrate(as_of + REFRESH - timedelta(seconds=1))
    assert answers.calibrated_to == as_of


def test_what_all_rows_share_is_told_once(answers: Answers, subject: laws.Subject) -> None:
    as_of = subject.sample.cutoff + timedelta(hours=15)
    frame = answers.answer(as_of)
    both = told(frame, SPEC, ["q10_ccy_per_mwh", "q90_ccy_per_mwh"])
    assert both["shared"]["as_of"] == as_of.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert both["columns"]["hub"] == frame["hub"].to_list()
    assert both["columns"]["q90_ccy_per_mwh"] == frame["q90_ccy_per_mwh"].to_list()
    assert not {"q50_ccy_per_mwh", "point_ccy_per_mwh"} & {*both["shared"], *both["columns"]}
    whole = told(frame, SPEC)
    assert {*whole["shared"], *whole["columns"]} == set(frame.columns)
    packed = told(frame, SPEC, ["q10_ccy_per_mwh", "q90_ccy_per_mwh"], "arrow")
    assert packed["shared"] == both["shared"]
    with pa.ipc.open_stream(base64.b64decode(packed["arrow"])) as stream:
        held = pl.DataFrame(pl.from_arrow(stream.read_all()))
    assert held.equals(frame.select(list(both["columns"])))
    with pytest.raises(RequestError, match=r"form is 'csv'; use one of columns, arrow"):
        told(frame, SPEC, [], "csv")
    with pytest.raises(RequestError, match=r"outputs has q11_ccy_per_mwh; lmp_nowcast has .*q10_ccy_per_mwh"):
        told(frame, SPEC, ["q11_ccy_per_mwh"])


def test_the_newest_decision_has_a_known_price(answers: Answers, subject: laws.Subject) -> None:
    assert answers.newest() == subject.sample.as_of


def test_a_decision_never_made_is_refused_with_the_remedy(answers: Answers) -> None:
    with pytest.raises(RequestError, match=r"as_of is 2019-08-21T00:00:07\+00:00, horizon_min 15: .* holds no such decision of twin"):
        answers.answer(datetime(2019, 8, 21, 0, 0, 7, tzinfo=UTC), 15)


def test_a_model_that_decides_once_a_day_is_not_served(subject: laws.Subject) -> None:
    spec = registry.spec_of("curve_dist")
    with pytest.raises(RequestError, match=r"decides once a day, at the gate; read curated\.v_curve_dist"):
        Answers(subject.fitted, spec, "twin", subject.sample.cutoff, cast("Warehouse", Frame(subject.sample.rows)))


def test_columns_that_are_not_asked_for_make_no_difference(subject: laws.Subject) -> None:
    as_of = subject.sample.cutoff + timedelta(hours=15)
    asked = subject.sample.rows.filter(pl.col("as_of") == as_of)
    whole = subject.fitted.predict(Features(asked.clear(), asked), as_of=as_of).frame
    less = asked.drop(SPEC.unread)
    assert set(SPEC.unread) <= set(asked.columns)
    assert subject.fitted.predict(Features(less.clear(), less), as_of=as_of).frame.equals(whole)
