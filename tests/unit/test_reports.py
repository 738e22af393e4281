"""The report site: complete, self-contained, degraded first, and true to the frames it was given."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from config.markets import resolve_market
from models._kernel.spec import Decision, Kind, ModelSpec
from pipeline_tasks.contracts import FEATURE_TABLES, Table
from pipeline_tasks.contracts.columns import number
from pipeline_tasks.contracts.ops import CHECK_RESULTS, LOADS, MODEL_METRICS, SCORECARD, STYLISED_FACTS, TRAINING_RUNS
from pipeline_tasks.reports import charts
from pipeline_tasks.reports.collect import ModelData, SiteData, WatchData
from pipeline_tasks.reports.navigation import RUN, Link, group_of, grouped
from pipeline_tasks.reports.pages import _position_name
from pipeline_tasks.reports.site import render

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
NAMES = {q: f"q{round(q * 100):02d}_ccy_per_mwh" for q in LEVELS}
DAY = date(2026, 3, 29)  # 23 hours in Europe/Berlin


def _spec(kind: Kind = Kind.DISTRIBUTION) -> ModelSpec:
    point = "mean_ccy_per_mwh" if kind is Kind.DISTRIBUTION else "spike_probability"
    columns = (number(point, "Point."), *(number(n, "Quantile.") for n in NAMES.values()))
    return ModelSpec(
        name="curve_dist" if kind is Kind.DISTRIBUTION else "spike_risk", label="Day-ahead curve", kind=kind, inputs=FEATURE_TABLES[0], required=(),
        output=columns, point_column=point, description="A curve.", owner="quant", yardstick="F6",
        quantile_columns=NAMES if kind is Kind.DISTRIBUTION else {},
    )  # fmt: skip


def _forecasts(hub: str, *, degraded: bool) -> pl.DataFrame:
    market = resolve_market("twin").market
    rows = []
    for back in range(3):
        day = DAY - timedelta(days=back)
        start, end = market.day_bounds(day)
        hours = int((end - start) / timedelta(hours=1))
        for h in range(hours):
            mean = 60 + 20 * np.sin(h / 24 * 2 * np.pi)
            rows.append(
                {
                    "run_id": f"nightly:twin:{DAY}", "model": "curve_dist", "model_version": "3", "artifact_sha": "a" * 64, "code_sha": "b" * 40,
                    "data_version": "c" * 64, "regime": "unknown", "status": "DEGRADED" if degraded else "OK",
                    "status_reason": "wind forecast missing <b>" if degraded else "", "as_of": market.gate(day), "market": "twin", "hub": hub, "product": "da",
                    "delivery_ts": start + timedelta(hours=h), "delivery_date": day, "mean_ccy_per_mwh": mean, "spike_probability": 0.01,
                    **{n: mean + 40 * (q - 0.5) for q, n in NAMES.items()},
                }
            )  # fmt: skip
    return pl.DataFrame(rows)


def _site(*, degraded: bool, models: list[ModelData] | None = None) -> SiteData:
    forecasts = _forecasts("HUB_NORTH", degraded=degraded)
    outcomes = forecasts.filter(pl.col("delivery_date") < DAY).select(
        "hub", "product", "delivery_ts", "delivery_date", pl.col("delivery_ts").dt.hour().cast(pl.Int64).alias("local_hour"),
        (pl.col("mean_ccy_per_mwh") + 5).alias("price_ccy_per_mwh"),
    )  # fmt: skip
    publications = pl.DataFrame(
        {"model": ["curve_dist"], "hub": ["HUB_NORTH"], "delivery_date": [DAY], "status": ["DEGRADED" if degraded else "OK"]}
    )
    drivers = pl.DataFrame(
        {
            "hub": ["HUB_NORTH"] * 3,
            "explained_output": ["median price"] * 3,
            "feature": ["(base)", "wind_forecast_mw", "gas"],
            "contribution": [50.0, -7.5, 3.0],
        }
    )
    metrics = pl.DataFrame(
        {
            "hub": ["HUB_NORTH"] * 2,
            "delivery_date": [DAY - timedelta(days=1)] * 2,
            "metric": ["mae", "coverage_90"],
            "value": [5.0, 0.875],
            "n": [24, 24],
        }
    )
    model = ModelData(_spec(), forecasts, drivers, metrics, pl.DataFrame())
    checks = CHECK_RESULTS.empty()
    return SiteData(
        run_id=f"nightly:twin:{DAY}", selection=resolve_market("twin"), delivery_date=DAY, outcomes=outcomes,
        steps=pl.DataFrame({"step": ["ingest"], "status": ["OK"], "seconds": [1.5], "detail_json": ["{}"], "at_ts": [datetime(2026, 3, 28, 11, tzinfo=UTC)]}),
        publications=publications, loads=LOADS.empty(), quarantine=pl.DataFrame({"table_name": ["prices"], "rows": [12]}), checks=checks,
        dbt=pl.DataFrame({"resource_type": ["model"], "status": ["success"], "nodes": [8], "seconds": [3.2], "failures": [0]}),
        freshness=pl.DataFrame({"table_name": ["prices"], "series": ["da"], "rows": [17520]}), scorecard=SCORECARD.empty(),
        models=[model] if models is None else models,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def _no_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline_tasks.reports.pages.report_hook", lambda _: None)


def test_all_pages_exist_and_load_nothing_from_elsewhere(tmp_path: Path) -> None:
    render(_site(degraded=False), tmp_path)
    names = {p.name for p in tmp_path.iterdir()}
    assert names == {"index.html", "curve_dist.html", "scorecard.html", "quality.html", "watch.html", "lineage.html"}
    for page in tmp_path.iterdir():
        text = page.read_text(encoding="utf-8")
        assert not re.findall(r"""(?:src|href)=["'](?:https?:)?//""", text), f"{page.name} loads from the network"
        assert "<script" not in text
        for link in re.findall(r'href="([^"#]+)"', text):
            assert (tmp_path / link).exists(), f"{page.name} links to {link}"


