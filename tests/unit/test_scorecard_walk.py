"""The walk: resumed folds, point in time, windows from the data, baselines that know only the past, fallbacks."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from config.markets import resolve_market
from models._kernel import registry
from models._kernel.protocol import Prediction
from models._kernel.synthetic import SyntheticMarket, day_ahead_features
from models._kernel.yardstick import Baseline, DataClass, DataSetSpec, Direction, MetricTarget, Yardstick
from models._template.model import TemplateModel
from models._template.spec import SPEC as TEMPLATE
from pipeline_tasks.scorecard import run_scorecard, runner
from pipeline_tasks.scorecard.assemble import window_of
from pipeline_tasks.scorecard.point_baselines import historical_quantiles, naive_hybrid, naive_week, persistence, point_comparators
from pipeline_tasks.scorecard.published import published
from pipeline_tasks.scorecard.ridge import ridge_walk
from pipeline_tasks.scorecard.runner import spec_on
from pipeline_tasks.scorecard.sources import DataAbsentError, DataSet, state_for
from pipeline_tasks.scorecard.walk import PointInTimeError, day_hashes, model_code_sha

FIRST, LAST = date(2019, 3, 1), date(2020, 4, 5)
PRICE = "price_ccy_per_mwh"
BASELINES = ("naive_week", "naive_hybrid", "persistence_24h", "hour_of_week_climatology", "published_lear")
YARDSTICK = Yardstick(
    system="_template",
    identifier="X1",
    claim="c",
    data_sets=(DataSetSpec("twin", test_days=14, refit_days=7, calibration_days=28),),
    baselines=tuple(Baseline(n, n) for n in BASELINES),
    metrics=(
        MetricTarget("mae", Direction.AT_MOST, baseline="naive_week", test="dm"),
        MetricTarget("mae", Direction.AT_MOST, baseline="published_lear", test="dm"),
        MetricTarget("coverage_90", Direction.WITHIN, test="kupiec"),
    ),
    gate_metric="mae",
    gate_baseline="naive_week",
)


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    return day_ahead_features(SyntheticMarket(FIRST, LAST, hubs=("HUB_A",), market="twin"))


@pytest.fixture(scope="module")
def data(frame, tmp_path_factory) -> DataSet:
    return DataSet("twin", DataClass.TWIN, resolve_market("twin"), frame, tmp_path_factory.mktemp("data"))


class Synthetic:
    def __init__(self, data):
        self.data = data

    def load(self, name, table, say):
        if name != "twin":
            raise DataAbsentError(f"no feature rows of {name}")
        return self.data


@pytest.fixture
def scored(monkeypatch, tmp_path, data):
    """Runs the scorecard of a model class on the synthetic market, with a state folder of its own."""
    from config.settings import get_settings

    monkeypatch.setenv("DESK_HOME", str(tmp_path))
    get_settings.cache_clear()
    monkeypatch.setattr(runner, "spec_of", lambda _: replace(TEMPLATE, min_history_days=90))
    monkeypatch.setattr(runner, "yardstick_of", lambda _: YARDSTICK)
    monkeypatch.setattr(runner, "params_of", lambda *_: {})

    def run(model=TemplateModel, data_sets=None, **kw):
        monkeypatch.setattr(runner, "model_class", lambda _: model)
        return run_scorecard(models=["_template"], data_sets=data_sets, source=Synthetic(data), record=False, **kw)

    yield run
    monkeypatch.undo()
    get_settings.cache_clear()


def test_scores_every_hour_of_the_window_and_labels_synthetic_data(scored, frame):
    rows = scored()
    mae = next(r for r in rows if r.metric == "mae" and r.baseline == "naive_week")
    window = frame.filter(pl.col("delivery_date") > LAST - timedelta(days=14))
    assert mae.n == len(window)
    assert (mae.window_from, mae.window_to) == (LAST - timedelta(days=13), LAST)
    assert mae.data_class == "twin"
    assert "synthetic data" in mae.reason
    assert mae.baseline_value == pytest.approx(float(np.abs(window[PRICE] - naive_week(window)).mean()))
    absent = next(r for r in rows if r.baseline == "published_lear")
    assert absent.verdict == "not_measurable"
    assert "published forecasts" in absent.reason


def test_finished_folds_are_resumed_without_a_fit(scored):
    first = scored()

    class NeverFits(TemplateModel):
        def fit(self, data, *, cutoff, seed):
            raise AssertionError("a finished fold was fitted again")

    again = scored(NeverFits)
    assert [(r.metric, r.baseline, r.value) for r in again] == [(r.metric, r.baseline, r.value) for r in first]
    with pytest.raises(AssertionError, match="fitted again"):
        scored(NeverFits, seed=8)


def test_absent_data_is_not_measurable_with_its_reason(scored):
    rows = scored(data_sets=["twin_other"])
    assert {r.verdict for r in rows} == {"not_measurable"}
    assert all("no feature rows of twin_other" in r.reason and r.window_from is None for r in rows)


def test_window_between_dates_and_too_little_history(scored):
    rows = scored(start=date(2020, 1, 6), end=date(2020, 1, 12))
    assert (rows[0].window_from, rows[0].window_to, rows[0].n) == (date(2020, 1, 6), date(2020, 1, 12), 7 * 24)
    early = scored(start=FIRST + timedelta(days=10), end=FIRST + timedelta(days=20))
    assert {r.verdict for r in early} == {"not_measurable"}
    assert "10 priced days before the window" in early[0].reason


def test_a_model_that_looks_ahead_is_refused(scored):
    class Peeks(TemplateModel):
        def predict(self, data, *, as_of):
            answer = super().predict(data, as_of=as_of).frame
            known = data.history.filter(pl.col("price_known_ts").is_not_null())
            last = float(known.sort("delivery_ts")[PRICE].tail(24).mean())
            return Prediction(answer.with_columns(pl.lit(last).alias(TEMPLATE.point_column)))

    with pytest.raises(PointInTimeError, match="known later"):
        scored(Peeks)


def test_unanswered_rows_are_scored_with_the_fallback_and_counted(scored):
    class Silent(TemplateModel):
        def predict(self, data, *, as_of):
            answer = super().predict(data, as_of=as_of).frame
            return Prediction(answer.filter(pl.col("delivery_ts").dt.hour() != 5))

    rows = scored(Silent)
    mae = next(r for r in rows if r.metric == "mae" and r.baseline == "naive_week")
    assert mae.n == 14 * 24 - 1  # a 23-hour day lies in the window
    assert "14 rows without an answer scored with the naive fallback" in mae.reason


def test_outcomes_never_reach_the_model(scored):
    class Blind(TemplateModel):
        def predict(self, data, *, as_of):
            assert data.target[PRICE].null_count() == len(data.target)
            known = data.history.filter(pl.col(PRICE).is_not_null())
            assert known["price_known_ts"].max() <= as_of
            assert data.history["as_of"].max() <= as_of
            return super().predict(data, as_of=as_of)

        def fit(self, data, *, cutoff, seed):
            assert data.history["price_known_ts"].max() <= cutoff
            return super().fit(data, cutoff=cutoff, seed=seed)

    assert scored(Blind)


def test_undeclared_data_sets_are_walked_like_their_family():
    sets = (DataSetSpec("epf_de", test_days=728), DataSetSpec("ercot_hb_north", test_days=180))
    yardstick = replace(YARDSTICK, data_sets=sets)
    assert spec_on(yardstick, "epf_be").test_days == 728
    assert spec_on(yardstick, "ercot_lz_west").test_days == 180
    assert spec_on(yardstick, "nyiso_capitl").test_days == 728
    assert spec_on(yardstick, "twin").data_class is DataClass.TWIN


def test_window_follows_the_data_and_not_the_calendar(data):
    spec = YARDSTICK.data_sets[0]
    model = replace(TEMPLATE, min_history_days=90)
    cut = replace(data, frame=data.frame.filter(pl.col("delivery_date") <= date(2020, 1, 31)))
    assert window_of(data, spec, model, None, None).last == LAST
    window = window_of(cut, spec, model, None, None)
    assert (window.first, window.last) == (date(2020, 1, 18), date(2020, 1, 31))
    assert [f.test_dates[0] for f in window.folds] == [date(2020, 1, 18), date(2020, 1, 25)]
    assert window.warm[-1].test_dates[-1] == date(2020, 1, 17)


def test_day_hashes_follow_content_not_order(frame):
    hashes = day_hashes(frame)
    assert day_hashes(frame.sample(fraction=1.0, shuffle=True, seed=1).select(reversed(frame.columns))) == hashes
    day = date(2020, 1, 1)
    changed = day_hashes(frame.with_columns(pl.when(pl.col("delivery_date") == day).then(0.0).otherwise(pl.col(PRICE)).alias(PRICE)))
    assert {d for d in hashes if hashes[d] != changed[d]} == {day}


def test_model_code_sha_covers_the_kernel_it_imports(monkeypatch, tmp_path):
    from pipeline_tasks.scorecard import walk

    for name in ("_kernel", "demo"):
        (tmp_path / name).mkdir()
    (tmp_path / "demo" / "model.py").write_text("from models._kernel.one import x\n", encoding="utf-8")
    (tmp_path / "_kernel" / "one.py").write_text("from models._kernel.two import x\n", encoding="utf-8")
    (tmp_path / "_kernel" / "two.py").write_text("x = 1\n", encoding="utf-8")
    (tmp_path / "_kernel" / "other.py").write_text("y = 1\n", encoding="utf-8")
    monkeypatch.setattr(walk, "MODELS_ROOT", tmp_path)
    before = model_code_sha("demo")
    (tmp_path / "_kernel" / "other.py").write_text("y = 2\n", encoding="utf-8")
    assert model_code_sha("demo") == before
    (tmp_path / "_kernel" / "two.py").write_text("x = 2\n", encoding="utf-8")
    assert model_code_sha("demo") != before
    assert tmp_path != registry.MODELS_ROOT


def test_naive_forecasts_use_the_days_they_name(frame):
    rows = frame.filter(pl.col("delivery_date") == date(2020, 1, 14))  # a Tuesday
    assert naive_hybrid(rows).tolist() == persistence(rows).tolist()
    assert (
        naive_hybrid(frame.filter(pl.col("delivery_date") == date(2020, 1, 13))).tolist()
        == naive_week(frame.filter(pl.col("delivery_date") == date(2020, 1, 13))).tolist()
    )
    gap = rows.with_columns(pl.lit(None, pl.Float64).alias("price_lag_7d_ccy_per_mwh"))
    assert naive_week(gap).tolist() == rows["price_lag_14d_ccy_per_mwh"].to_list()


def test_bands_of_baselines_come_from_errors_known_before(frame):
    levels, point = np.array([0.1, 0.9]), naive_week(frame)
    day = date(2020, 1, 15)
    only = (frame["delivery_date"] == day).to_numpy()
    bands = historical_quantiles(frame, point, levels, only=only)
    later = frame.with_columns(pl.when(pl.col("delivery_date") >= day).then(1e6).otherwise(pl.col(PRICE)).alias(PRICE))
    assert np.array_equal(bands, historical_quantiles(later, point, levels, only=only), equal_nan=True)
    hour = frame.with_row_index("row").filter((pl.col("delivery_date") == day) & (pl.col("local_hour") == 8))["row"][0]
    past = frame.with_columns(pl.Series("error", frame[PRICE].to_numpy() - point)).filter(
        pl.col("delivery_date").is_between(day - timedelta(days=182), day - timedelta(days=1)) & (pl.col("local_hour") == 8)
    )
    assert bands[hour] == pytest.approx(point[hour] + np.quantile(past["error"].to_numpy(), levels))


def test_fitted_baselines_see_only_what_was_known_at_their_refit(data):
    spec, model = YARDSTICK.data_sets[0], replace(TEMPLATE, min_history_days=90)
    window = window_of(data, spec, model, None, None)
    inside = (data.frame["delivery_date"] >= window.first).to_numpy()
    future = pl.col("price_known_ts") > window.folds[-1].cutoff
    poisoned = replace(data, frame=data.frame.with_columns(pl.when(future).then(1e6).otherwise(pl.col(PRICE)).alias(PRICE)))
    names = ["hour_of_week_climatology", "ridge_level"]
    ours, _ = point_comparators(names, data, window.folds, inside, np.array([0.5]))
    theirs, _ = point_comparators(names, poisoned, window.folds, inside, np.array([0.5]))
    for name in names:
        assert np.isfinite(ours[name].point).all()
        assert np.array_equal(ours[name].point, theirs[name].point)
    y = data.frame.filter(pl.Series(inside))[PRICE].to_numpy()
    ridge = ridge_walk(data.frame, window.folds)[inside]
    assert np.mean(np.abs(y - ridge)) < np.mean(np.abs(y - naive_week(data.frame)[inside]))
    _, absent = point_comparators(["astrology"], data, window.folds, inside, np.array([0.5]))
    assert "astrology" in absent["astrology"]


def test_published_forecasts_are_joined_on_local_stamps_and_shifted_files_refused(tmp_path):
    rows = day_ahead_features(SyntheticMarket(date(2020, 1, 1), date(2020, 1, 20), hubs=("DE",), market="epf_de"))
    data = DataSet("epf_de", DataClass.REAL, resolve_market("epf_de"), rows, tmp_path)
    folder = tmp_path / "epf_published_forecasts"
    folder.mkdir()
    local = rows["delivery_ts"].dt.convert_time_zone("Etc/GMT-1").dt.replace_time_zone(None)
    made = pl.DataFrame({"date": local, "Real price": rows[PRICE], "LEAR Ensemble": rows[PRICE] + 1, "DNN Ensemble": rows[PRICE] + 3})
    made.head(200).write_parquet(folder / "DE.parquet")
    values, note = published(data, rows)
    assert note == f"published on 200 of {len(rows)} rows"
    assert values["published_mean"][:200] == pytest.approx((rows[PRICE] + 2).to_numpy()[:200])
    assert np.isnan(values["published_lear"][200:]).all()
    made.with_columns(pl.col("date") + timedelta(hours=1)).write_parquet(folder / "DE.parquet")
    values, note = published(data, rows)
    assert values == {}
    assert "disagree" in note


def test_another_data_folder_must_exist():
    with pytest.raises(FileNotFoundError, match="does not exist"), state_for(Path("/nonexistent/data")):
        pass


def test_spike_risk_is_scored_as_a_probability(scored, monkeypatch, data):
    from models.spike_risk.model import SpikeRisk
    from models.spike_risk.spec import SPEC
    from models.spike_risk.yardstick import YARDSTICK as SPIKE

    monkeypatch.setattr(runner, "spec_of", lambda _: replace(SPEC, min_history_days=120))
    monkeypatch.setattr(runner, "yardstick_of", lambda _: replace(SPIKE, data_sets=(replace(YARDSTICK.data_sets[0], refit_days=14),)))
    monkeypatch.setattr(runner, "params_of", lambda *_: registry.params_of("spike_risk", "test"))
    rows = scored(SpikeRisk)
    found = {(r.metric, r.baseline): r for r in rows}
    skill = found["brier_skill", "hour_of_week_climatology"]
    assert "only 0 event" in skill.reason
    assert found["brier", ""].n == 14 * 24 - 1
    assert {b.name for b in SPIKE.baselines} <= {r.baseline for r in rows if r.metric == "pr_auc"}
    assert found["nested_optimism", ""].value is not None
    assert found["event_rate", ""].value == 0.0
