"""unit_commit: the link, its calibration, shares of the past, the panel's metrics, survival models, settings."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from config.markets import Market, Units, load_markets
from models._kernel.spec import Outcome
from models._kernel.synthetic import SyntheticMarket
from models._kernel.synthetic_units import unit_features
from models._kernel.unit_markov import Markov, best_prior, is_unseen
from models.unit_commit.hazard import Isotonic, gradients, log_hazard, probability_of
from models.unit_commit.params import Params
from models.unit_commit.spec import SPEC
from pipeline_tasks.scorecard.unit_metrics import murphy
from pipeline_tasks.scorecard.unit_ramps import ridge_ramps
from pipeline_tasks.scorecard.unit_survival import SURVIVAL, start_probabilities
from pipeline_tasks.steps.scoring import baseline_losses, day_metrics, row_losses, with_outcomes
from pipeline_tasks.twin.identity import profile_digest
from pipeline_tasks.twin.profiles import load_profile


@pytest.fixture(scope="module")
def rows():
    return unit_features(SyntheticMarket(date(2020, 1, 1), date(2020, 5, 31)))


@given(st.floats(1e-5, 1 - 1e-5))
def test_link_and_its_inverse(p):
    assert probability_of(log_hazard(np.array([p])))[0] == pytest.approx(p, rel=1e-9)


@given(st.floats(-10, 2.5), st.sampled_from([0.0, 1.0]))
def test_gradient_is_the_slope_of_the_log_loss_and_the_curvature_is_positive(score, event):
    def loss(s):
        p = probability_of(np.array([s]))[0]
        return -np.log(p) if event else -np.log1p(-p)

    first, curvature = gradients(np.array([score]), np.array([event]))
    assert first[0] == pytest.approx((loss(score + 1e-5) - loss(score - 1e-5)) / 2e-5, rel=1e-3, abs=1e-5)
    assert curvature[0] > 0


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_isotonic_is_monotone_inside_the_open_interval_and_leaves_rare_horizons_alone(seed):
    rng = np.random.default_rng(seed)
    p = rng.random(900)
    horizon = np.where(np.arange(900) < 800, 60, 1440)
    event = (rng.random(900) < p**2).astype(float)
    fitted = Isotonic.of(p, event, horizon)
    asked = np.linspace(0, 1, 101)
    near = fitted(asked, np.full(101, 60))
    assert (np.diff(near) >= 0).all()
    assert 0 < near.min() <= near.max() < 1
    assert np.array_equal(fitted(asked, np.full(101, 1440)), asked)


def test_isotonic_repairs_what_is_wrong():
    rng = np.random.default_rng(0)
    p = rng.random(20_000)
    event = (rng.random(20_000) < p**2).astype(float)
    made = Isotonic.of(p, event, np.full(20_000, 60))(p, np.full(20_000, 60))
    assert np.abs(made - p**2).mean() < 0.02


def _past(**counts):
    """Rows of units: (offline rows that stayed, that turned on)."""
    parts = []
    for unit, (stay, turn) in counts.items():
        n = stay + turn
        parts.append(
            pl.DataFrame({"product": [unit] * n, "online": [0.0] * stay + [1.0] * turn}).with_columns(
                online_last=pl.lit(0.0), horizon_min=pl.lit(60), unit_class=pl.lit("cycling"), local_hour=pl.lit(7), day_of_week=pl.lit(1)
            )
        )
    return pl.concat(parts)


def test_shares_of_a_unit_with_many_rows_are_its_own_and_of_an_unknown_one_those_of_its_class():
    past = _past(often=(100, 900), rarely=(990, 10))
    fitted = Markov.of(past, "online", prior_rows=10)
    asked = past.unique("product", maintain_order=True)
    often, rarely = fitted.probability(asked)
    assert often == pytest.approx(0.9, abs=0.01)
    assert rarely == pytest.approx(0.01, abs=0.01)
    (stranger,) = fitted.probability(asked.head(1).with_columns(product=pl.lit("new")))
    assert stranger == pytest.approx(910 / 2000, abs=0.01)
    (other_class,) = fitted.probability(asked.head(1).with_columns(product=pl.lit("new"), unit_class=pl.lit("peaker")))
    assert other_class == pytest.approx(910 / 2000, abs=0.01)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 30), st.integers(0, 30), st.sampled_from([1.0, 10.0, 100.0]))
def test_a_sparse_unit_lies_between_its_own_share_and_its_class(stay, turn, prior):
    past = _past(a=(600, 400), b=(stay, turn)) if stay + turn else _past(a=(600, 400))
    p = Markov.of(past, "online", prior_rows=prior).probability(
        past.tail(1) if stay + turn else past.tail(1).with_columns(product=pl.lit("b"))
    )
    pooled = (400 + turn) / (1000 + stay + turn)
    own = turn / (stay + turn) if stay + turn else pooled
    assert min(own, pooled) - 1e-2 <= p[0] <= max(own, pooled) + 1e-2


def test_the_weight_of_the_level_above_is_the_one_that_foretells_best():
    past, later = _past(a=(0, 4), b=(4, 0)), _past(a=(50, 50), b=(50, 50))
    assert best_prior(past, later, "online", (0.1, 1000.0))[0] == 1000.0


def test_units_kept_from_a_fit_are_the_same_whatever_rows_are_asked(rows):
    kept = set(rows.filter(is_unseen(rows, 0.5))["product"])
    assert 0 < len(kept) < rows["product"].n_unique()
    some = rows.filter(pl.col("product").is_in(sorted(kept)[:1]))
    assert is_unseen(some, 0.5).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_murphys_parts_add_up_to_the_brier_score_of_binned_probabilities(seed):
    rng = np.random.default_rng(seed)
    p = np.round(rng.random(500) * 9) / 10 + 0.05
    event = (rng.random(500) < p).astype(float)
    parts = murphy(event, p)
    assert parts["reliability"] - parts["resolution"] + parts["uncertainty"] == pytest.approx(np.mean((event - p) ** 2), abs=1e-12)


def test_survival_models_foretell_starts_better_than_their_share(rows):
    split = date(2020, 5, 1)
    past, later = rows.filter(pl.col("delivery_date") < split), rows.filter(pl.col("delivery_date") >= split)
    told = start_probabilities(past, later)
    offline = ((later["online_last"] == 0) & (later["horizon_min"] == 1440)).to_numpy()
    event = later["started"].to_numpy()[offline]
    rate = past.filter(pl.col("online_last") == 0, pl.col("horizon_min") == 1440)["started"].mean()
    for name in SURVIVAL:
        assert np.isnan(told[name][~offline]).all()
        p = told[name][offline]
        assert ((p >= 0) & (p <= 1)).all()
        assert np.mean((event - p) ** 2) < np.mean((event - rate) ** 2), name


def test_ridge_foretells_ramps_and_says_nothing_of_a_new_unit(rows):
    split = date(2020, 5, 1)
    past, later = rows.filter(pl.col("delivery_date") < split), rows.filter(pl.col("delivery_date") >= split)
    assert np.mean((ridge_ramps(past, later) - later["ramp_mw"].to_numpy()) ** 2) < np.mean(later["ramp_mw"].to_numpy() ** 2)
    assert not ridge_ramps(past, later.with_columns(product=pl.lit("new"))).any()


def test_scoring_takes_the_outcome_as_the_event_and_the_markov_chain_as_the_baseline(rows):
    day = rows.filter(pl.col("delivery_date") == date(2020, 5, 20))
    history = rows.filter(pl.col("delivery_date") < date(2020, 5, 18))
    said = day.select("market", "hub", "product", "delivery_ts", "delivery_date", "as_of", "horizon_min", "unit_class").with_columns(
        online_probability=pl.lit(0.5)
    )
    scored = with_outcomes(SPEC, said, day)
    assert scored.height == day.height
    assert row_losses(SPEC, scored, "brier").tolist() == [0.25] * day.height
    assert baseline_losses(SPEC, scored, history, metric="brier").mean() < 0.2
    found = day_metrics(SPEC, scored)
    assert found["brier"] == 0.25
    assert {f"brier_{name}" for name in scored["unit_class"].unique()} <= set(found)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rounds": 0}, "rounds is 0"),
        ({"leaf": 3}, "unknown parameter"),
        ({"unseen_share": 1.0}, "unseen_share is 1.0"),
        ({"prior_rows": []}, "prior_rows is"),
    ],
)
def test_bad_parameters_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        Params.of(change)


@pytest.mark.parametrize(("change", "field"), [({"decision_hours": [6, 0]}, "decision_hours"), ({"horizons_min": [90]}, "horizons_min")])
def test_bad_settings_of_units_are_named(change, field):
    with pytest.raises(ValidationError, match=field):
        Units(hub="A", **change)


def test_the_hub_of_units_is_one_of_the_markets():
    market = load_markets()["twin"]
    with pytest.raises(ValidationError, match=r"units\.hub 'NOWHERE'"):
        Market(**{**market.model_dump(), "units": {"hub": "NOWHERE"}})


def test_a_spec_with_an_event_is_a_probability_without_a_threshold():
    with pytest.raises(ValueError, match="not in features"):
        replace(SPEC, outcome=Outcome("absent", "status_known_ts", is_event=True))
    with pytest.raises(ValueError, match="without threshold_column"):
        replace(SPEC, threshold_column="markov_probability")


def test_how_units_are_foretold_changes_no_row_of_the_simulated_market(monkeypatch):
    profile, before = load_profile("demo"), profile_digest(load_profile("demo"))
    markets = load_markets()
    other = markets["twin"].model_copy(update={"units": None})
    monkeypatch.setattr("pipeline_tasks.twin.identity.load_markets", lambda: markets | {"twin": other})
    assert profile_digest(profile) == before


def test_synthetic_units_know_nothing_of_the_hours_after_the_decision(rows):
    late = rows.filter(pl.col("status_known_ts") <= pl.col("as_of"))
    assert late.is_empty()
    assert (rows["as_of"] + timedelta(minutes=0) <= rows["delivery_ts"]).all()
