"""Pages of cross-commodity views: everything they must show is there, and the widest table fits."""

from __future__ import annotations

import html
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from models._kernel.gating import ALLOW, BLOCK, DOWN_WEIGHT
from models._kernel.registry import spec_of
from models.carbon_coupling import report as hedge_report
from models.carbon_coupling.tables import CARBON_HEDGES
from models.regime import report as regime_report
from pipeline_tasks.contracts.cross_asset import CROSS_COMMODITY, CROSS_SIGNALS, LNG_EFFECTS
from pipeline_tasks.contracts.ops import SCORECARD
from pipeline_tasks.reports import charts
from pipeline_tasks.reports.collect import ModelData
from pipeline_tasks.reports.cross_asset import CHECKS, NO_INSTRUMENT, CrossData, _part, effects_page, spreads_page
from pipeline_tasks.reports.pages import _extra_sections
from pipeline_tasks.reports.site import render
from tests.unit.test_reports import _site

LINE = 130  # characters of a 1,084 px line at 13 px
DAY, AS_OF = date(2026, 6, 15), datetime(2026, 6, 14, 10, tzinfo=UTC)


def _rows(table: Any, rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows of a contract's table; numbers that are not given are 1.0, other columns null."""
    schema = table.polars_schema()
    usual = {n: 1.0 if t == pl.Float64 else None for n, t in schema.items()}
    return pl.DataFrame([usual | {"hub": "HUB_NORTH", "delivery_date": DAY, "as_of": AS_OF} | r for r in rows], schema=schema)


def _width(rows: list[dict[str, Any]]) -> int:
    """Characters of a table's head, which does not wrap, with room for numbers."""
    return sum(max(len(name), 9) for name in rows[0])


def _effects() -> pl.DataFrame:
    curve = [{"estimator": "projection", "at": float(h), "estimate": -0.1 / (1 + h), "low_95": -0.2, "high_95": 0.0} for h in (0, 1, 3, 7)]
    checks = [{"estimator": name, "at": 0.0, "estimate": 0.123} for name in CHECKS]
    tight = [{"estimator": "forest_by_tightness", "at": q, "estimate": -q} for q in (0.1, 0.5, 0.9)]
    return _rows(LNG_EFFECTS, [{"outcome": "gas", "days": 500, **r} for r in (*curve, *checks, *tight)])


def test_the_causal_report_shows_the_effect_with_its_band_and_every_check(tmp_path: Path) -> None:
    cross = CrossData(_rows(CROSS_COMMODITY, [{"status": "OK"}]), CROSS_SIGNALS.empty(), _effects())
    render(replace(_site(degraded=False, models=[]), cross=cross), tmp_path)
    text = (tmp_path / "lng.html").read_text(encoding="utf-8")
    assert all(html.escape(check, quote=False) in text for check in CHECKS.values())
    (part,) = effects_page(cross)["parts"]
    assert {r["check"] for r in part["checks"]} == set(CHECKS.values())
    named = " ".join(CHECKS.values())
    assert all(word in named for word in ("placebo", "random common cause", "first-stage F", "instruments agree"))
    assert len(part["tight_rows"]) == 3
    assert part["svg"].count("<path") >= 2  # line and band
    assert "days after the arrival" in part["svg"]


def test_the_table_of_spreads_fits_a_page() -> None:
    spreads = _rows(CROSS_COMMODITY, [{"status": "OK"}])
    signals = _rows(CROSS_SIGNALS, [{"instrument": "gas", "signal": "learned", "value": -0.0}])
    page = spreads_page(CrossData(spreads, signals, LNG_EFFECTS.empty(), pl.DataFrame()))
    (row,) = page["spread_rows"]
    assert {"spark", "clean spark", "dark", "clean dark", "heat rate", "switching CO2"} <= set(row)
    for rows in (page["spread_rows"], page["cargo_rows"]):
        assert _width(rows) < LINE
    assert str(page["signal_rows"][0]["value"]) == "0.0"
    assert "arbitrage" in page["cargo_rows"][0]
    without = _rows(CROSS_COMMODITY, [{"netback_europe_usd_per_mmbtu": None}])
    assert spreads_page(CrossData(without, signals, LNG_EFFECTS.empty(), pl.DataFrame()))["cargo_rows"] == []


def test_the_regime_strip_has_states_prices_and_what_the_gate_did() -> None:
    spec = spec_of("regime")
    rows = [
        {"product": "da", "delivery_ts": datetime(2026, 6, 13 + k, h, tzinfo=UTC), "delivery_date": date(2026, 6, 13 + k), "state": state,
         "gate": gate}
        for k, (state, gate) in enumerate((("normal", ALLOW), ("transition", DOWN_WEIGHT), ("stressed", BLOCK)))
        for h in (0, 1)
    ]  # fmt: skip
    forecasts = _rows(spec.curated, rows)
    outcomes = forecasts.select("hub", "product", "delivery_ts", pl.lit(60.0).alias("price_ccy_per_mwh"))
    made = {s["title"]: s for s in regime_report.sections(forecasts, outcomes, {})}
    svg = charts.to_svg(made["Regime over price"]["spec"])
    for colour in regime_report.COLOURS.values():
        assert colour.lower() in svg.lower()
    assert _width(made["Days and gate"]["rows"]) < LINE
    assert [r["gate"] for r in made["Days and gate"]["rows"]] == [BLOCK, DOWN_WEIGHT, ALLOW]
    marks = [v for v in made["Regime over price"]["spec"]["data"]["values"] if v["series"] == "band"]
    assert {v["gate"] for v in marks} == {ALLOW, DOWN_WEIGHT, BLOCK}
    assert "down_weight" in svg
    assert "block" in svg


def _scored(system: str, metric: str, reason: str) -> pl.DataFrame:
    schema = SCORECARD.polars_schema()
    usual: dict[str, Any] = dict.fromkeys(schema)
    told = {"system": system, "data_set": "de_fund", "data_class": "real", "metric": metric, "value": 1.01, "ci_low": 0.9, "ci_high": 1.1,
            "verdict": "miss", "reason": reason, "baseline": "ungated"}  # fmt: skip
    return pl.DataFrame([usual | told], schema=schema)


@pytest.mark.parametrize(
    ("name", "scored", "title", "found"),
    [
        (
            "regime",
            _scored("regime_gate", "imbalance_mae_mixed_stressed_ratio", "imbalance: mae mixed: 9.1 after the gate, 9 before, 40 stressed days, gate acted on 30%"),
            "Gate before and after",
            ("9", "9.1"),
        ),
        ("carbon_coupling", _scored("carbon_hedge", "variance_ratio_daily_ols", "Pitman-Morgan"), "What the hedges did", ("Pitman-Morgan", 1.01)),
    ],
)  # fmt: skip
def test_a_page_shows_what_was_scored_of_it_and_says_how_where_nothing_was(
    name: str, scored: pl.DataFrame, title: str, found: tuple[Any, Any]
) -> None:
    spec = spec_of(name)
    model = ModelData(spec, spec.curated.empty(), spec.drivers.empty(), pl.DataFrame(), pl.DataFrame())
    empty = _site(degraded=False)
    section = {s["title"]: s for s in _extra_sections(model, replace(empty, scorecard=scored))}[title]
    assert set(found) <= set(section["rows"][0].values())
    nothing = {s["title"]: s for s in _extra_sections(model, empty)}[title]
    assert nothing["rows"] == []
    assert "desk scorecard --model" in nothing["text"]


def test_the_hedge_page_shows_ratios_beta_and_intensity_of_every_hub() -> None:
    hedges = _rows(CARBON_HEDGES, [{"hub": "A"}, {"hub": "B"}])
    table, chart = hedge_report.sections(pl.DataFrame(), pl.DataFrame(), {CARBON_HEDGES.name: hedges})
    assert [r["hub"] for r in table["rows"]] == ["A", "B"]
    assert {"gas hedge", "carbon hedge", "gas alone", "carbon beta", "intensity", "carbon factor"} <= set(table["rows"][0])
    assert _width(table["rows"]) < LINE
    assert charts.to_svg(chart["spec"]).count("<path") >= 4


@pytest.mark.parametrize("estimators", [("projection", "first_stage_f"), ("projection", "placebo")])
def test_the_causal_page_says_that_there_is_no_instrument(estimators: tuple[str, ...]) -> None:
    rows = pl.DataFrame(
        [("gas", e, 0.0, 1.0, 0.0, 2.0, 0.5, 9, datetime(2026, 6, 14, 10, tzinfo=UTC)) for e in estimators],
        schema=["outcome", "estimator", "at", "estimate", "low_95", "high_95", "p_value", "days", "as_of"],
        orient="row",
    )
    told = [c["check"] for c in _part(rows, "gas")["checks"]]
    assert (NO_INSTRUMENT in told) == ("first_stage_f" not in estimators)
