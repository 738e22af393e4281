"""imbalance beyond the laws: calibration sees only what was known, quarter hours, ladders, parameters."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from scipy import stats

from models._kernel import laws, registry
from models._kernel.protocol import Features
from models._kernel.replay import Past, offsets_at, slots_of
from models._kernel.scenarios import SCHAAKE, joint_levels
from models._kernel.scenarios import Past as Days
from models._kernel.synthetic import SyntheticMarket
from models._kernel.synthetic_spread import spread_features
from models.imbalance.boosting import ladder, ladder_centre, ladder_mean
from models.imbalance.model import Imbalance
from models.imbalance.params import Params
from models.imbalance.report import sections
from models.imbalance.scenarios import draw
from models.imbalance.spec import LEVELS, SPEC
from models.imbalance.tables import SCENARIOS

PARAMS = registry.params_of("imbalance", "test")
KNOTS = Params.of(PARAMS).knots
DAY = 86_400_000


def _past(days: int, outcome: float) -> Past:
    """One slot, decided daily, known two days later; boosted quantiles at 0, outcomes at `outcome` widths."""
    decided = np.arange(days, dtype=np.int64) * DAY
    return Past(
        decided, np.zeros(days, dtype=np.int64), decided + 2 * DAY, np.zeros((days, len(KNOTS))), np.full(days, outcome), decided // DAY + 1
    )


def test_offsets_follow_outcomes_and_wait_until_they_are_known():
    params = Params.of(PARAMS)
    asked = [1 * DAY, 2 * DAY, 60 * DAY]
    found = offsets_at(_past(60, 3.0), asked, 1, KNOTS, gamma=params.aci_gamma, window=params.aci_window)
    assert found[asked[0]].tolist() == [[0.0] * len(KNOTS)]
    assert (found[asked[1]] > 0).all()
    assert found[asked[2]][0] == pytest.approx([3.0] * len(KNOTS), abs=0.05)


def test_later_outcomes_do_not_change_an_earlier_answer():
    params, asked = Params.of(PARAMS), [30 * DAY]
    early, late = _past(29, 1.0), _past(60, 1.0)
    late = Past(late.decided, late.slot, late.known, late.base, np.where(late.known <= asked[0], 1.0, 99.0), late.date)
    ours, theirs = (offsets_at(p, asked, 1, KNOTS, gamma=params.aci_gamma, window=params.aci_window)[asked[0]] for p in (early, late))
    assert np.array_equal(ours, theirs)


def test_ladders_rise_and_keep_their_knots():
    made = ladder(KNOTS, np.array([[-50.0, -10.0, -2.0, 0.0, 3.0, 20.0, 90.0]]))
    assert made.shape == (1, len(LEVELS))
    assert made[0, [0, LEVELS.index(0.5), -1]].tolist() == [-50.0, 0.0, 90.0]
    assert (np.diff(made) >= 0).all()
    flat = np.full((1, len(LEVELS)), 7.0)
    assert ladder_mean(flat)[0] == pytest.approx(7.0)
    assert ladder_centre(flat, (0.2, 0.8))[0] == pytest.approx(7.0)
    assert ladder_centre(made, (0.5, 0.5))[0] == 0.0


def test_calibration_pulls_a_shifted_spread_back_to_coverage():
    """After the cutoff the spread jumps by 15: without calibration its median stays behind, with it the answers follow."""
    sample = laws.golden_sample(SPEC.inputs)
    moved = sample.rows.with_columns(
        pl.when(pl.col("delivery_date") >= sample.first_target)
        .then(pl.col("price_ccy_per_mwh") + 15)
        .otherwise(pl.col("price_ccy_per_mwh"))
        .alias("price_ccy_per_mwh")
    )
    last = moved.filter(pl.col("delivery_date") >= date(2020, 4, 5)).sort("hub", "delivery_ts")
    errors = {}
    for gamma in (0.0, 0.05):
        model = Imbalance({**PARAMS, "aci_gamma": gamma}).fit(Features(moved, moved.clear()), cutoff=sample.cutoff, seed=7)
        frame = model.predict(Features(moved, last), as_of=sample.as_of).frame
        errors[gamma] = float((frame["spread_median_ccy_per_mwh"] - last["price_ccy_per_mwh"]).mean())
    assert errors[0.0] < -8
    assert abs(errors[0.05]) < abs(errors[0.0]) / 2


def test_quarter_hours_have_slots_of_their_own():
    rows = spread_features(SyntheticMarket(date(2020, 1, 1), date(2020, 3, 20), hubs=("Q",)))
    quarters = pl.concat(
        [rows.with_columns(pl.col("delivery_ts") + timedelta(minutes=m), resolution_min=pl.lit(15, pl.Int64)) for m in (0, 15, 30, 45)]
    )
    quarters = quarters.sort("delivery_ts")
    assert slots_of(quarters.filter(pl.col("delivery_date") == date(2020, 2, 1))).tolist() == list(range(96))
    last = date(2020, 3, 20)
    target = quarters.filter(pl.col("delivery_date") == last)
    model = Imbalance(PARAMS).fit(Features(quarters, quarters.clear()), cutoff=target["as_of"][0], seed=1)
    frame = model.predict(Features(quarters, target), as_of=target["as_of"][0]).frame
    assert frame.height == 96
    assert frame["status"].unique().to_list() == ["OK"]
    assert frame["scheduled_mwh"].sum() == pytest.approx(100 * sum(registry.params_of("imbalance")["assets"]["portfolio"]["weekday_shape"]))


def test_unknown_hubs_and_short_histories_are_said():
    sample = laws.golden_sample(SPEC.inputs)
    model = Imbalance(PARAMS).fit(Features(sample.rows, sample.rows.clear()), cutoff=sample.cutoff, seed=7)
    strange = sample.target.head(24).with_columns(hub=pl.lit("ELSEWHERE"))
    frame = model.predict(Features(sample.rows, strange), as_of=sample.as_of).frame
    assert frame["status_reason"][0].startswith("hub not seen in training")
    with pytest.raises(ValueError, match="30 are needed"):
        Imbalance(PARAMS).fit(Features(sample.rows.head(200), sample.rows.clear()), cutoff=sample.cutoff, seed=7)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"knots": [0.1, 0.5]}, "knots"),
        ({"rounds": 0}, "rounds is 0"),
        ({"depth": 3}, "unknown parameter"),
        ({"assets": {}}, "no portfolio"),
        ({"centre_levels": [0.8, 0.2]}, "centre_levels"),
        ({"learning_rate": 2.0}, "learning_rate is 2.0"),
    ],
)
def test_wrong_parameters_are_refused_with_name_and_value(change, message):
    with pytest.raises(ValueError, match=message):
        Imbalance({**PARAMS, **change})


def test_the_page_tells_what_the_hedge_saved():
    frame = pl.DataFrame({"hub": ["A"] * 2, "delivery_ts": [1, 2], "delivery_date": [date(2026, 1, 1)] * 2, "scheduled_mwh": [100.0] * 2,
                          "hedge_share": [0.05, -0.05], "expected_saving_ccy": [1.0, 2.0]})  # fmt: skip
    outcomes = pl.DataFrame({"hub": ["A"] * 2, "product": ["spread"] * 2, "delivery_ts": [1, 2], "price_ccy_per_mwh": [10.0, -20.0]})
    row = sections(frame, outcomes, {})[0]["rows"][0]
    assert row["realised_saving"] == pytest.approx(5 * 10 + 5 * 20)
    assert row["net_mwh"] == 0.0
    assert sections(frame, outcomes.with_columns(product=pl.lit("da")), {}) == []


def test_scenarios_keep_the_published_quantiles_and_are_drawn_on_the_page():
    sample = laws.golden_sample(SPEC.inputs)
    model = Imbalance({**PARAMS, "scenarios": 100}).fit(Features(sample.rows, sample.rows.clear()), cutoff=sample.cutoff, seed=7)
    target = sample.target.filter(pl.col("delivery_date") == sample.first_target)
    data = Features(sample.rows, target)
    drawn = model.companions(data, as_of=sample.as_of)[SCENARIOS.name]
    told = model.predict(data, as_of=sample.as_of).frame
    assert drawn.height == 100 * target.height
    middle = drawn.group_by("hub", "delivery_ts").agg(pl.col("spread_ccy_per_mwh").median()).join(told, on=["hub", "delivery_ts"])
    width = (middle["spread_q60_ccy_per_mwh"] - middle["spread_q40_ccy_per_mwh"]).to_numpy()
    assert (np.abs(middle["spread_ccy_per_mwh"] - middle["spread_q50_ccy_per_mwh"]).to_numpy() <= 0.5 * width + 1e-9).all()
    outcomes = target.select("hub", pl.lit("spread").alias("product"), "delivery_ts", "price_ccy_per_mwh")
    page = sections(told, outcomes, {SCENARIOS.name: drawn})[-1]
    assert page["title"] == "Joint scenarios of the spread"
    assert len(page["spec"]["data"]["values"]) == 41 * target.height


def test_the_numbers_are_those_of_the_day_ahead_scenarios():
    """Spread and price errors of past days have the same ranks: drawn apart, scenarios of one number still go up together."""
    days, hours = 84, 24
    level = np.random.default_rng(2).random((days, hours))
    date_, slot = np.repeat(np.arange(days), hours), np.tile(np.arange(hours), days)
    base = np.tile(np.asarray(KNOTS), (days * hours, 1))
    past = Past(date_ * DAY, slot, date_ * DAY + 3 * DAY, base, level.ravel(), date_)
    rows = spread_features(SyntheticMarket(date(1970, 2, 1), date(1970, 4, 1), hubs=("A",)))
    asked = rows.filter(pl.col("delivery_date") == date(1970, 3, 26))
    quantiles = np.tile(np.asarray(LEVELS), (asked.height, 1))
    drawn = draw(("M", "A", "spread"), asked, quantiles, past, KNOTS, slots=hours, count=56)
    ours = drawn["spread_ccy_per_mwh"].to_numpy().reshape(hours, 56).T
    prices = joint_levels(SCHAAKE, Days(np.arange(84), level), 84, 56, shared_seed=1, own_seed=9)
    assert stats.spearmanr(ours[3:, 7], prices[3:, 7]).statistic > 0.9, "all but the newest days, whose spread is not known yet"