def test_degraded_forecasts_come_first_and_reasons_are_escaped(tmp_path: Path) -> None:
    render(_site(degraded=True), tmp_path)
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert text.index("Degraded forecasts") < text.index("Price forecasts of this run")
    assert "wind forecast missing &lt;b&gt;" in text
    assert "DEGRADED" in (tmp_path / "curve_dist.html").read_text(encoding="utf-8")


def test_a_clean_run_shows_no_banner(tmp_path: Path) -> None:
    render(_site(degraded=False), tmp_path)
    assert "Degraded forecasts" not in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_the_model_page_shows_every_interval_of_a_23_hour_day_and_its_figures(tmp_path: Path) -> None:
    render(_site(degraded=False), tmp_path)
    text = (tmp_path / "curve_dist.html").read_text(encoding="utf-8")
    assert text.count("<svg ") >= 4
    intervals = text.split("<details>")[1].split("</details>")[0]
    assert intervals.count("<tr>") == 23 + 1
    assert "02:00" not in intervals
    assert "03:00" in intervals


def test_synthetic_markets_are_labelled_on_every_page(tmp_path: Path) -> None:
    render(_site(degraded=False), tmp_path)
    assert all("synthetic market" in p.read_text(encoding="utf-8") for p in tmp_path.iterdir())


def test_probability_models_have_a_page_too(tmp_path: Path) -> None:
    spec = _spec(Kind.PROBABILITY)
    model = ModelData(spec, _forecasts("HUB_NORTH", degraded=False), spec.drivers.empty(), MODEL_METRICS.empty(), TRAINING_RUNS.empty())
    render(_site(degraded=False, models=[model]), tmp_path)
    assert "Probability by interval" in (tmp_path / "spike_risk.html").read_text(encoding="utf-8")


def test_decision_models_show_forecast_position_and_summary(tmp_path: Path) -> None:
    spec = replace(_spec(), name="imbalance", kind=Kind.DECISION, decision=Decision("imbalance", ("hedge_share",), "share of load"),
                   output=(*_spec().output, number("hedge_share", "Hedge.")))  # fmt: skip
    forecasts = _forecasts("HUB_NORTH", degraded=False).with_columns(hedge_share=pl.lit(0.0321))
    model = ModelData(spec, forecasts, spec.drivers.empty(), MODEL_METRICS.empty(), TRAINING_RUNS.empty())
    render(_site(degraded=False, models=[model]), tmp_path)
    page, index = ((tmp_path / name).read_text(encoding="utf-8") for name in ("imbalance.html", "index.html"))
    assert "Forecast, previous vintages and outcome" in page
    assert "Position by interval" in page
    assert "Decisions of this run" in index
    assert "0.0321" in index


