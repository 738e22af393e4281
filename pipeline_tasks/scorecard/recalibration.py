"""O5: raw LightGBM quantiles against recalibrated ones: split CQR, Mondrian CQR by hour, ACI, conformal PID; walk forward.

LightGBM is refitted every quarter; the days before the window are answered in the same way, so that every correction starts from
out-of-sample days and the kept method is chosen before the window. Corrections learn from outcomes known at each decision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from config.settings import get_settings
from models._kernel.conformal import AdaptiveConformal
from models._kernel.metrics import interval_losses
from models._kernel.recalibration import ConformalPid, walk_cqr
from models._kernel.stats import diebold_mariano, kupiec
from models._kernel.yardstick import DataClass
from pipeline_tasks.contracts.features import DAY_AHEAD
from pipeline_tasks.scorecard.rows import ScoreRow, Verdict
from pipeline_tasks.scorecard.sources import DataAbsentError, DataSet
from pipeline_tasks.scorecard.systems import SystemJob, system_row

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
DATA_SETS = ("epf_de", "be", "ercot_hb_north")
LEVELS = np.array([0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95])
TEST_DAYS, EARLIER_DAYS, REFIT_DAYS, TRAIN_DAYS, MEMORY_DAYS = 364, 364, 91, 728, 182
BLOCKS = 4
ROUNDS, LEAVES, RATE = 150, 31, 0.05
NOT_INPUTS = frozenset(
    {"price_ccy_per_mwh", "price_known_ts", "delivery_ts", "delivery_date", "as_of", "market", "hub", "product", "currency"}
)
RAW = "raw_lightgbm"
METHODS: Mapping[str, Callable[[Array, Array, Ints], Array]] = {
    "split_cqr": lambda q, y, known: walk_cqr(q, y, LEVELS, known, window=MEMORY_DAYS),
    "mondrian_cqr": lambda q, y, known: walk_cqr(q, y, LEVELS, known, window=MEMORY_DAYS, groups=np.arange(q.shape[1]) * 24 // q.shape[1]),
    "aci": lambda q, y, known: AdaptiveConformal(LEVELS, q.shape[1], 0.02, MEMORY_DAYS).run(q, y, known_before=known),
    "conformal_pid": lambda q, y, known: ConformalPid(LEVELS, q.shape[1], window=MEMORY_DAYS).run(q, y, known),
}


@dataclass(frozen=True, slots=True)
class Days:
    """Day vectors of one hub: prices and raw quantiles of the window and of the days before it.

    Attributes:
        date: delivery dates, days since 1970.
        price: shape (days, slots); NaN where there is none.
        raw: LightGBM quantiles, shape (days, slots, levels).
        known: per day, how many of the first days are known at its decision.
        first: position of the first day of the window.
    """

    date: Ints
    price: Array
    raw: Array
    known: Ints
    first: int


def rows(job: SystemJob) -> list[ScoreRow]:
    """Rows of O5 on one data set; beside them a figure of the raw and the recalibrated fan below the state folder."""
    try:
        data = job.source.load(job.data_set, DAY_AHEAD, job.say)
        days = walked(data, job)
    except DataAbsentError as error:
        return [system_row(job, DataClass.REAL, m, None, reason=str(error), baseline=RAW) for m in _metrics()]
    job.say(f"{job.data_set}: recalibrating")
    found = {RAW: days.raw, **{name: method(days.raw, days.price, days.known) for name, method in METHODS.items()}}
    kept = _chosen(days, found)
    _figure(job, days, found[RAW], found[kept], kept)
    made = [row for name in METHODS for row in _method_rows(job, data, days, found, name)]
    return [*made, *_method_rows(job, data, days, {RAW: found[RAW], "kept": found[kept]}, "kept", note=f"kept before the window: {kept}")]


def walked(data: DataSet, job: SystemJob) -> Days:
    """Raw quantiles of the window and the days before it, each from a fit on days known at its block's first decision.

    Raises:
        DataAbsentError: fewer than 300 priced days.
    """
    hub, product = data.selection.hubs[0], data.selection.market.product
    own = data.frame.filter((pl.col("hub") == hub) & (pl.col("product") == product) & (pl.col("dst_fold") == 0))
    own = own.filter(pl.col("price_ccy_per_mwh").is_not_null() & (pl.col("delivery_date") <= (job.end or date.max)))
    dates = own["delivery_date"].unique().sort().to_list()
    if len(dates) < 300:
        raise DataAbsentError(f"{data.name}: {len(dates)} priced days; recalibration needs 300 to train, calibrate and test")
    test = min(TEST_DAYS, len(dates) // 3) if job.start is None else sum(d >= job.start for d in dates)
    earlier = min(EARLIER_DAYS, (len(dates) - test) // 2)
    asked = dates[-(test + earlier) :]
    parts = [_block(own, asked[i : i + REFIT_DAYS], job) for i in range(0, len(asked), REFIT_DAYS)]
    return _vectors(own.filter(pl.col("delivery_date").is_in(asked)), np.vstack(parts), earlier)


def _block(own: pl.DataFrame, block: list[date], job: SystemJob) -> Array:
    """Raw quantiles of a block's rows, in the order of `own`."""
    import lightgbm as lgb

    job.say(f"{job.data_set}: LightGBM quantiles from {block[0]}")
    target = own.filter(pl.col("delivery_date").is_in(block))
    past = own.filter(
        (pl.col("price_known_ts") <= target["as_of"].min()) & (pl.col("delivery_date") >= block[0] - timedelta(days=TRAIN_DAYS))
    )
    inputs = [c for c, t in own.schema.items() if c not in NOT_INPUTS and (t.is_numeric() or t == pl.Boolean)]
    x, new = (frame.select(pl.col(inputs).cast(pl.Float64)).to_numpy() for frame in (past, target))
    label = past["price_ccy_per_mwh"].to_numpy()
    common = {"objective": "quantile", "num_leaves": LEAVES, "learning_rate": RATE, "num_threads": 1, "verbosity": -1, "seed": job.seed,
              "deterministic": True, "force_row_wise": True}  # fmt: skip
    table = lgb.Dataset(x, label, free_raw_data=False, params={"verbosity": -1})
    return np.column_stack([lgb.train({**common, "alpha": float(p)}, table, num_boost_round=ROUNDS).predict(new) for p in LEVELS])


