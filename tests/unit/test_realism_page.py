"""The realism page: figures side by side, synthetic labelled, nothing loaded from elsewhere, linked from a run's site."""

from __future__ import annotations

import importlib.util
import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from config.settings import get_settings
from pipeline_tasks.reports.site import write_realism_page

_spec = importlib.util.spec_from_file_location("realism_rows", Path(__file__).parent / "test_realism_assess.py")
assert _spec is not None
assert _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
rows_of = _module.rows_of


def _facts() -> pl.DataFrame:
    rng = np.random.default_rng(3)
    rows = []
    for name, scale in (("twin", 1.0), ("nyiso", 2.0), ("ercot", 3.0)):
        rows += [(name, "daily_shape", f"rt {h:02d}", float(1 + 0.2 * scale * np.sin(h / 4) + rng.normal(0, 0.01))) for h in range(24)]
        rows += [(name, "quantile_ratio", f"rt q{q:02d}", scale * q / 50) for q in (1, 5, 25, 50, 75, 95, 99)]
        rows += [(name, "spike_hours", "rt", 100.0 * scale), (name, "price_mean", "rt", 30.0)]
    rows.append(("nyiso", "unit_starts", "thermal peak", 65.0))
    return rows_of(*rows).with_columns(at_ts=pl.lit(datetime(2026, 6, 1, tzinfo=UTC)).cast(pl.Datetime("ms", "UTC")))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DESK_HOME", str(tmp_path))
    get_settings.cache_clear()
    return tmp_path


def test_the_page_is_self_contained_and_labels_what_is_synthetic(home: Path) -> None:
    path = write_realism_page(_facts())
    get_settings.cache_clear()
    text = path.read_text(encoding="utf-8")
    assert path == home / "reports" / "realism" / "index.html"
    assert not re.findall(r"""(?:src|href)=["'](?:https?:)?//""", text)
    assert "<script" not in text
    assert 'name="viewport"' in text
    assert text.count("twin (synthetic)") >= 2
    assert "synthetic market" in text
    assert text.count("<svg ") == 2
    assert "realism/index.html" in (home / "reports" / "index.html").read_text(encoding="utf-8")


def test_figures_stand_side_by_side_with_range_and_verdict(home: Path) -> None:
    text = write_realism_page(_facts()).read_text(encoding="utf-8")
    get_settings.cache_clear()
    row = next(r for r in re.findall(r"<tr.*?</tr>", text) if "Spike hours a year (real time)" in r)
    cells = re.findall(r"<td[^>]*>(?:<span[^>]*>)?([^<]*)", row)
    assert cells == ["Spike hours a year (real time)", "100", "200", "300", "200 to 300", "below"]
    assert 'class="off"' in row
    assert "Facts that are not judged, or that only one side has" in text
    assert "–" in next(r for r in re.findall(r"<tr.*?</tr>", text) if "Starts a year and unit" in r)
    assert "too low: spike hours a year (real time)" in text


def test_a_data_set_keeps_its_colour_in_every_chart(home: Path) -> None:
    facts = _facts().filter(~((pl.col("data_set") == "nyiso") & (pl.col("fact") == "daily_shape")))
    text = write_realism_page(facts).read_text(encoding="utf-8")
    get_settings.cache_clear()
    shape, quantiles = re.findall(r"<svg .*?</svg>", text, flags=re.DOTALL)
    assert "#E69F00" in shape  # ercot, although it is the only real market of this chart
    assert "#0072B2" not in shape
    assert {"#E69F00", "#0072B2", "#1b1f24"} <= set(re.findall(r"#[0-9A-Fa-f]{6}", quantiles))