def test_lineage_names_every_hash(tmp_path: Path) -> None:
    render(_site(degraded=False), tmp_path)
    text = (tmp_path / "lineage.html").read_text(encoding="utf-8")
    assert "aaaaaaaaaaaa…" in text
    assert "bbbbbbbbbbbb…" in text
    assert "cccccccccccc…" in text


def test_severe_drift_comes_first_on_the_quality_page_and_verdicts_have_a_page(tmp_path: Path) -> None:
    common = {"hub": "HUB_NORTH", "delivery_date": DAY, "statistic": 6.9, "threshold": 3.4, "reference": "season", "reference_days": 300}
    drift = pl.DataFrame(
        [
            {**common, "feature": "wind_forecast_mw", "detector": "unit", "alarm": True, "severity": "severe"},
            {**common, "feature": "load_forecast_mw", "detector": "ks", "alarm": True, "severity": "watch"},
            {**common, "feature": "load_forecast_mw", "detector": "psi", "alarm": False, "severity": "ok"},
        ]
    )
    verdicts = pl.DataFrame({"model": ["curve_dist"], "question": ["promotion"], "verdict": ["wait"], "reason": ["12 of 30 days"]})
    watch = WatchData(drift=drift, verdicts=verdicts.with_columns(days=12, e_value=2.5))
    render(replace(_site(degraded=False), watch=watch), tmp_path)
    quality = (tmp_path / "quality.html").read_text(encoding="utf-8")
    assert quality.index("Data faults") < quality.index("Loads")
    assert "2 series watched, 2 alarms, 1 of them severe." in quality
    assert "psi" not in quality
    assert "12 of 30 days" in (tmp_path / "watch.html").read_text(encoding="utf-8")


def test_stylised_facts_bring_a_page_that_every_page_links(tmp_path: Path) -> None:
    common = {
        "run_id": "r", "fact": "spike_hours", "slice": "rt", "span": "whole", "unit": "1/year", "n": 8760, "window_from": date(2025, 1, 1),
        "window_to": date(2025, 12, 31), "code_sha": "c", "at_ts": datetime(2026, 1, 1, tzinfo=UTC),
    }  # fmt: skip
    rows = [
        {**common, "data_set": n, "data_class": c, "value": v, "hub_low": v, "hub_high": v}
        for n, c, v in (("twin", "twin", 5.0), ("nyiso", "real", 300.0), ("ieso", "real", 120.0))
    ]
    render(replace(_site(degraded=False), stylised_facts=pl.DataFrame(rows, schema=STYLISED_FACTS.polars_schema())), tmp_path)
    text = (tmp_path / "realism.html").read_text(encoding="utf-8")
    assert "twin (synthetic)" in text
    assert re.search(r"Spike hours a year.*5\.0.*300.*120.*120 to 300.*below", text)
    assert all('href="realism.html"' in p.read_text(encoding="utf-8") for p in tmp_path.iterdir())


def test_the_navigation_groups_many_models_marks_here_and_what_is_degraded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline_tasks.reports.pages.report_hook", lambda _name: None)
    base = _site(degraded=True)
    more = [replace(base.models[0], spec=replace(base.models[0].spec, name=f"model_{n}", label=f"Model {n}")) for n in range(9)]
    render(replace(base, models=[*base.models, *more]), tmp_path)
    html = (tmp_path / "model_7.html").read_text(encoding="utf-8")
    rail = html.split('<nav class="rail"')[1].split("</nav>")[0]
    assert re.findall(r"<h2>(.*?)</h2>", rail) == ["This run", "Price forecasts", "Evidence"]
    links = re.findall(r'<a href="([a-z_0-9]+\.html)"', rail)
    assert len(links) == len(set(links)) == 10 + 5
    assert all((tmp_path / link).is_file() for link in links)
    assert re.findall(r'<a href="(\S+)" class="here" aria-current="page"', rail) == ["model_7.html"]
    marked = [row for row in rail.split("<li>") if "DEGRADED" in row]
    assert len(marked) == 1
    assert 'href="curve_dist.html"' in marked[0]
    assert html.count('aria-label="Pages"') == 2  # the rail, and the same links in a menu where the window is narrow


