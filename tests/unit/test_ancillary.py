"""ancillary beyond the laws: tasks, unknown products and designs, deliverable schedules on a walk, policies, parameters, page."""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl
import pytest

from config.markets import Ancillary as AncillaryMarket
from config.markets import load_markets, resolve_market
from models._kernel import laws, registry
from models._kernel.frames import in_key_order
from models._kernel.protocol import Features
from models._kernel.settlement import positions_of, settlement_of
from models._kernel.synthetic import SyntheticMarket
from models._kernel.synthetic_reserves import reserve_features
from models._kernel.yardstick import Baseline, DataClass, DataSetSpec, Direction, MetricTarget, Yardstick
from models.ancillary.inputs import co_names, family_of, table_of
from models.ancillary.model import Ancillary
from models.ancillary.report import sections
from models.ancillary.spec import SPEC
from models.ancillary.yardstick import YARDSTICK
from pipeline_tasks.scorecard import run_scorecard, runner
from pipeline_tasks.scorecard.sources import DataSet

PARAMS = registry.params_of("ancillary", "test") | {"train_days": 60, "rounds": 8, "aci_gamma": 0.0}


@lru_cache(maxsize=1)
def _sample() -> laws.Sample:
    rows = reserve_features(SyntheticMarket(date(2019, 10, 1), date(2020, 1, 12), hubs=("A",)))
    return laws.Sample(rows, date(2020, 1, 6))


@lru_cache(maxsize=4)
def _fitted(tasks: str) -> Ancillary:
    sample = _sample()
    return Ancillary(PARAMS | {"tasks": tasks}).fit(Features(sample.rows, sample.rows.clear()), cutoff=sample.cutoff, seed=7)


def _answer(model: Ancillary, target: pl.DataFrame) -> pl.DataFrame:
    return model.predict(Features(_sample().rows, target), as_of=_sample().as_of).frame


def test_tasks_are_taken_as_told_and_by_themselves_the_better_one():
    assert set(_fitted("single").search.values()) == {0.0}
    assert set(_fitted("multi").search.values()) == {1.0}
    assert set(_fitted("auto").search) == {"stacked_da", "stacked_regdn", "stacked_regup"}
    first = _fitted("multi")._ready().products
    assert first.second["regup"].names[-3:] == co_names(("da", "regdn", "regup"), (0.5,))
    assert _fitted("single")._ready().products.first == {}


def test_a_stacked_product_looks_at_the_forecast_of_the_others():
    target = _sample().target
    numbers = [c.name for c in SPEC.inputs.columns if c.nullable and c.name != "price_known_ts"]
    moved = target.with_columns(pl.when(~pl.col("is_energy")).then(pl.col(c)).alias(c) for c in numbers)  # energy rows know nothing
    reserves = pl.col("product") == "regup"
    for tasks, same in (("single", True), ("multi", False)):
        ours, theirs = (_answer(_fitted(tasks), t).filter(reserves)["price_median_ccy_per_mwh"].to_numpy() for t in (target, moved))
        assert np.array_equal(ours, theirs) is same


def test_strange_products_hubs_and_designs_are_said_and_answered():
    target = _sample().target.filter(pl.col("delivery_date") == _sample().first_target)
    novel = target.with_columns(
        pl.when(pl.col("product") == "regup").then(pl.lit("novel")).otherwise("product").alias("product"), pl.lit(1).alias("reserve_regime")
    )
    frame = _answer(_fitted("single"), novel)
    told = dict(frame.group_by("product").agg(pl.col("status_reason").first()).iter_rows())
    assert told["novel"].startswith("product not seen in training")
    assert all("design of the reserve products not seen" in reason for reason in told.values())
    strange = in_key_order(novel).filter(pl.col("product") == "novel")
    found = frame.filter(pl.col("product") == "novel")
    assert found["price_median_ccy_per_mwh"].to_list() == pytest.approx(strange["price_hour_mean_7d_ccy_per_mwh"].to_list())
    assert found["battery_mw"].abs().max() == 0.0  # no delivery rule, no award
    elsewhere = _answer(_fitted("single"), target.with_columns(hub=pl.lit("ELSEWHERE")))
    assert elsewhere["status_reason"][0].startswith("hub not seen in training")


def test_reserves_never_cost_less_than_nothing_and_contributions_are_by_family():
    frame = _answer(_fitted("multi"), _sample().target)
    assert frame.filter(~pl.col("is_energy"))["price_q01_ccy_per_mwh"].min() >= 0.0
    day = _sample().target.filter(pl.col("delivery_date") == _sample().first_target)
    told = _fitted("multi").explain(Features(_sample().rows, day)).frame
    assert set(told["feature"].unique()) >= {"(base)", "own price", "energy price", "forecasts of other products", "calendar", "fuels"}
    assert family_of("load_forecast_mw") == "load and weather"
    assert table_of(day, ()).interval.max() == 23


def test_schedules_can_be_delivered_and_expect_what_they_would_earn():
    rule, target = settlement_of(SPEC, PARAMS), in_key_order(_sample().target)
    frame = _answer(_fitted("single"), target)
    positions = positions_of(frame, SPEC)
    assert rule.breaches(target, positions).sum() == 0
    as_expected = target.with_columns(frame["price_centre_ccy_per_mwh"].alias("price_ccy_per_mwh"))
    assert frame["expected_profit_ccy"].sum() == pytest.approx(-rule.cost(as_expected, positions).sum())
    assert -rule.cost(as_expected, positions).sum() >= -rule.cost(as_expected, np.zeros_like(positions)).sum()


