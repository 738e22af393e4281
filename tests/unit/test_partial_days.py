"""Prices that become known hour by hour: the newest day is known in part, and an answer is the same whenever it is made."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from models._kernel import laws, registry
from models._kernel.frames import KEY, outcomes_known
from models._kernel.protocol import Features


@pytest.mark.parametrize("name", ["spike_risk", "tailrisk"])
def test_an_answer_of_a_block_of_days_is_the_one_given_at_each_decision(name: str) -> None:
    subject = laws.Subject(registry.model_class(name), registry.params_of(name, "test"))
    sample = subject.sample
    rows = sample.rows.with_columns(price_known_ts=(pl.col("delivery_ts") + timedelta(hours=2)).cast(sample.rows.schema["price_known_ts"]))
    model: Any = subject.model(dict(subject.params)).fit(Features(rows, rows.clear()), cutoff=sample.cutoff, seed=7)

    def answer(target: pl.DataFrame) -> pl.DataFrame:
        last = target["as_of"].max()
        assert isinstance(last, datetime)
        history = outcomes_known(rows.filter(pl.col("as_of") <= last), last)
        partly = history.filter(pl.col("delivery_date") == pl.col("delivery_date").max().over("hub") - timedelta(days=1))
        assert 0 < partly["price_ccy_per_mwh"].null_count() < partly.height
        return model.predict(Features(history, outcomes_known(target, None)), as_of=last).frame

    target = rows.filter(pl.col("delivery_date") >= sample.first_target)
    whole, days = answer(target), target["delivery_date"].unique().sort()
    for day in (days[len(days) // 2], days[-1]):
        alone = answer(target.filter(pl.col("delivery_date") == day))
        assert_frame_equal(whole.join(alone.select(KEY), on=list(KEY), how="semi").sort(KEY), alone.sort(KEY), check_exact=True)
