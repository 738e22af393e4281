"""Joint scores of a distribution: whole days, their mean's tail, week and month, from the answers of a walk; nothing is fitted twice.

Every day's hours are drawn as the model draws them: marginals as answered, dependence from the PIT values of days known at the
decision. The days before the window only lend dependence; the window is scored with every copula.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.scenarios import (
    INDEPENDENT,
    METHODS,
    SCHAAKE,
    Past,
    energy_score,
    joint_levels,
    level_of,
    quantile_at,
    seed_of,
    variogram_score,
)
from models._kernel.shortfall import expected_shortfall, value_at_risk
from models._kernel.spec import ModelSpec
from models._kernel.tenors import EPOCH, Extension, extend, periods, tenor_values
from pipeline_tasks.scorecard.panel import KEY, aligned

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Columns = dict[str, list[float]]
COUNT = 500
MEMORY_DAYS = 364
ES_LEVEL = 0.975
ALL = (INDEPENDENT, *METHODS)
OWN, SHUFFLED = "own", "uncoupled"


@dataclass
class Joint:
    """Scores of whole days, one entry per hub and delivery date of the window, in time order within a hub.

    Attributes:
        day: delivery date, days since 1970.
        energy, variogram: score by method.
        rank: average-rank pre-rank of the outcome among the own scenarios, inside (0, 1).
        loss: day mean less its forecast mean.
        draws: the same of every own scenario, shape (days, COUNT).
        var, es: at `ES_LEVEL`, by side (short: the day mean is dear, long: it is cheap).
        coherence: largest distance between a tenor and the mean of the hours and days it is made of, per day.
        coupled: scores together with another model's scenarios, or why there are none.
        tenors: by tenor (week, month), scores of periods whose every day is known now.
    """

    day: list[int] = field(default_factory=list)
    energy: dict[str, list[float]] = field(default_factory=lambda: {m: [] for m in ALL})
    variogram: dict[str, list[float]] = field(default_factory=lambda: {m: [] for m in ALL})
    rank: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    draws: list[Array] = field(default_factory=list)
    var: dict[str, list[float]] = field(default_factory=lambda: {"short": [], "long": []})
    es: dict[str, list[float]] = field(default_factory=lambda: {"short": [], "long": []})
    coherence: list[float] = field(default_factory=list)
    coupled: Coupled | str = "the yardstick names no model whose scenarios belong to these"
    tenors: dict[str, Columns] = field(default_factory=lambda: {"week": _columns(), "month": _columns()})


@dataclass
class Coupled:
    """Scores of days of two series that share scenario numbers, one entry per hub and delivery date.

    Attributes:
        day: delivery date, days since 1970.
        energy, variogram: score with the numbers as they are (own) and with those of the second series shuffled.
    """

    day: list[int] = field(default_factory=list)
    energy: dict[str, list[float]] = field(default_factory=lambda: {OWN: [], SHUFFLED: []})
    variogram: dict[str, list[float]] = field(default_factory=lambda: {OWN: [], SHUFFLED: []})


def _columns() -> Columns:
    return {name: [] for name in ("day", "crps", "naive", "inside", "error", "base_error")}


@dataclass(frozen=True, slots=True)
class Hub:
    """One hub as day vectors: dates rising, intervals by their place in the local day (`minute` of each)."""

    market: str
    hub: str
    product: str
    date: Ints
    as_of: Ints
    known: Ints
    price: Array
    ladder: Array
    pit: Array
    means: Mapping[int, float]
    mean_known: Mapping[int, int]
    minute: Ints

    def usable(self, i: int) -> npt.NDArray[np.bool_]:
        """Intervals of day i that were answered and priced."""
        return np.asarray(np.isfinite(self.price[i]) & np.isfinite(self.ladder[i]).all(axis=1))


def joint_of(spec: ModelSpec, frame: pl.DataFrame, answers: pl.DataFrame, first: int, last: int) -> Joint:
    """Scores of the delivery dates first..last; answers of days before them lend dependence.

    Args:
        spec: the model.
        frame: feature rows with outcomes, in key order, all history.
        answers: answers of the window and of the days before it.
        first: first scored delivery date, days since 1970.
        last: last one.
    """
    levels = np.asarray(spec.levels, dtype=np.float64)
    joint = Joint()
    for hub in hubs_of(spec, frame, answers, levels):
        for i in np.flatnonzero((hub.date >= first) & (hub.date <= last)):
            _score_day(spec.name, hub, levels, int(i), joint)
    return joint


def hubs_of(spec: ModelSpec, frame: pl.DataFrame, answers: pl.DataFrame, levels: Array) -> Iterator[Hub]:
    """Every answered hub and product as day vectors."""
    once = frame.filter((pl.col("dst_fold") == 0) & pl.col("price_ccy_per_mwh").is_not_null())
    minute = pl.col("local_hour").cast(pl.Int64) * 60 + pl.col("delivery_ts").dt.minute().cast(pl.Int64)
    for (market, hub, product), own in once.group_by("market", "hub", "product", maintain_order=True):
        means = own.group_by("delivery_date").agg(pl.col("price_ccy_per_mwh").mean(), pl.col("price_known_ts").max()).sort("delivery_date")
        dates = means["delivery_date"].cast(pl.Int32).cast(pl.Int64).to_list()
        rows = own.join(answers.select(KEY), on=list(KEY), how="semi", maintain_order="left").with_columns(minute.alias("minute"))
        if rows.is_empty():
            continue
        date, day_index = np.unique(rows["delivery_date"].cast(pl.Int32).cast(pl.Int64).to_numpy(), return_inverse=True)
        minutes, slot = np.unique(rows["minute"].to_numpy(), return_inverse=True)
        shape = (date.size, minutes.size)
        price, ladder = np.full(shape, np.nan), np.full((*shape, levels.size), np.nan)
        price[day_index, slot] = rows["price_ccy_per_mwh"].cast(pl.Float64).to_numpy()
        ladder[day_index, slot] = aligned(rows, answers, list(spec.quantile_columns.values()))
        as_of, known = np.zeros(date.size, np.int64), np.zeros(date.size, np.int64)
        np.maximum.at(as_of, day_index, rows["as_of"].dt.epoch("ms").to_numpy())
        np.maximum.at(known, day_index, rows["price_known_ts"].dt.epoch("ms").to_numpy())
        pit = level_of(ladder.reshape(-1, levels.size), levels, price.ravel()).reshape(shape)
        yield Hub(str(market), str(hub), str(product), date, as_of, known, price, ladder, pit,
                   dict(zip(dates, means["price_ccy_per_mwh"].to_list(), strict=True)),
                   dict(zip(dates, means["price_known_ts"].dt.epoch("ms").to_list(), strict=True)), minutes)  # fmt: skip


def draw(
    name: str, hub: Hub, levels: Array, i: int, methods: tuple[str, ...] = ALL, only: npt.NDArray[np.bool_] | None = None
) -> tuple[dict[str, Array], Array]:
    """Scenarios of day i by method, and its outcome, over the intervals that were answered and priced (of these, `only` some)."""
    known = (hub.known[:i] <= hub.as_of[i]) & (hub.date[:i] < hub.date[i])
    use = hub.usable(i) if only is None else only
    chosen = np.flatnonzero(known)[-MEMORY_DAYS:]
    past, day = Past(hub.date[chosen], hub.pit[chosen][:, use]), int(hub.date[i])
    seeds = {"shared_seed": seed_of(hub.market, day), "own_seed": seed_of(name, hub.market, hub.hub, hub.product, day)}
    drawn = {m: quantile_at(hub.ladder[i][use], levels, joint_levels(m, past, day, COUNT, **seeds)) for m in methods}
    return drawn, hub.price[i][use]


def _score_day(name: str, hub: Hub, levels: Array, i: int, joint: Joint) -> None:
    drawn, outcome = draw(name, hub, levels, i)
    if not outcome.size:
        return
    joint.day.append(int(hub.date[i]))
    for method in ALL:
        joint.energy[method].append(energy_score(drawn[method], outcome))
        joint.variogram[method].append(variogram_score(drawn[method], outcome))
    kept = drawn[SCHAAKE]
    joint.rank.append(_prerank(kept, outcome))
    own = kept.mean(axis=1)
    joint.draws.append(own - own.mean())
    joint.loss.append(float(outcome.mean() - own.mean()))
    for side, losses in (("short", own - own.mean()), ("long", own.mean() - own)):
        joint.var[side].append(float(value_at_risk(losses, ES_LEVEL)))
        joint.es[side].append(float(expected_shortfall(losses, ES_LEVEL)))
    _score_tenors(name, hub, i, kept, joint)


def _prerank(samples: Array, outcome: Array) -> float:
    """Average rank of the outcome over its hours, ranked among the average ranks of the scenarios (Thorarinsdottir et al. 2016)."""
    pooled = np.vstack([outcome, samples])
    average = np.argsort(np.argsort(pooled, axis=0), axis=0).mean(axis=1)
    return float(((average[1:] < average[0]).sum() + 0.5 * (1 + (average[1:] == average[0]).sum())) / average.size)


def _score_tenors(name: str, hub: Hub, i: int, samples: Array, joint: Joint) -> None:
    day, own = int(hub.date[i]), samples.mean(axis=1)
    known = {d: m for d, m in hub.means.items() if d < day and hub.mean_known[d] <= hub.as_of[i]}
    dates = np.array(sorted(known), dtype=np.int64)
    extension = extend(dates, np.array([known[int(d)] for d in dates]), day, own, seed=seed_of(name, hub.market, hub.hub, hub.product, day))
    ahead = np.empty((own.size, 0)) if extension is None else extension.values
    values = tenor_values(known, day, own, ahead)
    joint.coherence.append(max(_incoherence(t, v, known, day, samples, ahead) for t, v in values.items()))
    if extension is not None:
        for tenor, columns in joint.tenors.items():
            _score_period(hub, day, tenor, values, extension, known=known, columns=columns)


def _days(tenor: str, day: int) -> range:
    begin, end = periods(EPOCH + timedelta(days=day))[tenor]
    return range((begin - EPOCH).days, (end - EPOCH).days + 1)


def _incoherence(tenor: str, values: Array, known: Mapping[int, float], day: int, samples: Array, ahead: Array) -> float:
    """Distance of a tenor from the sum over its hours, every day of them told in the delivery date's intervals."""
    hours = samples.shape[1]
    days, total = _days(tenor, day), np.zeros(samples.shape[0])
    if any(d < day and d not in known for d in days):
        return 0.0  # an unknown day before delivery has no hours of its own to compare with
    for d in days:
        total += samples.sum(axis=1) if d == day else hours * (ahead[:, d - day - 1] if d > day else known[d])
    return float(np.abs(values - total / (hours * len(days))).max())


