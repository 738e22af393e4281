"""Participants step: learn the policies of a market's units from public offers, register the run, publish policies and offers expected."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from pipeline_tasks.steps.context import RunContext
from pipeline_tasks.steps.learned import publish_rows, register_learned

if TYPE_CHECKING:
    from pipeline_tasks.participants.publication import Policies
    from pipeline_tasks.warehouse import Warehouse

HISTORY_DAYS = 60
PRICES = ("price_ccy_per_mwh", "price_q10_ccy_per_mwh", "price_q90_ccy_per_mwh", "cost_ccy_per_mwh", "markup_ccy_per_mwh")
SHOWN = ("unit_id", "kind", "product", "window", "block", "start_mw", "block_mw", *PRICES)


def learn_participants(
    context: RunContext, say: Callable[[str], None] = lambda _: None, *, seed: int = 0, publish: bool = True
) -> dict[str, Any]:
    """Learn from what was public at the gate of the run's delivery date, and publish what the participants are expected to offer.

    The same state gives the same rows and the same artifact; the same market and delivery date replaces what was published before.

    Returns:
        `units`, `curves` (rows), `version` in the registry, `artifact_sha`, `metrics`, `publications`, `seconds`.

    Raises:
        NoOffersError: no offers are public at the gate.
    """
    from pipeline_tasks.contracts import PARTICIPANT_TABLES
    from pipeline_tasks.participants.publication import MODEL, lineage_of, rows_of_tables
    from pipeline_tasks.steps.code_version import code_sha
    from pipeline_tasks.steps.exact import one_blas_thread
    from pipeline_tasks.steps.gates import market_regime
    from pipeline_tasks.warehouse import connect
    from pipeline_tasks.warehouse.migrate import ensure

    began = time.perf_counter()
    market = context.selection.market
    with connect() as warehouse:
        ensure(warehouse)
        with one_blas_thread():  # the same bytes from a shell and from a DAG
            found, data_version = _learned(warehouse, context, say)
        version, artifact_sha = ("", "")
        if publish:
            say(f"{market.key}: register")
            version, artifact_sha = _register(found, context, data_version, seed, time.perf_counter() - began)
        values = {
            "run_id": context.run_id,
            "model_version": version,
            "artifact_sha": artifact_sha,
            "code_sha": code_sha(),
            "data_version": data_version,
            "regime": market_regime(warehouse, market.key, context.delivery_date, context.as_of),
        }
        rows = rows_of_tables(found, lineage_of(values, as_of=context.as_of, market=market.key, delivery=context.delivery_date))
        published: list[dict[str, Any]] = []
        for table in PARTICIPANT_TABLES if publish else ():
            published += publish_rows(warehouse, table, rows[table.name], run_id=context.run_id, model=MODEL)
    curves = rows["offer_curves"]
    return {
        "run_id": context.run_id,
        "units": curves["unit_id"].n_unique(),
        "curves": curves.height,
        "kinds": dict(curves.group_by("kind").agg(pl.col("unit_id").n_unique()).sort("kind").iter_rows()),
        "version": version,
        "artifact_sha": artifact_sha,
        "data_version": data_version,
        "metrics": found.metrics,
        "publications": published,
        "seconds": round(time.perf_counter() - began, 3),
    }


def show_participants(market: str, delivery_date: date, *, unit: str = "") -> dict[str, Any]:
    """Published policies and expected offers of a delivery date, of one unit where it is named.

    Raises:
        ValueError: nothing is published for the date (and unit).
    """
    from pipeline_tasks.warehouse import connect

    params = {"market": market, "day": delivery_date, "unit": unit}
    where = "where market = {market:String} and delivery_date = {day:Date32} and ({unit:String} = '' or unit_id = {unit:String})"
    with connect() as warehouse:
        order = "order by unit_id, product, delivery_ts, window, block"
        curves = warehouse.query(f"select {', '.join(SHOWN)}, delivery_ts from curated.v_offer_curves {where} {order}", params)
        policies = warehouse.query(
            f"select unit_id, kind, product, window, block, policy, parameter, value from curated.v_participant_policies {where}"
            " order by unit_id, policy, window, block, parameter", params
        )  # fmt: skip
    if curves.is_empty():
        named = f" of unit {unit!r}" if unit else ""
        remedy = f"desk participants learn --market {market} --date {delivery_date}"
        raise ValueError(f"market {market!r}: nothing{named} is published for {delivery_date}; {remedy}")
    rounded = pl.col(pl.Float64).round(3)
    return {"curves": curves.with_columns(rounded).to_dicts(), "policies": policies.with_columns(pl.col(pl.Float64).round(5)).to_dicts()}


def _learned(warehouse: Warehouse, context: RunContext, say: Callable[[str], None]) -> tuple[Policies, str]:
    """Policies by the form of the market's offers: hourly bids of a balancing mechanism, or daily offers of a pool."""
    market = context.selection.market
    hourly = warehouse.scalar(
        "select count() > 0 from raw.offers where market = {market:String} and product = 'bm_offer' and resolution_min = 60",
        {"market": market.key},
    )
    return _of_bids(warehouse, context, say) if hourly else _of_offers(warehouse, context, say)