def _vectors(asked: pl.DataFrame, raw: Array, first: int) -> Days:
    date_of = asked["delivery_date"].cast(pl.Int32).cast(pl.Int64).to_numpy()
    minute = asked["local_hour"].cast(pl.Int64).to_numpy() * 60 + asked["delivery_ts"].dt.minute().cast(pl.Int64).to_numpy()
    dates, day = np.unique(date_of, return_inverse=True)
    minutes, slot = np.unique(minute, return_inverse=True)
    price, ladder = np.full((dates.size, minutes.size), np.nan), np.full((dates.size, minutes.size, LEVELS.size), np.nan)
    price[day, slot], ladder[day, slot] = asked["price_ccy_per_mwh"].cast(pl.Float64).to_numpy(), raw
    as_of, since = np.zeros(dates.size, np.int64), np.zeros(dates.size, np.int64)
    np.maximum.at(as_of, day, asked["as_of"].dt.epoch("ms").to_numpy())
    np.maximum.at(since, day, asked["price_known_ts"].dt.epoch("ms").to_numpy())
    late = np.maximum.accumulate(since)  # a day counts as known once all before it are
    known = np.minimum(np.searchsorted(late, np.maximum.accumulate(as_of), side="right"), np.arange(dates.size))
    return Days(dates, price, ladder, known.astype(np.int64), first)


def block_errors(price: Array, ladder: Array) -> Array:
    """|coverage of the 90 % interval - 0.9| of every block of the day (six hours each), shape (BLOCKS,)."""
    inside = np.where(np.isfinite(price) & np.isfinite(ladder).all(axis=2), (price >= ladder[..., 0]) & (price <= ladder[..., -1]), np.nan)
    block = np.arange(price.shape[1]) * BLOCKS // price.shape[1]
    return np.array([abs(float(np.nanmean(inside[:, block == b])) - 0.9) for b in range(BLOCKS)])


