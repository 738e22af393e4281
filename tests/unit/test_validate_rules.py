"""Business rules files and window values, without a warehouse."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from config.markets import resolve_market
from pipeline_tasks.quality.business import BusinessRule, load_business_rules
from pipeline_tasks.quality.docs import _offline
from pipeline_tasks.quality.window import Window


def test_window_binds_market_days() -> None:
    params = Window(resolve_market("twin"), date(2024, 1, 1), date(2024, 3, 31)).params()
    assert params["day_start"] == datetime(2024, 3, 30, 23, tzinfo=UTC)
    assert params["day_end"] == datetime(2024, 3, 31, 22, tzinfo=UTC), "a 23-hour day"
    assert params["as_of"] == datetime(2024, 3, 30, 11, tzinfo=UTC)
    assert params["history_end"] == datetime(2024, 3, 29, 23, tzinfo=UTC)
    assert (params["history_end"] - params["history_start"]).days == 30


def test_a_limit_needs_a_bound_and_blocks_do_not_degrade() -> None:
    base = {"name": "x", "meaning": "m", "remedy": "r", "sql": "select 1"}
    with pytest.raises(ValueError, match="needs min or max"):
        BusinessRule.model_validate({**base, "limits": [{"severity": "warn"}]})
    with pytest.raises(ValueError, match="degrades belongs to warnings"):
        BusinessRule.model_validate({**base, "limits": [{"severity": "block", "max": 1, "degrades": True}]})


def test_a_bad_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "raw.prices.yaml").write_text("table: raw.prices\nrules:\n  - {name: x, limit: 3}\n")
    with pytest.raises(ValueError, match=r"raw\.prices\.yaml"):
        load_business_rules(tmp_path)


def test_pages_fetch_nothing_from_elsewhere_but_keep_links() -> None:
    page = (
        '<html><head><link rel="stylesheet" href="https://cdn.example/x.css"/><script src="https://cdn.example/x.js"></script></head>'
        '<body><script>go()</script><img src="https://cdn.example/a.png"><img src="static/b.png"><a href="https://example.org">more</a></body></html>'
    )
    cleaned = _offline(page)
    assert "cdn.example" not in cleaned
    assert "<script" not in cleaned
    assert 'src="static/b.png"' in cleaned
    assert 'href="https://example.org"' in cleaned
