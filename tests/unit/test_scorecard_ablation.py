"""A distribution on the scorecard beside itself with other parameters."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from config.markets import resolve_market
from config.settings import get_settings
from models._kernel import registry
from models._kernel.synthetic import SyntheticMarket, nodal_features
from models._kernel.yardstick import DataClass, DataSetSpec
from pipeline_tasks.scorecard import runner
from pipeline_tasks.scorecard.runner import run_scorecard
from pipeline_tasks.scorecard.sources import DataSet


class Synthetic:
    def __init__(self, data: DataSet) -> None:
        self.data = data

    def load(self, name: str, table: Any, say: Any) -> DataSet:
        return self.data


def test_parts_of_the_nowcast_are_walked_like_the_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DESK_HOME", str(tmp_path))
    get_settings.cache_clear()
    frame = nodal_features(SyntheticMarket(date(2020, 1, 1), date(2020, 3, 1), hubs=("HUB_NORTH", "HUB_SOUTH", "HUB_EAST"), market="twin"))
    real = registry.yardstick_of("lmp_nowcast")
    graph = {"graph_steps": 30, "graph_width": 8, "graph_layers": 1}
    quick = [replace(b, params=tuple((n, min(v, 30) if n == "graph_steps" else v) for n, v in b.params)) for b in real.baselines]
    short = replace(real, data_sets=(DataSetSpec("twin", test_days=7, refit_days=7, calibration_days=0),), baselines=tuple(quick))
    monkeypatch.setattr(runner, "yardstick_of", lambda _: short)
    monkeypatch.setattr(runner, "params_of", lambda *_: registry.params_of("lmp_nowcast", "test") | graph)
    data = DataSet("twin", DataClass.TWIN, resolve_market("twin"), frame, tmp_path)
    rows = run_scorecard(models=["lmp_nowcast"], source=Synthetic(data), record=False)
    monkeypatch.undo()
    get_settings.cache_clear()
    found = {(r.metric, r.baseline): r for r in rows}
    assert 0 < found["rmae", "persistence_last"].value < 1
    for name in ("lightgbm_direct", "factors_alone", "graph_alone"):
        assert found["rmae", name].value != 1.0
        assert found["crps", name].baseline_value > 0