def _of_bids(warehouse: Warehouse, context: RunContext, say: Callable[[str], None]) -> tuple[Policies, str]:
    from models._kernel.behaviour.bid_policy import learn_policies
    from pipeline_tasks.participants.hourly import read_book, rows_of, unit_kinds, with_day
    from pipeline_tasks.participants.publication import of_bids

    market, day = context.selection.market, context.delivery_date
    say(f"{market.key}: hourly bids known at the gate")
    book = with_day(read_book(warehouse, market, as_of=context.as_of, since=day - timedelta(days=HISTORY_DAYS)), day)
    past = book.hours_of(day - timedelta(days=HISTORY_DAYS), day)
    until = int(book.bids.known[past.stop])
    series, hour = rows_of(book, past, until=until)
    say(f"{market.key}: habits of {len(book.units)} units from {len(series)} prices")
    policies = learn_policies(book.bids, series, hour, unit_kinds(book, past, until))
    return of_bids(book, policies, day), _sha(book.bids.price, book.withheld)


def _of_offers(warehouse: Warehouse, context: RunContext, say: Callable[[str], None]) -> tuple[Policies, str]:
    import numpy as np

    from pipeline_tasks.participants.daily import read_daily
    from pipeline_tasks.participants.publication import of_offers
    from pipeline_tasks.participants.stores import learn_stores, read_stores

    market = context.selection.market
    say(f"{market.key}: disclosed offers")
    book = read_daily(warehouse, market, context.delivery_date)
    day = book.day_of(context.delivery_date)
    say(f"{market.key}: costs and markups of {book.columns['unit_id'].n_unique()} units")
    learned = book.learned(day)
    stores = learn_stores(read_stores(warehouse, book), int(book.days[day]) - 1)  # the day before is not over at the gate
    disclosed = book.price[: int(book.known[day]) + 1]
    return of_offers(book, learned, stores, context.delivery_date), _sha(disclosed, book.fuels, np.ascontiguousarray(book.state.tightness))


def _sha(*arrays: Any) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(str(array.shape).encode() + array.tobytes())
    return digest.hexdigest()


def _register(found: Policies, context: RunContext, data_version: str, seed: int, seconds: float) -> tuple[str, str]:
    """Log the run and its artifact in MLflow; the same learning again is the same version."""
    from config.settings import get_settings
    from pipeline_tasks.participants.publication import MODEL

    ref = register_learned(
        found.save,
        context,
        model=MODEL,
        market=context.market,
        data_version=data_version,
        profile=get_settings().profile,
        params={"history_days": HISTORY_DAYS, "seed": seed},
        metrics=found.metrics | {"seconds": seconds, "curve_rows": float(found.curves.height)},
        seed=seed,
    )
    return ref.version, ref.artifact_sha