def _score_period(
    hub: Hub, day: int, tenor: str, values: Mapping[str, Array], extension: Extension, *, known: Mapping[int, float], columns: Columns
) -> None:
    """Score a week or month that the delivery date does not end and whose every day is known by now."""
    days = _days(tenor, day)
    if tenor not in values or day == days[-1] or any(d not in hub.means for d in days):
        return
    truth, drawn = float(np.mean([hub.means[d] for d in days])), values[tenor]
    spread = np.sort(drawn)
    n = spread.size
    crps = np.abs(drawn - truth).mean() - float((2 * np.arange(1, n + 1) - n - 1) @ spread) / n**2
    low, high = np.quantile(drawn, [0.05, 0.95])
    week_ago = [known.get(d) if d < day else known.get(d - 7 * (1 + (d - day) // 7)) for d in days]
    naive = float(np.mean([np.nan if v is None else v for v in week_ago]))
    columns["day"].append(day)
    columns["crps"].append(float(crps))
    columns["naive"].append(abs(truth - naive))
    columns["inside"].append(float(low <= truth <= high))
    columns["error"].append(abs(truth - float(drawn.mean())))
    shift = sum(extension.base[d - day - 1] - extension.reconciled[d - day - 1] for d in days if d > day) / len(days)
    columns["base_error"].append(abs(truth - float(drawn.mean() + shift)))
