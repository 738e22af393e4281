"""F3 on the simulated market: what knowing the participants is worth to a forecast of prices where congestion is expected.

Hours are flagged by what is public at the gate: the day-ahead congestion components of hubs lay `SPREAD` or more apart in the same hour of
the newest published day. In these hours the market is cleared on the public state with three sets of offers, and the prices and congestion
that come out are added to the inputs of one LightGBM quantile model. True offers are the bound of behaviour knowledge.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.metrics import crps_losses
from models._kernel.quantile_boosting import BoostSettings, ladder, train
from models._kernel.yardstick import DataClass
from pipeline_tasks.participants.daily import DailyBook
from pipeline_tasks.participants.market_run import Cleared, read_forecasts, run_day
from pipeline_tasks.participants.stores import StoreDays, expected_output, learn_stores, read_prices
from pipeline_tasks.scorecard.irl_recovery import Fold
from pipeline_tasks.scorecard.irl_rows import ALPHA, beats, measured
from pipeline_tasks.scorecard.measures import against, ratio
from pipeline_tasks.scorecard.rows import ScoreRow, Verdict
from pipeline_tasks.scorecard.systems import SystemJob
from pipeline_tasks.warehouse import Warehouse

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
SPREAD = 5.0  # currency/MWh between hubs' congestion components
TARGET = 0.10
TRAIN_DAYS, REFIT_DAYS = 60, 30
KNOTS = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)
LEVELS = np.arange(0.05, 0.9501, 0.05)
SETTINGS = BoostSettings(rounds=150, leaves=15, learning_rate=0.06, min_rows=20)
LAST, LEARNED, ORACLE = "last_disclosed", "learned", "true_offers"
SAME_MODEL = {"without": "same_model_without", LAST: "same_model_last_disclosed_offers"}
TARGETS = {"price": "price_ccy_per_mwh", "congestion": "congestion"}
KEYS = (
    "market",
    "hub",
    "product",
    "delivery_ts",
    "delivery_date",
    "as_of",
    "currency",
    "price_known_ts",
    "price_ccy_per_mwh",
    "resolution_min",
)


def market_rows(
    job: SystemJob, warehouse: Warehouse, book: DailyBook, folds: list[Fold], stores: list[StoreDays], frame: pl.DataFrame
) -> list[ScoreRow]:
    """Rows of the market run and of the ablation; `frame` holds the day-ahead features of all hubs with outcomes."""
    flagged = flagged_hours(warehouse, book)
    simulated = pl.concat(list(_simulated(job, warehouse, book, folds, stores, flagged)))
    panel = _panel(warehouse, book, frame, simulated)
    made = [*_run_rows(job, panel)]
    for target, column in TARGETS.items():
        job.say(f"{job.data_set}: quantile models of the {target}")
        made += _ablation(job, panel, target, column)
    return made


def flagged_hours(warehouse: Warehouse, book: DailyBook) -> dict[int, list[int]]:
    """Delivery date (days since 1970) to the elapsed hours that are flagged at its gate.

    The newest published day is the one before delivery where its prices were out by the gate; else the hour is not flagged.
    """
    market = book.market
    prices = warehouse.query(
        "select delivery_ts, known_ts, congestion_ccy_per_mwh as congestion from raw.prices"
        " where market = {market:String} and product = 'da' and hub in {hubs:Array(String)} order by known_ts limit 1 by delivery_ts, hub",
        {"market": market.key, "hubs": list(market.hubs)},
    )
    spread = prices.group_by("delivery_ts").agg(
        (pl.col("congestion").max() - pl.col("congestion").min()).alias("spread"), pl.col("known_ts").max()
    )
    told = {t: (s, k) for t, s, k in spread.iter_rows()}
    found: dict[int, list[int]] = {}
    for position, day in enumerate(book.days.tolist()):
        delivery = book.date_of(position)
        (begin, end), gate = market.day_bounds(delivery), market.gate(delivery)
        before = market.day_bounds(delivery - timedelta(days=1))[0]
        hours = []
        for hour in range(round((end - begin) / timedelta(hours=1))):
            value, known = told.get(before + timedelta(hours=hour), (0.0, gate + timedelta(days=1)))
            if value >= SPREAD and known <= gate:
                hours.append(hour)
        found[day] = hours
    return found


def _simulated(
    job: SystemJob, warehouse: Warehouse, book: DailyBook, folds: list[Fold], stores: list[StoreDays], flagged: dict[int, list[int]]
) -> Iterator[pl.DataFrame]:
    """Prices and congestion by hub and hour of every set of offers, fold by fold."""
    forecasts = read_forecasts(warehouse, book)
    days, paths = read_prices(warehouse, book)
    by_name = {s.unit: s for s in stores}
    for fold in folds:
        job.say(f"{job.data_set}: market run from {book.date_of(fold.days.start)}")
        policies = learn_stores(stores, int(book.days[fold.days.start]) - 1)
        told = book.forecast(fold.learned, fold.days)
        for k, day in enumerate(range(fold.days.start, fold.days.stop)):
            before = int(book.days[day]) - 1
            path = paths[days == before]
            if not flagged[int(book.days[day])] or not len(path):
                continue
            expected = {u: expected_output(by_name[u], p, path[0], before) for u, p in policies.items()}
            offers = {LAST: book.price[book.known[day]], LEARNED: told[k], ORACLE: book.price[day]}
            hours = flagged[int(book.days[day])]
            found = run_day(warehouse, book, forecasts, book.date_of(day), offers, hours=hours, stores=expected)
            yield _as_frame(book, int(book.days[day]), found)


def _as_frame(book: DailyBook, day: int, found: dict[str, dict[datetime, Cleared]]) -> pl.DataFrame:
    hubs = sorted(book.market.hubs)
    rows = [
        {"day": day, "hub": hub, "delivery_ts": at}
        | {f"{name}_price": float(found[name][at].price[k]) for name in found}
        | {f"{name}_congestion": float(found[name][at].congestion[k] - found[name][at].congestion.mean()) for name in found}
        for at in found[LAST]
        for k, hub in enumerate(hubs)
    ]
    return pl.DataFrame(rows).with_columns(pl.col("delivery_ts").cast(pl.Datetime("ms", "UTC")))


def _panel(warehouse: Warehouse, book: DailyBook, frame: pl.DataFrame, simulated: pl.DataFrame) -> pl.DataFrame:
    """Features, simulations and outcomes of the flagged hours; congestion is less its mean over hubs, so that no reference bus matters."""
    outcome = warehouse.query(
        "select hub, delivery_ts, congestion_ccy_per_mwh as congestion from raw.prices where market = {market:String} and product = 'da'"
        " and hub in {hubs:Array(String)} order by known_ts limit 1 by delivery_ts, hub",
        {"market": book.market.key, "hubs": list(book.market.hubs)},
    ).with_columns(pl.col("congestion") - pl.col("congestion").mean().over("delivery_ts"))  # fmt: skip
    outage = pl.DataFrame({"day": book.days, "outage_share": book.state.outage})
    joined = simulated.join(frame.filter(pl.col("product") == "da"), on=["hub", "delivery_ts"]).join(outcome, on=["hub", "delivery_ts"])
    return joined.join(outage, on="day").sort("delivery_ts", "hub")


@dataclass(frozen=True, slots=True)
class _Variant:
    """A name and the columns it adds to the inputs."""

    name: str
    added: tuple[str, ...]


def _variants() -> tuple[_Variant, ...]:
    return (
        _Variant("without", ()),
        *(_Variant(n, (f"{n}_price", f"{n}_congestion", f"{n}_hour_price")) for n in (LAST, LEARNED, ORACLE)),
    )


def _ablation(job: SystemJob, panel: pl.DataFrame, target: str, column: str) -> list[ScoreRow]:
    """CRPS of the same quantile model with and without what the market runs say."""
    frame = panel.with_columns(
        *(pl.col(f"{n}_price").mean().over("delivery_ts").alias(f"{n}_hour_price") for n in (LAST, LEARNED, ORACLE)),
        pl.col("hub").rank("dense").cast(pl.Float64).alias("hub_number"),
    )
    simulated = {a for v in _variants() for a in v.added}
    numeric = [c for c, t in frame.schema.items() if t.is_numeric() and c not in {*KEYS, *simulated, "day", "congestion"}]
    base = [c for c in numeric if frame[c].null_count() < frame.height]
    days, outcome = frame["day"].to_numpy(), frame[column].to_numpy()
    losses = {v.name: np.full(len(days), np.nan) for v in _variants()}
    first = int(days.min()) + TRAIN_DAYS
    for start in range(first, int(days.max()) + 1, REFIT_DAYS):
        past, told = days < start - 1, (days >= start) & (days < start + REFIT_DAYS)  # the day before is not priced at the gate
        if not told.any():
            continue
        for variant in _variants():
            names = [*base, *variant.added]
            inputs = frame.select(pl.col(n).cast(pl.Float64) for n in names).to_numpy()
            boosters = train(inputs[past], names, outcome[past], KNOTS, SETTINGS, seed=job.seed)
            quantiles = ladder(LEVELS.tolist(), KNOTS, boosters.quantiles(inputs[told]))
            losses[variant.name][told] = crps_losses(outcome[told], quantiles, LEVELS)
    scored = np.isfinite(losses["without"])
    note = (
        f"hours with {SPREAD:g} EUR/MWh or more between hubs' congestion in the same hour of the newest day published at the gate;"
        f" all hubs; {len(base)} inputs with load, wind, sun, fuels, outages and past prices, refitted every {REFIT_DAYS} days"
    )
    day = days[scored]
    found = {k: v[scored] for k, v in losses.items()}
    asked = (
        ("", LEARNED, "without", "with the market run on learned offers"),
        ("_behaviour_alone", LEARNED, LAST, "learned offers in place of the last disclosed"),
        ("_oracle", ORACLE, "without", "bound: true offers on the public state"),
        ("_oracle_behaviour_alone", ORACLE, LAST, "bound of knowing offers: true in place of the last disclosed ones"),
    )
    return [
        _skill(job, f"crpss_{target}{name}", (found[own], found[other]), day, (f"{said}; {note}", SAME_MODEL[other]), judged=not name)
        for name, own, other, said in asked
    ]


def _skill(job: SystemJob, metric: str, losses: tuple[Array, Array], day: Ints, said: tuple[str, str], *, judged: bool) -> ScoreRow:
    found = ratio(*losses, day, seed=job.seed, name=said[0] if judged else f"reported; {said[0]}", skill=True)
    passed = found.value >= TARGET and found.p_value is not None and found.p_value < ALPHA
    verdict: Verdict = "pass" if passed or not judged else "miss"
    return measured(job, DataClass.TWIN, metric, found, day, (said[1], verdict), target=TARGET if judged else None)


def _run_rows(job: SystemJob, panel: pl.DataFrame) -> list[ScoreRow]:
    """Error of the market run itself against the simulated market's prices."""
    day = panel["day"].to_numpy()
    errors = {n: np.abs((panel[f"{n}_price"] - panel["price_ccy_per_mwh"]).to_numpy()) for n in (LAST, LEARNED, ORACLE)}
    said = "EUR/MWh, hub prices of flagged hours; market run on the public state: commitment, reserves and losses are not public"
    beside = against(errors[LEARNED], errors[ORACLE], day, seed=job.seed, name=f"reported; {said}")
    return [
        beats(job, DataClass.TWIN, "market_run_mae", (errors[LEARNED], errors[LAST]), day, (said, f"{LAST}_offers")),
        measured(job, DataClass.TWIN, "market_run_mae", beside, day, (ORACLE, "pass")),
    ]