def _winkler_days(price: Array, ladder: Array) -> Array:
    """Mean interval score of every day."""
    good = np.isfinite(price) & np.isfinite(ladder).all(axis=2)
    score = np.full(price.shape, np.nan)
    low, high = np.minimum(ladder[..., 0], ladder[..., -1]), np.maximum(ladder[..., 0], ladder[..., -1])
    score[good] = interval_losses(price[good], low[good], high[good], alpha=0.1)
    return np.asarray(np.nanmean(score, axis=1), dtype=np.float64)


def _chosen(days: Days, found: Mapping[str, Array]) -> str:
    """The method with the best interval score on the younger half of the days before the window."""
    before = slice(days.first // 2, days.first)
    return min(METHODS, key=lambda m: float(_winkler_days(days.price[before], found[m][before]).mean()))


def _metrics() -> list[str]:
    return [f"{metric}_{m}" for m in (*METHODS, "kept") for metric in ("block_coverage_error", "winkler_90", "coverage_90", "crossing")]


def _method_rows(job: SystemJob, data: DataSet, days: Days, found: Mapping[str, Array], name: str, note: str = "") -> list[ScoreRow]:
    price, own, raw = (v[days.first :] for v in (days.price, found[name], found[RAW]))
    shown = days.date[days.first :]
    error, base = block_errors(price, own), block_errors(price, raw)
    score, raw_score = _winkler_days(price, own), _winkler_days(price, raw)
    worse = diebold_mariano(score, raw_score, alternative="greater").p_value
    better = diebold_mariano(score, raw_score, alternative="less").p_value
    good = np.isfinite(price)
    outside, raw_outside = (((price < q[..., 0]) | (price > q[..., -1]))[good] for q in (own, raw))
    crossings, raw_crossings = (int((np.diff(q[good], axis=1) < 0).any(axis=1).sum()) for q in (own, raw))
    said = f"{note}; " if note else ""
    target = 0.5 * float(base.mean())
    blocks = ", ".join(f"{6 * b:02d}-{6 * b + 6:02d} h {r:.3f} -> {e:.3f}" for b, (r, e) in enumerate(zip(base, error, strict=True)))

    def row(
        metric: str, value: float, beside: float, reason: str, *, passed: bool = True, target: float | None = None, p: float | None = None
    ) -> ScoreRow:
        verdict: Verdict = "pass" if passed else "miss"
        n, text = int(good.sum()), said + reason
        return system_row(
            job, data.data_class, f"{metric}_{name}", value, reason=text, n=n, verdict=verdict, target=target,
            baseline=RAW, baseline_value=beside, p_value=p, days=shown,
        )  # fmt: skip

    told = f"mean interval score; p: daily Diebold-Mariano that it is smaller; that it is larger: p = {worse:.3g}"
    share, raw_share = float(1 - outside.mean()), float(1 - raw_outside.mean())
    mean, raw_mean = float(error.mean()), float(base.mean())
    shown_blocks = f"mean |coverage - 0.9| over blocks of the day; by block {blocks}"
    return [
        row("block_coverage_error", mean, raw_mean, shown_blocks, passed=mean <= target, target=target),
        row("winkler_90", float(score.mean()), float(raw_score.mean()), told, passed=worse >= 0.05, p=better),
        row("coverage_90", share, raw_share, "reported; p: Kupiec over all rows", p=kupiec(outside, 0.1).p_value),
        row("crossing", float(crossings), float(raw_crossings), "rows whose quantiles cross", passed=crossings == 0, target=0.0),
    ]


def _figure(job: SystemJob, days: Days, raw: Array, recalibrated: Array, kept: str) -> None:
    """Write raw and recalibrated fan of the window's last seven days side by side."""
    from pipeline_tasks.reports.charts import recalibration_fans, to_svg

    last = slice(max(days.first, days.date.size - 7), None)
    fans = {"raw LightGBM": raw[last], f"recalibrated ({kept})": recalibrated[last]}
    path = get_settings().home / "scorecard" / "recalibration" / f"{job.data_set}.svg"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(to_svg(recalibration_fans(fans, days.price[last])), encoding="utf-8")
