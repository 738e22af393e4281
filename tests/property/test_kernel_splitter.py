"""Walk-forward folds: nothing known after a fold's first decision trains it, and every test day is answered once."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models._kernel.splitter import walk_forward
from models._kernel.synthetic import SyntheticMarket, day_ahead_features, gate

FIRST = date(2021, 1, 1)
FRAME = day_ahead_features(SyntheticMarket(FIRST, FIRST + timedelta(days=99), hubs=("HUB_A",)))


@st.composite
def _walks(draw):
    first = draw(st.integers(20, 90))
    return {
        "first_test": FIRST + timedelta(days=first),
        "last_test": FIRST + timedelta(days=draw(st.integers(first, 120))),
        "refit_days": draw(st.integers(1, 40)),
        "purge": draw(st.integers(0, 5)),
        "embargo": draw(st.integers(0, 8)),
        "train_days": draw(st.none() | st.integers(1, 60)),
    }


@settings(max_examples=100, deadline=None)
@given(walk=_walks(), late=st.integers(0, 72), dropped=st.sets(st.integers(0, 99), max_size=20))
def test_folds_learn_only_what_was_known(walk, late, dropped):
    """Also with gaps in the dates and with targets published up to three days late."""
    gone = [FIRST + timedelta(days=d) for d in dropped if d != 0]
    frame = FRAME.filter(~pl.col("delivery_date").is_in(gone)).with_columns(pl.col("price_known_ts") + timedelta(hours=late))
    tested = frame.filter(pl.col("delivery_date").is_between(walk["first_test"], walk["last_test"]))
    if tested.is_empty():
        return
    folds = walk_forward(frame["delivery_date"], gate=gate, min_train_days=0, **walk)
    answered = pl.concat([fold.test(frame) for fold in folds])
    assert answered.sort("delivery_ts").equals(tested.sort("delivery_ts"))
    for fold in folds:
        decision = frame.filter(pl.col("delivery_date").is_in(fold.test_dates))["as_of"].min()
        train = fold.train(frame)
        assert fold.first_decision == decision
        assert fold.cutoff == decision - timedelta(days=walk["embargo"])
        assert train.filter(pl.col("price_known_ts") > decision - timedelta(days=walk["embargo"])).is_empty()
        assert train.filter(pl.col("delivery_date") >= fold.test_dates[0] - timedelta(days=walk["purge"])).is_empty()
        assert (fold.test_dates[-1] - fold.test_dates[0]).days < walk["refit_days"]
        if walk["train_days"] is not None:
            assert train["delivery_date"].n_unique() <= walk["train_days"]


def test_expanding_and_rolling_by_hand():
    dates = FRAME["delivery_date"]
    test = {"gate": gate, "first_test": date(2021, 2, 1), "last_test": date(2021, 2, 17), "refit_days": 7}
    folds = walk_forward(dates, **test)
    assert [(f.test_dates[0], f.test_dates[-1]) for f in folds] == [
        (date(2021, 2, 1), date(2021, 2, 7)),
        (date(2021, 2, 8), date(2021, 2, 14)),
        (date(2021, 2, 15), date(2021, 2, 17)),
    ]
    assert folds[1].train(FRAME)["delivery_date"].max() == date(2021, 2, 7)  # known at 13:00 on the 6th, decided at 12:00 on the 7th
    assert folds[1].cutoff == datetime(2021, 2, 7, 11, tzinfo=UTC)
    assert {f.train_from for f in folds} == {FIRST}
    rolling = walk_forward(dates, train_days=10, purge=1, **test)
    assert (rolling[0].train_from, rolling[0].train_to) == (date(2021, 1, 21), date(2021, 1, 30))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"refit_days": 0}, "refit_days is 0"),
        ({"embargo": -1}, "embargo is -1"),
        ({"first_test": date(2022, 1, 1), "last_test": date(2022, 2, 1)}, r"data has 2021-01-01\.\.2021-04-10"),
        ({"min_train_days": 60}, "31 training dates, 60 are needed"),
    ],
)
def test_walks_that_cannot_be_walked_are_refused(changes, words):
    test = {"first_test": date(2021, 2, 1), "last_test": date(2021, 2, 17)} | changes
    with pytest.raises(ValueError, match=words):
        walk_forward(FRAME["delivery_date"], gate=gate, **test)
