"""Comparator lab: the exchange with peers is point in time, pinned and in order; standings are the kernel's metrics on common rows."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from datetime import date, datetime, timedelta
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest

from models._kernel.registry import spec_of
from models._kernel.splitter import walk_forward
from models._kernel.synthetic import SyntheticMarket, day_ahead_features, gate
from pipeline_tasks.compare import PEERS, PeerError, peers_run
from pipeline_tasks.compare.lab import _standing, forecasting
from pipeline_tasks.compare.peers_run import about, peers_for, run_peer
from pipeline_tasks.scorecard.panel import Comparator, Panel

FIRST, LAST = date(2020, 3, 20), date(2020, 4, 12)
LEVELS = np.array([0.05, 0.5, 0.95])


def exchange() -> ModuleType:
    """The module that the scripts import, which lies in no package."""
    spec = importlib.util.spec_from_file_location("exchange", peers_run.FOLDER / "exchange.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["exchange"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    return day_ahead_features(SyntheticMarket(date(2019, 11, 1), LAST)).sort("market", "hub", "product", "delivery_ts", "as_of")


@pytest.mark.parametrize("name", sorted(PEERS))
def test_every_requirement_of_a_peer_is_pinned(name):
    head = (peers_run.FOLDER / PEERS[name]).read_text(encoding="utf-8").split("# ///")[1]
    asked = next(line for line in head.splitlines() if "dependencies" in line).split("[")[1].split("]")[0]
    loose = [r for r in asked.replace('"', "").split(", ") if "==" not in r and r != "pyarrow"]
    assert not loose, f"{name}: {loose} would give other figures next year"


def test_a_peers_answer_comes_back_on_the_scored_rows_in_order(frame, tmp_path, monkeypatch):
    """Run by this interpreter instead of uv, a script that says each row's own last price and drops one row gives just that."""
    (tmp_path / "last.py").write_text(
        "import sys\nfrom pathlib import Path\nimport numpy as np\nfrom exchange import Task\n"
        "task = Task.read(Path(sys.argv[1]))\nparts = []\n"
        "for _, block in task.blocks(7):\n"
        "    block = block.filter(block['row'] != task.rows.filter('scored')['row'][5]).sample(fraction=1.0, shuffle=True, seed=1)\n"
        "    last = block['price_last_ccy_per_mwh'].to_numpy()\n"
        "    parts.append((block['row'].to_numpy(), last, {0.5: last, 0.05: last - 9.0}))\n"
        "task.write(parts, ['polars'])\n",
        encoding="utf-8",
    )
    (tmp_path / "exchange.py").write_bytes((peers_run.FOLDER / "exchange.py").read_bytes())
    monkeypatch.setattr(peers_run, "FOLDER", tmp_path)
    monkeypatch.setattr(peers_run, "PEERS", {"last": "last.py"})

    def run(script: Path, folder: Path) -> None:
        subprocess.run([sys.executable, str(script), str(folder)], check=True)

    monkeypatch.setattr(peers_run, "run_script", run)
    scored = frame.select(pl.col("delivery_date") >= FIRST).to_series().to_numpy()
    folds = walk_forward(frame["delivery_date"].unique().to_list(), gate=gate, first_test=FIRST, last_test=LAST, refit_days=7)
    answer = run_peer("last", frame, scored, folds, LEVELS)
    expected = frame.filter(pl.Series(scored))["price_last_ccy_per_mwh"].to_numpy().copy()
    expected[5] = np.nan
    np.testing.assert_array_equal(answer.point, expected)
    np.testing.assert_array_equal(answer.quantiles[0.05], expected - 9.0)
    assert answer.versions.startswith("polars ")
    with pytest.raises(PeerError, match="known: last"):
        run_peer("first", frame, scored, folds, LEVELS)


