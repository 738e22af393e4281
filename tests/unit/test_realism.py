"""Where the twin stands: ranges of years and hubs, verdicts, sentences; and the page that shows them side by side."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from config.settings import get_settings
from pipeline_tasks.contracts.ops import STYLISED_FACTS
from pipeline_tasks.reports.site import write_realism_page
from pipeline_tasks.twin.realism.assess import Finding, Verdict, assess, compared, summary, typical
from pipeline_tasks.twin.realism.catalogue import FACTS, slice_text
from pipeline_tasks.twin.realism.compute import FAMILIES, family_sql
from pipeline_tasks.twin.realism.rules import load_rules

Row = tuple[str, str, str, float] | tuple[str, str, str, float, str] | tuple[str, str, str, float, str, float, float]


def rows_of(*rows: Row) -> pl.DataFrame:
    """Rows of ops.stylised_facts from (data set, fact, slice, value[, span[, hub low, hub high]])."""
    made = []
    for i, row in enumerate(rows):
        data_set, fact, name, value = row[:4]
        span = row[4] if len(row) > 4 else "whole"
        low, high = (row[5], row[6]) if len(row) > 6 else (value, value)
        year = 2010 + i if span == "year" else 2010
        made.append(
            {
                "run_id": "r", "data_set": data_set, "data_class": "twin" if data_set == "twin" else "real", "fact": fact, "slice": name, "span": span,
                "unit": "1", "value": value, "hub_low": low, "hub_high": high, "n": 8760, "window_from": date(year, 1, 1),
                "window_to": date(year, 12, 31), "code_sha": "c", "at_ts": None,
            }
        )  # fmt: skip
    return pl.DataFrame(made, schema=STYLISED_FACTS.polars_schema())


def one(facts: pl.DataFrame) -> Finding:
    """The only finding."""
    (found,) = assess(facts)
    return found


REAL: tuple[Row, ...] = (("nyiso", "volatility", "rt", 1.0, "whole", 0.9, 1.2), ("ercot", "volatility", "rt", 2.0, "whole", 1.5, 3.0))


@pytest.mark.parametrize(
    ("value", "verdict"),
    [(1.5, Verdict.INSIDE), (0.95, Verdict.NEAR), (2.9, Verdict.NEAR), (0.82, Verdict.NEAR), (0.5, Verdict.BELOW), (4.0, Verdict.ABOVE)],
)
def test_verdicts(value: float, verdict: Verdict) -> None:
    found = one(rows_of(("twin", "volatility", "rt", value), *REAL))
    assert found.verdict is verdict
    assert (found.low, found.high, found.wide_low, found.wide_high) == (1.0, 2.0, 0.9, 3.0)
    assert (found.gap > 0) == verdict.is_off


def test_a_typical_year_is_the_median_of_whole_years_and_the_whole_window_only_without_one() -> None:
    facts = rows_of(
        ("de_fund", "volatility", "da", 9.0),
        ("de_fund", "volatility", "da", 1.0, "year"),
        ("de_fund", "volatility", "da", 2.0, "year"),
        ("de_fund", "volatility", "da", 6.0, "year"),
        ("twin", "volatility", "da", 3.0),
    )
    values = {r["data_set"]: r for r in typical(facts).to_dicts()}
    assert values["de_fund"]["value"] == 2.0
    assert (values["de_fund"]["wide_low"], values["de_fund"]["wide_high"]) == (1.0, 6.0)  # a change of level between years is no year
    assert values["twin"]["value"] == 3.0


def test_one_real_market_alone_is_weak_evidence() -> None:
    lone: Row = ("ercot", "spread_sd", "da - rt", 1.0)
    assert one(rows_of(("twin", "spread_sd", "da - rt", 0.6), lone)).verdict is Verdict.NEAR
    assert one(rows_of(("twin", "spread_sd", "da - rt", 0.4), lone)).verdict is Verdict.BELOW
    assert "the only real market" in one(rows_of(("twin", "spread_sd", "da - rt", 0.4), lone)).sentence


def test_hours_of_the_day_go_round_midnight() -> None:
    real: tuple[Row, ...] = (("nyiso", "hour_of_trough", "rt", 1.0), ("ieso", "hour_of_trough", "rt", 3.0))
    assert one(rows_of(("twin", "hour_of_trough", "rt", 0.0), *real)).verdict is Verdict.NEAR
    late = one(rows_of(("twin", "hour_of_trough", "rt", 22.0), *real))
    assert late.verdict is Verdict.BELOW
    assert late.gap < 1
    assert "22:00" in late.sentence
    assert "too early: cheapest hour" in " ".join(summary([late]))


def test_a_curve_is_one_finding_and_names_its_farthest_point() -> None:
    real = [(m, "daily_shape", f"rt {h:02d}", v) for h in range(24) for m, v in (("nyiso", 0.9), ("ercot", 1.1))]
    twin = [("twin", "daily_shape", f"rt {h:02d}", 5.0 if h == 7 else 1.0) for h in range(24)]
    found = one(rows_of(*real, *twin))
    assert (found.inside, found.points, found.verdict) == (23, 24, Verdict.INSIDE)
    assert "23 of 24" in found.sentence
    assert "farthest at 07: 5.00 against 0.90 to 1.10" in found.sentence
    off = [("twin", "daily_shape", f"rt {h:02d}", 5.0) for h in range(24)]
    assert one(rows_of(*real, *off)).verdict is Verdict.OUTSIDE


def test_facts_of_one_side_are_not_compared() -> None:
    facts = rows_of(
        ("twin", "volatility", "da", 1.0),
        ("nyiso", "unit_starts", "thermal", 70.0),
        ("twin", "price_mean", "rt", 1.0),
        ("nyiso", "price_mean", "rt", 9.0),
    )
    found = {(f.fact.key, f.verdict) for f in assess(facts)}
    assert {("volatility", Verdict.ALONE), ("unit_starts", Verdict.ABSENT), ("price_mean", Verdict.BELOW)} == found
    assert compared(assess(facts)) == []
    assert summary(assess(facts)) == ["Nothing can be compared: the warehouse has no facts of the twin, or none of a real market."]


def test_the_summary_counts_and_names_the_farthest() -> None:
    facts = rows_of(
        ("twin", "volatility", "rt", 0.1), *REAL,
        ("twin", "negative_share", "rt", 0.02), ("nyiso", "negative_share", "rt", 0.01), ("ercot", "negative_share", "rt", 0.03),
        ("twin", "spike_hours", "rt", 900.0), ("nyiso", "spike_hours", "rt", 100.0), ("ercot", "spike_hours", "rt", 300.0),
    )  # fmt: skip
    lines = summary(assess(facts))
    assert lines[0] == (
        "Of 3 facts that twin and real markets share, the twin is inside the range of typical years for 1, within single years and hubs for 0, "
        "and outside of all for 2."
    )
    assert lines[1].startswith("Farthest off: Spike hours a year (real time) 900 against 100 to 300")
    assert "Prices: 1 of 2 where real markets are; too low: standard deviation over mean (real time)." in lines
    assert "Spikes: 0 of 1 where real markets are; too high: spike hours a year (real time)." in lines


def test_every_fact_of_the_sql_is_in_the_catalogue_and_the_other_way_round() -> None:
    sql = "\n".join(family_sql(f) for f in FAMILIES) + "'autocorrelation'"
    keys = {f.key for f in FACTS}
    assert {k for k in keys if f"'{k}'" not in sql} == set()
    named = set(re.findall(r"\('([a-z_]+)', (?:name|concat|'da)", sql)) | {"autocorrelation"}
    assert named <= keys


@pytest.mark.parametrize(("name", "said"), [("da q05", "day-ahead q05"), ("da - rt", ""), ("thermal peak", "thermal peak")])
def test_slices_for_people(name: str, said: str) -> None:
    assert slice_text(name) == said


def test_a_wrong_rule_names_field_and_value(tmp_path) -> None:
    text = (load_rules.__wrapped__.__globals__["RULES_FILE"]).read_text(encoding="utf-8")
    broken = tmp_path / "realism.yaml"
    broken.write_text(text.replace("unit_on_share: 0.05", "unit_on_share: 5"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"unit_on_share = 5"):
        load_rules.__wrapped__(broken)
    broken.write_text(text.replace("  nyiso:", "  atlantis:"), encoding="utf-8")
    with pytest.raises(ValueError, match="atlantis"):
        load_rules.__wrapped__(broken)


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