class Synthetic:
    def __init__(self, data: DataSet) -> None:
        self.data = data

    def load(self, name: str, table: Any, say: Any) -> DataSet:
        return self.data


def test_a_walk_scores_profit_breaches_and_every_product(monkeypatch, tmp_path):
    from config.settings import get_settings

    monkeypatch.setenv("DESK_HOME", str(tmp_path))
    get_settings.cache_clear()
    frame = reserve_features(SyntheticMarket(date(2019, 8, 1), date(2020, 1, 12), hubs=("HUB_NORTH",), market="twin"))
    data = DataSet("twin_hub_north", DataClass.TWIN, resolve_market("twin_hub_north"), frame, tmp_path)
    policies = [b for b in YARDSTICK.baselines if not b.params]
    single = Baseline("single_task", "", params=(("tasks", "single"),))
    metrics = (
        *(
            MetricTarget("pnl_gain", Direction.AT_LEAST, target=0.0, baseline=b, test="bootstrap")
            for b in ("sequential", "persistence_joint")
        ),
        MetricTarget("pnl_per_day", Direction.REPORT, baseline="single_task", test="bootstrap"),
        MetricTarget("pnl_per_day_battery", Direction.REPORT, baseline="energy_only", test="bootstrap"),
        MetricTarget("oracle_share", Direction.REPORT, baseline="energy_only_foresight"),
        MetricTarget("oracle_share_battery", Direction.REPORT),
        MetricTarget("energy_only_share", Direction.REPORT, baseline="energy_only_foresight"),
        MetricTarget("breaches", Direction.AT_MOST, target=0.0, baseline="persistence_joint"),
        MetricTarget("pinball", Direction.AT_MOST, baseline="naive_week", test="dm", by="product"),
    )
    yardstick = Yardstick(
        "ancillary", "M3", "", (DataSetSpec("twin_hub_north", DataClass.TWIN, test_days=7, refit_days=7, calibration_days=0),),
        (*policies, single), metrics, "pinball", "naive_week",
    )  # fmt: skip
    monkeypatch.setattr(runner, "yardstick_of", lambda _name: yardstick)
    monkeypatch.setattr(runner, "params_of", lambda _name, _profile: PARAMS | {"tasks": "single"})
    rows = run_scorecard(models=["ancillary"], source=Synthetic(data), record=False, progress=None)
    get_settings.cache_clear()
    found = {(r.metric, r.baseline): r for r in rows}
    assert found["pnl_gain", "sequential"].value is not None
    assert found["pnl_gain", "persistence_joint"].p_value is not None
    assert found["pnl_per_day", "single_task"].value == pytest.approx(found["pnl_per_day", "single_task"].baseline_value)
    assert found["pnl_per_day_battery", "energy_only"].value > found["pnl_per_day_battery", "energy_only"].baseline_value
    assert 0 < found["oracle_share", "energy_only_foresight"].value <= 1
    assert 0 <= abs(found["energy_only_share", "energy_only_foresight"].value) <= 1
    assert (found["breaches", "persistence_joint"].value, found["breaches", "persistence_joint"].baseline_value) == (0.0, 0.0)
    assert {m for m, b in found if b == "naive_week" and m.startswith("pinball_")} == {"pinball_da", "pinball_regdn", "pinball_regup"}
    assert found["pinball_regup", "naive_week"].n == 7 * 24


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"knots": [0.1, 0.5]}, "knots"),
        ({"tasks": "all"}, "tasks is 'all'"),
        ({"co_levels": [0.9, 0.5]}, "co_levels"),
        ({"centre_levels": [0.8, 0.2]}, "centre_levels"),
        ({"rounds": 0}, "rounds is 0"),
        ({"depth": 3}, "unknown parameter"),
        ({"assets": {}}, "no assets"),
        ({"co_folds": 1}, "co_folds is 1"),
    ],
)
def test_wrong_parameters_are_refused_with_name_and_value(change, message):
    with pytest.raises(ValueError, match=message):
        Ancillary({**PARAMS, **change})


def test_markets_name_products_that_have_a_delivery_rule():
    rules = registry.params_of("ancillary")["assets"]["reserves"]["products"]
    for market in load_markets().values():
        if market.ancillary:
            assert set(market.ancillary.products) <= set(rules), market.key
            assert set(market.ancillary.hubs) <= set(market.hubs), market.key
    with pytest.raises(ValueError, match="products"):
        AncillaryMarket(products=())


def test_the_page_tells_what_schedules_brought():
    start = _sample().target["delivery_ts"].min()
    frame = pl.DataFrame({"hub": ["A"] * 3, "product": ["da", "da", "regup"], "delivery_ts": [start, start + timedelta(hours=1), start],
                          "delivery_date": [date(2026, 1, 1)] * 3, "battery_mw": [-1.0, 1.0, 0.5], "ccgt_mw": [0.0, 2.0, 0.0],
                          "expected_profit_ccy": [1.0, 2.0, 3.0]})  # fmt: skip
    outcomes = frame.select("hub", "product", "delivery_ts", price_ccy_per_mwh=pl.Series([10.0, 30.0, 4.0]))
    rows = {r["product"]: r for r in sections(frame, outcomes)[0]["rows"]}
    assert rows["da"]["realised_revenue"] == pytest.approx(-10 + 90)
    assert rows["regup"]["realised_revenue"] == pytest.approx(2.0)
    assert rows["da"]["battery_mwh"] == 2.0
    assert sections(frame.clear(), outcomes) == []
    unknown = sections(frame, outcomes.filter(pl.col("product") == "da"))[0]["rows"]
    assert next(r for r in unknown if r["product"] == "regup")["realised_revenue"] is None