def test_blocks_cover_each_scored_row_once_and_learn_before_it(frame, tmp_path):
    ours = exchange()
    scored = frame.with_row_index("row").with_columns(scored=pl.col("delivery_date") >= FIRST)
    folds = walk_forward(frame["delivery_date"].unique().to_list(), gate=gate, first_test=FIRST, last_test=LAST, refit_days=7)
    task = ours.Task(tmp_path, scored, LEVELS.tolist(), [(f.test_dates[0], f.cutoff) for f in folds])
    blocks = task.blocks(10)
    assert sorted(r for _, b in blocks for r in b["row"].to_list()) == scored.filter("scored")["row"].to_list()
    assert len(blocks) == 2
    assert all(b["as_of"].min() >= cutoff for cutoff, b in blocks)
    assert not {"price_ccy_per_mwh", "price_known_ts"} & set(task.inputs)


def test_the_grid_holds_nothing_known_later(frame):
    hub = frame.filter(pl.col("hub") == frame["hub"][0])
    day = hub.filter(pl.col("delivery_date") == FIRST)
    as_of: datetime = day["as_of"].min()
    values, days = exchange().hub_grid(hub, as_of, FIRST)
    assert days[-1] == FIRST
    assert len(values) == 24 * len(days)
    assert np.isnan(values[-24:]).all()
    poisoned = hub.with_columns(
        pl.when(pl.col("price_known_ts") > as_of).then(1e9).otherwise(pl.col("price_ccy_per_mwh")).alias("price_ccy_per_mwh")
    )
    again, _ = exchange().hub_grid(poisoned, as_of, FIRST)
    np.testing.assert_array_equal(values, again)


def test_standings_compare_on_common_rows():
    rng = np.random.default_rng(3)
    n = 24 * 30
    start = datetime(2020, 1, 1)  # noqa: DTZ001 - dates alone matter
    rows = pl.DataFrame({"delivery_date": [(start + timedelta(hours=i)).date() for i in range(n)]})
    y = rng.normal(50.0, 10.0, n)
    ladder = {0.05: y - 5.0, 0.5: y + 1.0, 0.95: np.where(np.arange(n) % 10 == 0, y - 1.0, y + 5.0)}
    table = np.column_stack(list(ladder.values()))
    panel = Panel(rows, y, y + 1.0, LEVELS, table, {}, {})
    other = np.where(np.arange(n) < 24, np.nan, y + rng.normal(0.0, 4.0, n))
    own = _standing(panel, ("d", "m", "ours"), panel.point, ladder)
    peer = _standing(panel, ("d", "p", "peer"), other, {0.5: other})
    assert own.mae == pytest.approx(1.0)
    assert own.coverage_90 == pytest.approx(0.9)
    assert own.p_value is None
    assert peer.rows == n - 24
    assert peer.mae == pytest.approx(np.nanmean(np.abs(y - other)))
    assert peer.ours_mae == pytest.approx(1.0)
    assert peer.p_value is not None
    assert peer.p_value < 0.01
    assert peer.crps is None
    assert peer.winkler_90 is None


def test_baselines_that_forecast_no_row_are_not_compared():
    """Ways of drawing whole days stand among the comparators without a forecast."""
    rows = pl.DataFrame({"delivery_date": [date(2020, 1, 1)] * 2})
    y, nothing = np.array([1.0, 2.0]), np.full(2, np.nan)
    beside = {"schaake_shuffle": Comparator("schaake_shuffle", nothing), "naive_week": Comparator("naive_week", np.array([np.nan, 2.5]))}
    panel = Panel(rows, y, y, LEVELS, np.column_stack([y, y, y]), beside, {})
    assert [other.name for other in forecasting(panel)] == ["naive_week"]


@pytest.mark.parametrize(
    ("model", "wanted"), [("curve_dist", sorted(PEERS)), ("price_prediction", ["mapie_cqr"]), ("imbalance", ["mapie_cqr"])]
)
def test_a_model_meets_the_peers_that_can_answer_its_rows(model: str, wanted: list[str]) -> None:
    assert sorted(peers_for(spec_of(model))) == wanted


@pytest.mark.parametrize("name", sorted(PEERS))
def test_a_peer_says_which_rows_it_answers(name: str) -> None:
    assert about(name)["tool"] in ({"desk": {"answers": "any"}}, {"desk": {"answers": "day_ahead"}})