@pytest.mark.parametrize(("kind", "group"), [(Kind.PROBABILITY, "Risks"), (Kind.DECISION, "Decisions"), ("something new", "Other models")])
def test_every_kind_of_model_has_a_group(kind: Kind, group: str) -> None:
    links = [Link("index.html", "Overview", RUN), Link("m.html", "M", group_of(kind))]
    assert [name for name, _ in grouped(links)] == [RUN, group]


@pytest.mark.parametrize(
    ("column", "unit", "name"),
    [("battery_mw", "MW", "battery"), ("hedge_share", "share of scheduled load", "hedge share"), ("mw_offered", "MW", "mw offered")],
)
def test_a_position_is_named_without_the_unit_that_stands_beside_it(column: str, unit: str, name: str) -> None:
    assert _position_name(column, unit) == name


def test_names_of_drivers_have_room() -> None:
    def plot_begins(name: str) -> float:
        svg = charts.driver_bars(pl.DataFrame({"feature": [name], "contribution": [1.0]}), unit="EUR/MWh")
        return charts.WIDTH - max(float(w) for w in re.findall(r"h(\d+(?:\.\d+)?)v", svg))

    assert plot_begins("price_hour_mean_28d_ccy_per_mwh") - plot_begins("x") > 6.5 * 30


def test_nodes_have_a_page_where_an_embedding_is_published(tmp_path: Path) -> None:
    from dataclasses import replace

    from pipeline_tasks.reports.nodes import NodesData

    nodes = pl.DataFrame(
        {
            "node": ["1", "2", "3"], "node_hub": ["A", "A", "B"], "corridor": [0, 0, 1], "days_known": [60, 60, 0], "is_sparse": [False, False, True],
            "model_version": ["4"] * 3, "as_of": [datetime(2026, 3, 28, 11, tzinfo=UTC)] * 3, "delivery_date": [DAY] * 3,
            "longitude_deg": [10.0, 11.0, None], "latitude_deg": [50.0, 51.0, None],
        }
    )  # fmt: skip
    pairs = {
        "node": ["1", "2", "3"],
        "rank": [1] * 3,
        "neighbour": ["2", "1", "<b>"],
        "similarity": [0.9, 0.9, 0.1],
        "delivery_date": [DAY] * 3,
    }
    hubs = {"node_hub": ["A", "B"], "nodes": [2, 1], "cohesion": [0.95, 1.0], "delivery_date": [DAY] * 2}
    data = NodesData(
        nodes, pl.DataFrame(pairs), pl.DataFrame({**hubs, "corridors": [1, 1], "nearest_similarity": [0.2, 0.2]}), pl.DataFrame()
    )
    render(replace(_site(degraded=False), nodes=data), tmp_path)
    text = (tmp_path / "nodes.html").read_text(encoding="utf-8")
    assert "3 nodes in 2 corridors, 1 with too few days" in text
    assert "<svg" in text
    alone = text[text.index("Nodes least like any other") :]
    assert alone.index("&lt;b&gt;") < alone.index("0.9")
    assert 'href="nodes.html"' in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_spreads_and_the_causal_report_have_pages_where_they_are_published(tmp_path: Path) -> None:
    from pipeline_tasks.contracts.cross_asset import CROSS_COMMODITY, CROSS_SIGNALS, LNG_EFFECTS
    from pipeline_tasks.reports.cross_asset import CrossData

    def rows(table: Table, values: list[dict[str, object]]) -> pl.DataFrame:
        fixed = {"hub": "H", "delivery_date": DAY, "as_of": datetime(2026, 3, 28, 11, tzinfo=UTC), "status": "OK"}
        return pl.DataFrame([dict.fromkeys(table.column_names) | fixed | v for v in values], schema=table.polars_schema())

    spreads = rows(CROSS_COMMODITY, [{"clean_spark_ccy_per_mwh": -3.25, "arbitrage_usd_per_mmbtu": 1.5, "gas_hedge_ratio": 1.1}])
    signals = rows(CROSS_SIGNALS, [{"instrument": "gas", "signal": "oil_momentum", "value": 0.4}])
    line = {"outcome": "gas", "low_95": -0.02, "high_95": 0.0, "p_value": 0.03, "days": 250}
    told = (("projection", 0.0), ("projection", 7.0), ("placebo", 0.0))
    effects = rows(LNG_EFFECTS, [line | {"estimator": e, "at": a, "estimate": -0.01} for e, a in told])
    prices = pl.DataFrame({"delivery_date": [DAY, DAY + timedelta(days=1)], "power_mean_ccy_per_mwh": [50.0, 55.0], "gas_ccy_per_mwh": [30.0, None],
                           "coal_ccy_per_mwh": [12.0, 12.0], "co2_ccy_per_t": [70.0, 71.0]})  # fmt: skip
    render(replace(_site(degraded=False), cross=CrossData(spreads, signals, effects, prices)), tmp_path)
    spread, causal = ((tmp_path / name).read_text(encoding="utf-8") for name in ("spreads.html", "lng.html"))
    assert "-3.25" in spread
    assert "oil_momentum" in spread
    assert "netback europe" not in spread  # what is unknown everywhere is not shown
    assert "Log price of gas" in causal
    assert "placebo arrivals" in causal
    assert causal.count("<svg") == 1


