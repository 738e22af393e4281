"""Model of scenario_gen: forecast marginals, conditions, generators, and the bank of paths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel import frames
from models._kernel.market_days import SERIES, Scales, calendar, daily, scales_of
from models._kernel.markov_switching import Priors, Switching, fit_switching
from models._kernel.protocol import Contributions, Features, Prediction
from models._kernel.scenarios import seed_of
from models._kernel.spec import ModelSpec
from models._kernel.tenors import EPOCH
from models._kernel.week_ridge import NAMES, WeekRidge, fit_week_ridge
from models.scenario_gen import storage
from models.scenario_gen.conditions import DAY, FACTS, STATE, STATES, facts
from models.scenario_gen.days import HOURS, Days, Key, days_of, recent, scores
from models.scenario_gen.generator import Generator, Training, fit_generator
from models.scenario_gen.params import Params, ScenarioSet
from models.scenario_gen.paths import Ask, HubDay, Paths, draw, draw_together, long
from models.scenario_gen.spec import LEVELS, QUANTILES, SPEC
from models.scenario_gen.tables import SCENARIO_BANK
from models.scenario_gen.tailed import Tails

Array = npt.NDArray[np.float64]
ASKED = tuple(c for c in SPEC.required if c not in {"price_ccy_per_mwh", "price_known_ts"})
LADDER = np.asarray(LEVELS)
MEMORY_DAYS = 40  # days before a decision whose errors it looks at
LEAST_DAYS = 60


@dataclass(frozen=True, slots=True)
class Fitted:
    """What training found.

    Attributes:
        switching, scales: hidden states of the market, and the scale of what they are told by.
        ridge: marginal distributions.
        hubs: series in the order the generator numbers them.
        past: training days of every series, scored by forecasts that had not seen them.
        generator: the rest.
    """

    switching: Switching
    scales: Scales
    ridge: WeekRidge
    hubs: tuple[Key, ...]
    past: Mapping[Key, Days]
    generator: Generator


class ScenarioGen:
    """Conditional paths of the day's prices at all hubs (yardstick F9)."""

    spec: ClassVar[ModelSpec] = SPEC

    def __init__(self, params: Mapping[str, Any] | None = None) -> None:
        """Take the parameters of config/models/scenario_gen.yaml; unknown ones are refused."""
        self.params = Params.of(params)
        self._fitted: Fitted | None = None
        self._cutoff: datetime | None = None

    @property
    def search(self) -> Mapping[str, float]:
        """Figures of the fit: held-out losses of the networks and energy scores of the methods over the Gaussian copula's."""
        return self._ready().generator.found

    @property
    def generator(self) -> Generator:
        """The fitted generator."""
        return self._ready().generator

    def fit(self, data: Features, *, cutoff: datetime, seed: int) -> Self:
        """Learn states, marginals and generators from prices known by the cutoff.

        Raises:
            InputError: a required column is missing, or too few whole days are known.
        """
        frames.require(data.history, SPEC.required, model=SPEC.name, part="history")
        p, rows, seen = self.params, frames.learnable(data.history, cutoff), frames.decided(data.history, cutoff)
        if rows.is_empty():
            raise frames.InputError(f"{SPEC.name}: no price was known at the cutoff {cutoff}; give history before it")
        days = daily(seen)
        scales = scales_of(days)
        _, _, observed = calendar(days, scales)
        switching = fit_switching(observed, p.shares, Priors(stay_days=p.stay_days, transition_days=p.transition_days))
        known = facts(seen, switching, scales)
        state = _state(rows, known)
        fit = fit_week_ridge(rows, state, LEVELS, penalty=p.penalty, windows=p.windows, folds=p.folds)
        ladder = fit.model.quantiles(rows, fit.out_of_block, state)
        price = _prices(rows)
        past = dict(days_of(rows, scores(ladder, LADDER, price)))
        hubs = tuple(sorted(key for key, d in past.items() if d.count >= LEAST_DAYS))
        if not hubs:
            raise frames.InputError(f"{SPEC.name}: no series has {LEAST_DAYS} whole days known at {cutoff}; give a longer history")
        training = _training(hubs, past, known, p.max_days)
        by_hour = _by_hour(rows, hubs, training, np.column_stack((ladder, price)))
        tails = Tails.of(ladder, LADDER, price)
        made = fit_generator(training, by_hour[:, :, :-1], LADDER, by_hour[:, :, -1], tails, p, seed=seed)
        self._fitted, self._cutoff = Fitted(switching, scales, fit.model, hubs, past, made), cutoff
        return self

    def predict(self, data: Features, *, as_of: datetime) -> Prediction:  # noqa: ARG002 - every row carries its own as_of
        """Marginal distribution of every target row; DEGRADED where an input or condition that is usually there is unknown."""
        fitted = self._ready()
        frames.require(data.target, ASKED, model=SPEC.name, part="target")
        rows = frames.in_key_order(data.target)
        if rows.is_empty():
            return frames.answer(SPEC, rows, {c.name: np.empty(0) for c in SPEC.output}, [])
        known = self._facts(data)
        point, ladder = _marginals(fitted.ridge, rows, known)
        told = rows.select(DAY).join(known, on=DAY, how="left", maintain_order="left")
        expected = [c for c in fitted.generator.standard.expected if c in FACTS]
        parts = [pl.when(pl.col(c).is_null()).then(pl.lit(c)) for c in expected]
        lacking = told.select(pl.concat_str([pl.lit(None, pl.String), *parts], separator=", ", ignore_nulls=True))
        reasons = [
            "; ".join(filter(None, (a, f"conditions unknown: {b}" if b else "")))
            for a, b in zip(fitted.ridge.lacking(rows), lacking.to_series(), strict=True)
        ]
        return frames.answer(SPEC, rows, {SPEC.point_column: point, **{c: ladder[:, k] for k, c in enumerate(QUANTILES.values())}}, reasons)

    def companions(self, data: Features, *, as_of: datetime) -> Mapping[str, pl.DataFrame]:  # noqa: ARG002 - as in `predict`
        """The bank: every configured set of paths on the target rows; series that were not trained have none."""
        parts = [self._bank(day, wanted) for day in self.hub_days(data) for wanted in self.params.sets]
        empty = SCENARIO_BANK.empty()
        return {SCENARIO_BANK.name: frames.companion(SCENARIO_BANK, pl.concat(parts) if parts else empty)}

    def paths(
        self,
        data: Features,
        *,
        conditions: Mapping[str, float] | None = None,
        seed: int = 0,
        tail_dial: float = 0.0,
        count: int | None = None,
    ) -> Paths:
        """Paths of the one delivery date in `data.target`: same fit, rows, conditions, seed and dial, same bytes.

        Args:
            data: history and target rows, as for `predict`.
            conditions: condition (`conditions.CONDITIONS`) -> value instead of what was known at the gate.
            seed: seed.
            tail_dial: added to the fitted shape of the Pareto tails, in [-1, 1].
            count: paths; None for the configured number.

        Raises:
            ValueError: a condition is not known, the dial is outside its range, or the target is not one date of trained series.
        """
        ask = Ask(conditions or {}, tail_dial, seed, count or self.params.paths, sample_steps=self.params.sample_steps)
        return draw_together(self.generator, LEVELS, self.hub_days(data), ask)

    def draw(self, day: HubDay, *, seed: int, count: int, method: str | None = None, marginals: str | None = None) -> Array:
        """Paths of one hub's day as known at its gate by any fitted method, shape (count, t); None for what the fit chose."""
        ask = Ask({}, 0.0, seed, count, method, marginals, self.params.sample_steps)
        return draw(self.generator, LEVELS, day, ask)

    def hub_days(self, data: Features) -> list[HubDay]:
        """Forecast and conditions of every trained hub and delivery date of the target, by date and hub."""
        fitted, rows = self._ready(), frames.in_key_order(data.target)
        rows = rows.filter(pl.struct(SERIES).is_in([dict(zip(SERIES, key, strict=True)) for key in fitted.hubs])) if rows.height else rows
        if rows.is_empty():
            return []
        known = self._facts(data)
        past = self._past(data, rows, known)
        _, ladder = _marginals(fitted.ridge, rows, known)
        numbered = rows.select(*frames.KEY, "delivery_date", "local_hour").with_row_index("row")
        wanted = known.join(rows.select(DAY).unique(), on=DAY, how="semi")
        told = {tuple(row[c] for c in DAY): row for row in wanted.iter_rows(named=True)}
        made = []
        for values, part in numbered.sort("delivery_date", *SERIES, "row").group_by(["delivery_date", *SERIES], maintain_order=True):
            key, day = tuple(str(v) for v in values[1:]), values[0]
            row = told[(*key, day)]
            epoch, as_of = (day - EPOCH).days, int(part["as_of"].dt.epoch("ms").max())  # type: ignore[arg-type]
            number = [np.nan if row[c] is None else row[c] for c in FACTS]
            condition = np.array([*number, *recent(past[key], epoch, as_of)], dtype=np.float64)
            made.append(
                HubDay(
                    key, day, fitted.hubs.index(key), part.select(frames.KEY), part["local_hour"].to_numpy().astype(np.int64),
                    ladder[part["row"].to_numpy()], condition,
                )
            )  # fmt: skip
        return made

    def known_days(self, data: Features) -> Mapping[Key, Days]:
        """Days of every trained series, scored by forecasts that had not seen them: those of training, and later ones of the history."""
        rows = frames.in_key_order(data.target)
        return self._past(data, rows, self._facts(data))

    def explain(self, data: Features) -> Contributions:
        """Contributions to arsinh of the point forecast, less the last week's mean, over its spread."""
        rows = frames.in_key_order(data.target)
        wide = pl.DataFrame(self._ready().ridge.contributions(rows), schema=[*NAMES, "(base)"], orient="row")
        long_rows = rows.select(frames.KEY).hstack(wide).unpivot(index=list(frames.KEY), variable_name="feature", value_name="contribution")
        return Contributions(long_rows.sort(*frames.KEY, "feature"), "arsinh of the point forecast's distance from the last week's mean")

    def save(self, directory: Path) -> None:
        """Write the artifact, sealed."""
        fitted = self._ready()
        if self._cutoff is None:
            raise RuntimeError("scenario_gen has no cutoff; call fit before save")
        storage.write(directory, fitted, self.params, self._cutoff)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what `save` wrote; altered files are refused."""
        model = cls()
        fields, model.params, model._cutoff = storage.read(directory)
        model._fitted = Fitted(**fields)
        return model

    def _ready(self) -> Fitted:
        if self._fitted is None:
            raise RuntimeError("scenario_gen is not fitted; call fit, or load an artifact")
        return self._fitted

    def _facts(self, data: Features) -> pl.DataFrame:
        """Facts of every day shown; all series begin with the first day shown, so that a hub alone is told as among others."""
        fitted = self._ready()
        return facts(frames.shown(data, tuple(c.name for c in SPEC.inputs.columns)), fitted.switching, fitted.scales)

    def _past(self, data: Features, target: pl.DataFrame, known: pl.DataFrame) -> dict[Key, Days]:
        """Known days of the target's series: those of training, then those of the history after them as this fit forecasts them."""
        fitted = self._ready()
        first = target["delivery_date"].min()
        history = frames.in_key_order(data.history) if data.history.width else data.history
        if history.height:
            near = pl.col("delivery_date") >= pl.lit(first) - pl.duration(days=MEMORY_DAYS)
            history = history.filter(near, pl.col("as_of") < target["as_of"].max())
            history = history.join(target.select(SERIES).unique(), on=list(SERIES), how="semi", maintain_order="left")
        later: Mapping[Key, Days] = {}
        if history.height:
            _, ladder = _marginals(fitted.ridge, history, known)
            later = days_of(history, scores(ladder, LADDER, _prices(history)))
        return {key: days.and_later(later[key]) if key in later else days for key, days in fitted.past.items()}

    def _bank(self, day: HubDay, wanted: ScenarioSet) -> pl.DataFrame:
        """Rows of one hub's day and set."""
        made, number = self.generator, (day.day - EPOCH).days
        seed = seed_of(SPEC.name, day.key[0], number, wanted.name) >> 1  # fits a signed integer
        ask = Ask(wanted.conditions, wanted.tail_dial, seed, self.params.paths, sample_steps=self.params.sample_steps)
        given = {k: None if np.isnan(v) else v for k, v in day.given(ask).items()}
        return long(day, draw(made, LEVELS, day, ask)).with_columns(
            pl.lit(wanted.name).alias("scenario_set"),
            pl.lit(made.method).alias("generator"),
            pl.lit(ask.marginals_of(made)).alias("marginals"),
            *(pl.lit(given[c], pl.Float64).alias(c) for c in ("stressed_probability", "renewables_share", "tightness")),
            pl.lit(wanted.tail_dial).alias("tail_dial"),
            pl.lit(seed, pl.Int64).alias("seed"),
        )


