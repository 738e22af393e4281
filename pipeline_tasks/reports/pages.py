"""What each page shows: frames of the warehouse turned into table rows and charts."""

from __future__ import annotations

from typing import Any

import polars as pl

from models._kernel.registry import report_hook
from models._kernel.spec import Kind
from pipeline_tasks.reports import charts
from pipeline_tasks.reports.collect import ModelData, SiteData
from pipeline_tasks.scorecard.gate_table import gate_table

FAN_DAYS = 3
TOP_DRIVERS = 12
MOST_PRODUCTS = 12  # of a model that answers on many, at one hub
RESULTS = {"carbon_coupling": ("carbon_hedge", "What the hedges did")}  # model -> the scorecard's system that trades its output
HASHES = ("artifact_sha", "code_sha", "data_version")


def index_page(site: SiteData) -> dict[str, Any]:
    """Overview: degraded forecasts and failed checks first, then what was published and how fresh the data are."""
    own = site.publications.filter(pl.col("delivery_date") == site.delivery_date) if site.publications.height else site.publications
    failed = site.checks.filter(~pl.col("success")) if site.checks.height else site.checks
    cards = [
        {"label": "partitions published for this delivery date", "value": own.height},
        {"label": "forecasts degraded", "value": site.degraded.height},
        {"label": "checks passed", "value": f"{site.checks.height - failed.height} / {site.checks.height}"},
        {"label": "rows in quarantine", "value": f"{int(site.quarantine['rows'].sum()) if site.quarantine.height else 0:,}"},
    ]
    return {
        "cards": cards,
        "degraded_rows": _degraded_rows(site),
        "failed_checks": failed.to_dicts(),
        "price_rows": [row for m in site.models if m.spec.kind is Kind.DISTRIBUTION for row in _price_rows(m)],
        "decision_rows": [row for m in site.models if m.spec.decision for row in _decision_rows(site, m)],
        "probability_rows": [row for m in site.models if m.spec.kind is Kind.PROBABILITY for row in _probability_rows(site, m)],
        "step_rows": [{"step": r["step"], "status": r["status"], "seconds": r["seconds"], "at": r["at_ts"]} for r in site.steps.to_dicts()],
        "freshness_rows": site.freshness.to_dicts(),
    }


def _degraded_rows(site: SiteData) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for model in site.models:
        bad = model.forecasts.filter(pl.col("status") == "DEGRADED")
        grouped = (
            bad.group_by("hub", "delivery_date", "status_reason").len("intervals").sort("delivery_date", "hub", descending=[True, False])
        )
        rows += [{"model": model.spec.name, **r} for r in grouped.to_dicts()]
    return rows


def _price_rows(model: ModelData) -> list[dict[str, Any]]:
    """Daily mean with the 90 % band, per hub."""
    spec = model.spec
    today = model.forecasts.filter(pl.col("delivery_date") == model.newest)
    point = pl.col(spec.point_column)
    low, high = charts.band_columns(dict(spec.quantile_columns), 0.05, 0.95)
    summary = today.group_by("hub", maintain_order=True).agg(
        pl.col("status").min(),
        **{"daily mean": point.mean(), "5 %": pl.col(low).mean(), "95 %": pl.col(high).mean()},
        **{"lowest hour": point.min(), "highest hour": point.max()},
        intervals=pl.len(),
        version=pl.col("model_version").first(),
    )
    return summary.select(pl.lit(spec.label).alias("model"), pl.all()).to_dicts()


def _decision_rows(site: SiteData, model: ModelData) -> list[dict[str, Any]]:
    """What is decided for the day, per hub and position: mean, lowest and highest; of several products the market's own."""
    spec = model.spec
    if spec.decision is None:
        return []
    today = _own_product(site, model, model.forecasts.filter(pl.col("delivery_date") == site.delivery_date))
    found = []
    for column in spec.decision.position_columns:
        position = pl.col(column)
        summary = today.group_by("hub", maintain_order=True).agg(
            pl.col("status").min(),
            position=pl.lit(_position_name(column, spec.decision.unit)),
            **{"mean position": position.mean().round(5), "lowest": position.min().round(4), "highest": position.max().round(4)},
            unit=pl.lit(spec.decision.unit),
            intervals=pl.len(),
            version=pl.col("model_version").first(),
        )
        found += summary.select(pl.lit(spec.label).alias("model"), pl.all()).to_dicts()
    return found