def test_limits_and_outages_have_pages_where_they_are_published(tmp_path: Path) -> None:
    from pipeline_tasks.reports.grid import GridData

    at = datetime(2026, 3, 28, 11, tzinfo=UTC)
    limits = {"branch": ["12-14", "3-5"], "contingency": ["", "1-2"], "hours_bound": [60, 90], "model_correlation": [0.99, None]}
    more = {
        "shadow_price_mean_ccy_per_mwh": [20.0, 30.0],
        "topologies": [0, 1],
        "model_version": ["4"] * 2,
        "as_of": [at] * 2,
        "status": ["OK"] * 2,
    }
    nodes = {"node": ["a", "b"], "band_90": [0.02, 0.2], "congestion_mean_ccy_per_mwh": [5.0, 1.0]}
    places = {"longitude_deg": [7.0, 8.0], "latitude_deg": [50.0, 51.0]}
    rows = [("3-5", "1-2", "", n, v) for n, v in (("a", 0.3), ("b", -0.1))] + [("3-5", "1-2", "9-9", "b", 0.4)]
    names = ["branch", "contingency", "topology", "node", "sensitivity_mw_per_mw"]
    scenarios = {"scenario": ["x", "<y>"], "delivery_ts": [at] * 2, "cost_change_ccy_per_h": [10.0, 99.0], "unserved_mw": [0.0, 5.0]}
    proof = {
        "is_split": [False, True],
        "is_certified": [True, True],
        "as_of": [at] * 2,
        "hub": ["intraday"] * 2,
        "delivery_date": [DAY] * 2,
    }
    impacts = {"scenario": ["x"], "delivery_ts": [at], "node": ["a"], "price_before_ccy_per_mwh": [50.0], "price_change_ccy_per_mwh": [7.5]}
    band = {"expected_change_ccy_per_mwh": [3.0], "low_90_ccy_per_mwh": [-9.0], "high_90_ccy_per_mwh": [15.0], "response_version": ["2"]}
    bound = {"scenario": ["x"], "branch": ["3-5"], "contingency": [""], "shadow_price_ccy_per_mwh": [12.0]}
    data = GridData(
        pl.DataFrame({**limits, **more}), pl.DataFrame({**nodes, **places}), pl.DataFrame(rows, schema=names, orient="row"),
        pl.DataFrame({**scenarios, **proof}), pl.DataFrame({**impacts, **band}), pl.DataFrame(bound),
    )  # fmt: skip
    render(replace(_site(degraded=False), grid=data), tmp_path)
    text = (tmp_path / "limits.html").read_text(encoding="utf-8")
    assert "2 limits and 2 nodes; version 4, OK" in text
    assert "The limit that bound most: 3-5 after the loss of 1-2" in text
    assert "0.5" in text.split("What announced outages change")[1]
    assert "<svg" in text
    text = (tmp_path / "outages.html").read_text(encoding="utf-8")
    assert "Study intraday for 2026-03-29: 2 scenarios in 1 intervals" in text
    assert "90 % band by version 2" in text
    assert "&lt;y&gt;" in text
    assert "expected congestion" in text
    without = replace(data, impacts=pl.DataFrame({**impacts, **{name: [None] for name in band}, "response_version": [""]}))
    render(replace(_site(degraded=False), grid=without), tmp_path)
    assert "expected congestion</th>" not in (tmp_path / "outages.html").read_text(encoding="utf-8")
