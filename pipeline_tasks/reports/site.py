"""The report site of one run: index, a page per model, scorecard, data quality, lineage."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import jinja2
import polars as pl
from altair.utils.schemapi import debug_mode

from config.settings import get_settings
from pipeline_tasks.reports.collect import SiteData, collect
from pipeline_tasks.reports.cross_asset import effects_page, spreads_page
from pipeline_tasks.reports.grid import limits_page, outages_page
from pipeline_tasks.reports.navigation import CROSS_ASSET, EVIDENCE, NETWORK, RUN, Link, group_of, grouped
from pipeline_tasks.reports.nodes import nodes_page
from pipeline_tasks.reports.pages import index_page, lineage_page, model_page, quality_page, scorecard_page, watch_page
from pipeline_tasks.reports.realism import realism_page
from pipeline_tasks.warehouse import connect

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the site: its place in the navigation, its template and its values."""

    link: Link
    template: str
    values: dict[str, Any]


def reports_root() -> Path:
    """Folder of all report sites."""
    return get_settings().home / "reports"


def site_folder(run_id: str) -> Path:
    """Folder of one run's site; the run id made safe for a path."""
    return reports_root() / re.sub(r"[^A-Za-z0-9_.-]+", "_", run_id)


def build_site(*, run_id: str, market: str, delivery_date: date) -> Path:
    """Write the site of one run and return the path of its index page.

    Every figure is read from ClickHouse. The site needs no network and no server; writing it again replaces it.

    Raises:
        KeyError: the market is not configured.
    """
    with connect() as warehouse:
        site = collect(warehouse, run_id=run_id, market=market, delivery_date=delivery_date)
    folder = site_folder(run_id)
    folder.mkdir(parents=True, exist_ok=True)
    # Altair's check of every chart against the Vega-Lite schema takes a third of the time; tests of the charts run it
    with debug_mode(False):
        render(site, folder)
    write_root_index()
    return folder / "index.html"


def render(site: SiteData, folder: Path) -> None:
    """Render all pages of a site into a folder; each file is replaced atomically."""
    degraded = set(site.degraded.get_column("model")) if site.degraded.height else set()
    pages = [
        Page(Link("index.html", "Overview", RUN), "index.html.j2", index_page(site)),
        *(
            Page(
                Link(f"{m.spec.name}.html", m.spec.label, group_of(m.spec.kind), m.spec.name in degraded),
                "model.html.j2",
                model_page(site, m),
            )
            for m in site.models
        ),
        *_network(site),
        *_cross_asset(site),
        Page(Link("scorecard.html", "Scorecard", EVIDENCE), "scorecard.html.j2", scorecard_page(site)),
        *([_realism(site)] if site.stylised_facts.height else []),
        Page(Link("quality.html", "Data quality", EVIDENCE), "quality.html.j2", quality_page(site)),
        Page(Link("watch.html", "Watch", EVIDENCE), "watch.html.j2", watch_page(site)),
        Page(Link("lineage.html", "Lineage", EVIDENCE), "lineage.html.j2", lineage_page(site)),
    ]
    templates = environment()
    shared = {
        "site": site,
        "groups_of_pages": grouped([page.link for page in pages]),
        "gate": site.selection.market.gate(site.delivery_date).astimezone(site.selection.market.zone).strftime("%a %d %b %H:%M %Z"),
        "synthetic": site.selection.market.key == "twin",
    }
    for page in pages:
        html = templates.get_template(page.template).render(**shared, **page.values, here=page.link.file, title=page.link.label)
        replace_file(folder / page.link.file, html)


def _network(site: SiteData) -> list[Page]:
    """Pages of the network, as far as there is something to show."""
    made = []
    if site.grid.limits.height:
        made.append(Page(Link("limits.html", "Limits", NETWORK), "limits.html.j2", limits_page(site.grid)))
    if site.grid.scenarios.height:
        made.append(Page(Link("outages.html", "Outages", NETWORK), "outages.html.j2", outages_page(site.grid)))
    if site.nodes.nodes.height:
        made.append(Page(Link("nodes.html", "Nodes", NETWORK), "nodes.html.j2", nodes_page(site.nodes)))
    return made


def _cross_asset(site: SiteData) -> list[Page]:
    """Spreads and, where arrivals are known, the causal report."""
    pages = []
    if site.cross.spreads.height:
        pages.append(Page(Link("spreads.html", "Spreads and hedges", CROSS_ASSET), "spreads.html.j2", spreads_page(site.cross)))
    if site.cross.effects.height:
        pages.append(Page(Link("lng.html", "LNG arrivals", CROSS_ASSET), "lng.html.j2", effects_page(site.cross)))
    return pages


def _realism(site: SiteData) -> Page:
    return Page(Link("realism.html", "Realism", EVIDENCE), "realism.html.j2", realism_page(site.stylised_facts))


def write_realism_page(facts: pl.DataFrame) -> Path:
    """Write the realism page on its own, beside the sites of runs, and return its path.

    Args:
        facts: rows of ops.stylised_facts, the newest of every data set.
    """
    path = site_folder("realism") / "index.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, environment().get_template("realism_alone.html.j2").render(**realism_page(facts)))
    write_root_index()
    return path


def environment() -> jinja2.Environment:
    """Templates of all pages, with the filters they use."""
    made = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined)
    made.filters["cell"] = _cell
    made.filters["label"] = lambda name: str(name).replace("_", " ")
    return made


def _cell(value: Any) -> str:
    """A table cell: short numbers, UTC minutes, twelve characters of a hash."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.2f}" if abs(value) >= 1 else f"{value:.4g}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    text = str(value)
    return f"{text[:12]}…" if re.fullmatch(r"[0-9a-f]{40,64}", text) else text


def replace_file(path: Path, text: str) -> None:
    """Write a page as a whole: readers see the old one or the new one."""
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def write_root_index() -> None:
    """List the sites, newest first, on reports/index.html."""
    root = reports_root()
    sites = sorted((p.parent for p in root.glob("*/index.html")), key=lambda p: (p / "index.html").stat().st_mtime, reverse=True)
    rows = [{"run": s.name, "written": datetime.fromtimestamp((s / "index.html").stat().st_mtime, tz=UTC)} for s in sites]
    replace_file(root / "index.html", environment().get_template("root.html.j2").render(rows=rows))