def _prices(rows: pl.DataFrame) -> Array:
    """Prices of rows, NaN where unknown."""
    return rows["price_ccy_per_mwh"].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _state(rows: pl.DataFrame, known: pl.DataFrame) -> Array:
    """State probabilities of every row's day, shape (n, states)."""
    told = rows.select(DAY).join(known.select(*DAY, *STATE), on=DAY, how="left", maintain_order="left")
    return told.select(STATE).fill_null(1 / len(STATES)).to_numpy().astype(np.float64)


def _marginals(ridge: WeekRidge, rows: pl.DataFrame, known: pl.DataFrame) -> tuple[Array, Array]:
    """Point and quantiles of every row."""
    point = ridge.point(rows)
    return point, ridge.quantiles(rows, point, _state(rows, known))


def _training(hubs: tuple[Key, ...], past: Mapping[Key, Days], known: pl.DataFrame, max_days: int) -> Training:
    """Training days of all hubs with their conditions as each was known at its own gate."""
    by_series = {tuple(str(v) for v in key): part for key, part in known.group_by(SERIES, maintain_order=True)}
    hub, date, score, condition = [], [], [], []
    for number, key in enumerate(hubs):
        days, part = past[key], by_series[key]
        days = days.take(days.date > days.date.max() - max_days)
        at = np.searchsorted(part["delivery_date"].cast(pl.Int32).cast(pl.Int64).to_numpy(), days.date)
        fact = part.select(FACTS).fill_null(float("nan")).to_numpy().astype(np.float64)[at]
        near = np.array([recent(past[key], int(d), int(a)) for d, a in zip(days.date, days.as_of, strict=True)])
        hub.append(np.full(days.count, number, dtype=np.int64))
        date.append(days.date)
        score.append(days.score)
        condition.append(np.column_stack((fact, near)))
    return Training(np.concatenate(hub), np.concatenate(date), np.concatenate(score), np.concatenate(condition))


def _by_hour(rows: pl.DataFrame, hubs: tuple[Key, ...], training: Training, values: Array) -> Array:
    """Values of rows (n, k) as means by training day and local hour, shape (days, 24, k); NaN where there is none."""
    order = pl.DataFrame(
        {
            **{c: [hubs[h][k] for h in training.hub] for k, c in enumerate(SERIES)},
            "date": training.date,
        }
    ).with_row_index("entry")
    at = rows.select(*SERIES, date=pl.col("delivery_date").cast(pl.Int32).cast(pl.Int64), hour=pl.col("local_hour").cast(pl.Int64))
    entry = at.join(order, on=[*SERIES, "date"], how="left", maintain_order="left")["entry"].cast(pl.Int64).fill_null(-1).to_numpy()
    mine = entry >= 0
    cell = entry[mine] * HOURS + at["hour"].to_numpy()[mine]
    size = training.date.size * HOURS
    count = np.bincount(cell, minlength=size)[:, None]
    total = np.column_stack([np.bincount(cell, column, minlength=size) for column in values[mine].T])
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).reshape(-1, HOURS, values.shape[1])


MODEL = ScenarioGen