def _own_product(site: SiteData, model: ModelData, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of the market's own product; all rows of a model that answers on one product only."""
    return rows.filter(pl.col("product") == site.selection.market.product) if model.spec.every_product else rows


def _subjects(site: SiteData, model: ModelData, today: pl.DataFrame) -> list[tuple[str, str]]:
    """(hub, product) that get figures: every hub, of a model of several products the first others at its first hub; no single unit."""
    if model.spec.per_unit:
        return []
    pairs = today.select("hub", pl.col("product").cast(pl.String)).unique(maintain_order=True)
    own = _own_product(site, model, pairs)
    rest = pairs.filter(pl.col("hub") == pairs["hub"].first()).join(own, on=["hub", "product"], how="anti", maintain_order="left")
    return [(hub, product) for part in (own, rest.head(MOST_PRODUCTS)) for hub, product in part.iter_rows()]


def _probability_rows(site: SiteData, model: ModelData) -> list[dict[str, Any]]:
    """Highest probability of the day and when, per hub."""
    spec, zone = model.spec, site.selection.market.zone
    today = model.forecasts.filter(pl.col("delivery_date") == model.newest)
    local = pl.col("delivery_ts").dt.convert_time_zone(zone.key).dt.strftime("%H:%M")
    summary = today.group_by("hub", maintain_order=True).agg(
        pl.col("status").min(),
        (100 * pl.col(spec.point_column).max()).round(2).alias("highest probability, %"),
        local.sort_by(spec.point_column).last().alias("at"),
        (100 * pl.col(spec.point_column).mean()).round(3).alias("mean, %"),
        intervals=pl.len(),
        version=pl.col("model_version").first(),
    )
    return summary.select(pl.lit(spec.label).alias("model"), pl.all()).to_dicts()


def model_page(site: SiteData, model: ModelData) -> dict[str, Any]:
    """One model: a figure per hub, drivers, errors, metrics, and where the numbers come from."""
    today = model.forecasts.filter(pl.col("delivery_date") == model.newest)
    unit = f"{site.selection.market.currency}/MWh"
    metrics = model.metrics.sort("delivery_date", "hub", "metric", descending=[True, False, False])
    wide = metrics.pivot(on="metric", index=["delivery_date", "hub"], values="value") if metrics.height else metrics
    reasons = today.filter(pl.col("status") == "DEGRADED")["status_reason"].unique(maintain_order=True).to_list()
    return {
        "model": model,
        "version": ", ".join(today["model_version"].unique(maintain_order=True).to_list()),
        "statuses": reasons,
        "hubs": [_hub(site, model, hub, product, unit) for hub, product in _subjects(site, model, today)],
        "metrics": wide.head(60).to_dicts(),
        "numeric_metrics": [c for c in wide.columns if c not in ("delivery_date", "hub")],
        "metrics_note": "Each delivery date scored after its outcome was known, with the forecast that was published before the gate.",
        "metric_figures": _metric_figures(model, unit),
        "extra": _extra_sections(model, site),
        "lineage_rows": _lineage(model, today),
    }


def _hub(site: SiteData, model: ModelData, hub: str, product: str, unit: str) -> dict[str, Any]:
    spec, zone = model.spec, site.selection.market.zone
    rows = model.forecasts.filter((pl.col("hub") == hub) & (pl.col("product") == product))
    outcome = site.outcomes.filter((pl.col("hub") == hub) & (pl.col("product") == product))
    dates = rows["delivery_date"].unique().sort().to_list()[-FAN_DAYS:]
    recent, known = rows.filter(pl.col("delivery_date").is_in(dates)), outcome.filter(pl.col("delivery_date").is_in(dates))
    figures: list[dict[str, str]] = []
    if spec.kind is not Kind.PROBABILITY:
        svg = charts.fan_chart(
            recent, known, dict(spec.quantile_columns), spec.point_column, zone=zone, day=model.newest or site.delivery_date, unit=unit
        )
        figures.append({"title": "Forecast, previous vintages and outcome", "svg": svg, "caption": _FAN_KEY})
        errors = _errors(rows, outcome, spec.point_column)
        if errors.height:
            caption = f"Bars: mean absolute error. Line: bias (forecast - outcome). {errors['n'].sum():,} scored intervals."
            figures.append({"title": "Errors by hour", "svg": charts.error_by_hour(errors, unit=unit), "caption": caption})
    else:
        figures.append(
            {"title": "Probability by interval", "svg": charts.probability_chart(recent, spec.point_column, zone=zone), "caption": ""}
        )
    if spec.decision:
        for column in spec.decision.position_columns:
            svg = charts.position_chart(recent, column, zone=zone, unit=spec.decision.unit)
            figures.append({"title": f"Position by interval: {_position_name(column, spec.decision.unit)}", "svg": svg, "caption": ""})
    told = model.drivers.filter(pl.col("hub") == hub)
    drivers = _top_drivers(told.filter(pl.col("product") == product) if spec.every_product else told)
    if drivers.height:
        output = model.drivers["explained_output"][0]
        figures.append(
            {
                "title": "Drivers",
                "svg": charts.driver_bars(drivers, unit=output),
                "caption": f"Mean contribution to {output} over the day (SHAP values).",
            }
        )
    today = rows.filter(pl.col("delivery_date") == model.newest).with_columns(
        pl.col("delivery_ts").dt.convert_time_zone(zone.key).dt.strftime("%H:%M").alias("local")
    )
    shown = ["local", *(c.name for c in spec.output)]
    return {"name": f"{hub} {product}" if spec.every_product else hub, "figures": figures, "hours": today.select(shown).to_dicts()}


def _position_name(column: str, unit: str) -> str:
    """A position's name without the unit, which stands beside it: `battery_mw` in MW is the battery."""
    return column.removesuffix(f"_{unit.lower()}").replace("_", " ")


_FAN_KEY = (
    '<span class="key"><i style="background:#56B4E9"></i>5–95 %<i style="background:#0072B2"></i>25–75 % and point forecast'
    '<i style="background:#1b1f24"></i>outcome (dashed)<i style="background:#E69F00"></i>start of the forecast day</span>'
)


def _errors(rows: pl.DataFrame, outcome: pl.DataFrame, point: str) -> pl.DataFrame:
    joined = rows.join(outcome.drop_nulls("price_ccy_per_mwh").select("delivery_ts", "local_hour", "price_ccy_per_mwh"), on="delivery_ts")
    error = pl.col(point) - pl.col("price_ccy_per_mwh")
    return joined.group_by("local_hour", maintain_order=True).agg(mae=error.abs().mean(), bias=error.mean(), n=pl.len()).sort("local_hour")


def _top_drivers(drivers: pl.DataFrame) -> pl.DataFrame:
    mean = drivers.filter(pl.col("feature") != "(base)").group_by("feature", maintain_order=True).agg(pl.col("contribution").mean())
    return mean.sort(pl.col("contribution").abs(), descending=True, maintain_order=True).head(TOP_DRIVERS)


def _metric_figures(model: ModelData, unit: str) -> list[dict[str, str]]:
    wanted = {
        "mae": (f"mean absolute error, {unit}", None, "Mean absolute error by delivery date."),
        "coverage_90": ("coverage of the 90 % band", 0.9, "Share of outcomes inside the 90 % band; the dashed line is the nominal 0.90."),
        "width_90": (f"width of the 90 % band, {unit}", None, "Sharpness: mean width of the 90 % band."),
        "saving_per_mwh": (f"saving, {unit}", 0.0, "Saving of the positions over none, per scheduled MWh; the dashed line is zero."),
        "brier": ("Brier score", None, "Brier score by delivery date."),
    }
    figures = []
    for metric, (title, target, caption) in wanted.items():
        rows = model.metrics.filter(pl.col("metric") == metric) if model.metrics.height else model.metrics
        if rows.height:
            figures.append(
                {"title": metric.replace("_", " "), "svg": charts.metric_lines(rows, title=title, target=target), "caption": caption}
            )
    return figures


def _extra_sections(model: ModelData, site: SiteData) -> list[dict[str, Any]]:
    """Sections of the model's own report.py: `sections(forecasts, outcomes)` -> title, text, optional rows and Vega-Lite spec.

    A model with companion tables gets their newest rows by table name as a third argument.
    """
    hook = report_hook(model.spec.name)
    if hook is None:
        return []
    made = []
    given = (model.forecasts, site.outcomes, *((model.companions,) if model.spec.companions else ()))
    for section in hook.sections(*given):
        svg = charts.to_svg(section["spec"]) if section.get("spec") else ""
        made.append({"title": section["title"], "text": section.get("text", ""), "rows": section.get("rows", []), "svg": svg})
    if model.spec.precedes_all:
        made.append(_gate_section(site))
    if (system := RESULTS.get(model.spec.name)) is not None:
        made.append(_results_section(site, *system))
    return made


def _results_section(site: SiteData, system: str, title: str) -> dict[str, Any]:
    """The scorecard's rows of what a model's output is traded with, as far as this warehouse has them."""
    rows = (
        site.scorecard.filter(pl.col("system") == system).sort("data_set", "metric", "baseline")
        if site.scorecard.height
        else site.scorecard
    )
    text = "Walked forward and net of costs; every row with its baseline, interval and test. "
    text += "From the scorecard" if rows.height else f"Nothing was scored in this warehouse: desk scorecard --model {system}"
    shown = [{"data set": r["data_set"], **{k: v for k, v in _score_row(r).items() if k != "n"}} for r in rows.to_dicts()]
    return {"title": title, "text": f"{text} (results on market data: docs/scorecard.md, system {system}).", "rows": shown, "svg": ""}


def _gate_section(site: SiteData) -> dict[str, Any]:
    """What the gate was worth to each model: the scorecard's rows, as far as this warehouse has them."""
    rows = gate_table(site.scorecard.to_dicts())
    text = (
        "Mean loss on stressed and on normal days without the gate and with it, all rows scored, walked forward (scorecard, regime_gate)."
    )
    if not rows:
        text += " Nothing was scored in this warehouse: desk scorecard --model regime_gate; results on market data: docs/scorecard.md."
    return {"title": "Gate before and after", "text": text, "rows": rows, "svg": ""}


def _lineage(model: ModelData, today: pl.DataFrame) -> list[dict[str, Any]]:
    keep = ["run_id", "model", "model_version", *HASHES, "as_of", "hub", "status"]
    rows = today.select(keep).unique(maintain_order=True).to_dicts()
    training = model.training.to_dicts()
    for row in rows:
        row["trained to (UTC)"] = training[0]["cutoff"] if training else None
        row["gate"] = training[0]["gate"] if training else None
    return rows


def scorecard_page(site: SiteData) -> dict[str, Any]:
    """Scorecard rows grouped by system and data set."""
    groups: list[dict[str, Any]] = []
    if site.scorecard.height:
        for (system, data_set, data_class), rows in site.scorecard.group_by(["system", "data_set", "data_class"], maintain_order=True):
            label = f"{system} on {data_set}" + {"twin": " (synthetic)", "test_system": " (test network)"}.get(data_class, "")
            first = rows.row(0, named=True)
            groups.append(
                {"title": f"{label}, {first['window_from']} to {first['window_to']}", "rows": [_score_row(r) for r in rows.to_dicts()]}
            )
    return {"groups": groups}


def _score_row(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "metric": row["metric"],
        "value": row["value"],
        "target": row["target"],
        "baseline": row["baseline"],
        "baseline value": row["baseline_value"],
        "low": row["ci_low"],
        "high": row["ci_high"],
        "p": row["p_value"],
        "n": row["n"],
        "verdict": row["verdict"],
        "reason": row["reason"],
    }


def quality_page(site: SiteData) -> dict[str, Any]:
    """Drift and data faults, loads, quarantine, gates and transforms."""
    checks = [{**r, "result": "held" if r["success"] else "did not hold"} for r in site.checks.to_dicts()]
    return {
        "load_rows": site.loads.drop("content_sha").to_dicts(),
        "quarantine_rows": site.quarantine.to_dicts(),
        "check_rows": checks,
        "dbt_rows": site.dbt.to_dicts(),
        **_drift_page(site.watch.drift),
    }


def watch_page(site: SiteData) -> dict[str, Any]:
    """Champions and challengers: verdicts, parity of served values, changes of champion, versions of schemas."""
    watch = site.watch
    return {
        "verdict_rows": watch.verdicts.to_dicts(),
        "parity_rows": watch.parity.to_dicts(),
        "champion_rows": watch.champions.to_dicts(),
        "schema_rows": watch.schemas.to_dicts(),
    }


def _drift_page(drift: pl.DataFrame) -> dict[str, Any]:
    """Severe findings, then the other alarms, and how much was watched."""
    if drift.is_empty():
        return {"drift_severe": [], "drift_rows": [], "drift_note": "No feature was watched in this run."}
    series, alarms = drift.select("hub", "feature").n_unique(), drift.filter("alarm")
    columns = ["severity", "feature", "hub", "delivery_date", "detector", "statistic", "threshold", "reference"]
    severe = alarms.filter(pl.col("severity") == "severe").select(columns)
    note = f"{series} series watched, {alarms.height} alarms, {severe.height} of them severe."
    return {"drift_severe": severe.to_dicts(), "drift_rows": alarms.select(columns).to_dicts(), "drift_note": note}


def lineage_page(site: SiteData) -> dict[str, Any]:
    """Published partitions with every hash."""
    rows: list[dict[str, Any]] = []
    for model in site.models:
        keys = ["model", "hub", "delivery_date", "run_id", "as_of", "model_version", *HASHES, "regime"]
        rows += (
            model.forecasts.group_by(keys, maintain_order=True)
            .len("rows")
            .sort("delivery_date", "hub", descending=[True, False])
            .to_dicts()
        )
    return {"rows": rows, "first_model": site.models[0].spec.name if site.models else "curve_dist"}
