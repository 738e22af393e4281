"""Model of rl_hedger: a policy learned from logged days, within limits, with a kill switch."""

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
from models._kernel.artifacts import load_arrays, load_json, save_arrays, save_json, seal, verify_artifact
from models._kernel.protocol import Contributions, Features, Prediction
from models._kernel.spec import ModelSpec
from models.rl_hedger.days import SERIES, StateScale, Steps, block_of, steps_of
from models.rl_hedger.learning import learn
from models.rl_hedger.limits import ACTIONS, HedgeRules, drawdown
from models.rl_hedger.log import logged
from models.rl_hedger.params import Params
from models.rl_hedger.policies import Heuristic, follow, network
from models.rl_hedger.spec import LEVELS, QUANTILES, SPEC

Array = npt.NDArray[np.float64]
ASKED = tuple(c for c in SPEC.required if c not in {"price_ccy_per_mwh", "price_known_ts"})
POINT = ("price_hour_mean_28d_ccy_per_mwh", "price_mean_7d_ccy_per_mwh", "price_mean_28d_ccy_per_mwh")
NEWEST = 0.3  # weight of the newest week's level in the point forecast
MEMORY_DAYS = 28  # days over which the policy's own hedges are followed before a decision
LEAST_DAYS = 40
USUAL = 0.98


@dataclass(frozen=True, slots=True)
class Fitted:
    """What training found.

    Attributes:
        weights: of all seeds, first axis.
        scale: of the states.
        rule: heuristic that wrote the log.
        unit: of the rewards, currency per MWh of load.
        expected: inputs that are usually known.
        offsets: quantiles of the point's errors by local hour, currency/MWh, shape (24, levels).
    """

    weights: Mapping[str, Array]
    scale: StateScale
    rule: Heuristic
    unit: float
    expected: tuple[str, ...]
    offsets: Array


class RlHedger:
    """Hedge of a load schedule between day-ahead and real time by offline reinforcement learning (yardstick F8)."""

    spec: ClassVar[ModelSpec] = SPEC

    def __init__(self, params: Mapping[str, Any] | None = None) -> None:
        """Take the parameters of config/models/rl_hedger.yaml with the portfolio under `assets`; unknown ones are refused."""
        self.params = Params.of(params)
        self._fitted: Fitted | None = None
        self._cutoff: datetime | None = None

    @property
    def rules(self) -> HedgeRules:
        """Limits of the portfolio."""
        p = self.params
        return HedgeRules.of(p.portfolio, step=p.step_share, halt_drawdown=p.halt_drawdown_ccy_per_mwh)

    @property
    def fitted(self) -> Fitted:
        """What training found."""
        if self._fitted is None:
            raise RuntimeError("rl_hedger is not fitted; call fit, or load an artifact")
        return self._fitted

    def fit(self, data: Features, *, cutoff: datetime, seed: int) -> Self:
        """Tune the heuristic, write the log, learn from it; nothing but whole days known at `cutoff`.

        Raises:
            InputError: a required column is missing, or too few whole days are known.
        """
        frames.require(data.history, SPEC.required, model=SPEC.name, part="history")
        rows = frames.learnable(data.history, cutoff)
        parts = self.whole_days(rows, cutoff)
        if sum(p.count for p in parts) < LEAST_DAYS:
            raise frames.InputError(f"{SPEC.name}: fewer than {LEAST_DAYS} whole days are known at {cutoff}; give a longer history")
        scale = StateScale.of(np.concatenate([p.state for p in parts]))
        rule = Heuristic.tuned(parts, self.params, self.rules)
        log, unit = logged(parts, rule, scale, self.params, self.rules, seed=seed)
        weights = learn(log, self.params, ACTIONS, seed=seed, learners=(self.params.algorithm,))
        expected = tuple(c for c in POINT if rows.select(_known(rows, c).mean()).item() >= USUAL)
        self._fitted, self._cutoff = Fitted(weights, scale, rule, unit, expected, _offsets(rows)), cutoff
        return self

    def whole_days(self, rows: pl.DataFrame, cutoff: datetime) -> list[Steps]:
        """Days of every series whose spreads were all known at `cutoff`, as steps of the decision process."""
        found = steps_of(frames.outcomes_known(rows, cutoff), self.params.portfolio, self.rules)
        instant = int(cutoff.timestamp() * 1000)
        kept = [steps.take(steps.known <= instant) for _, steps in sorted(found.items())]
        return [steps for steps in kept if steps.count]

    def predict(self, data: Features, *, as_of: datetime) -> Prediction:  # noqa: ARG002 - every row carries its own as_of
        """Hedge of every target row; a day is decided on the rows asked of it, ask whole days."""
        fitted = self.fitted
        frames.require(data.target, ASKED, model=SPEC.name, part="target")
        rows = frames.in_key_order(data.target)
        hedge, fall, halted = np.zeros(rows.height), np.zeros(rows.height), np.zeros(rows.height, dtype=bool)
        if rows.height:
            hedge, fall, halted = self._decided(data, rows)
        point = _point(rows)
        energy = self.params.portfolio.scheduled_mwh(rows)
        ladder = point[:, None] + fitted.offsets[rows["local_hour"].to_numpy()]
        hedge = np.where(halted, 0.0, hedge)
        lacking = [pl.when(_known(rows, c)).then(None).otherwise(pl.lit(c)) for c in fitted.expected]
        told = rows.select(pl.concat_str([pl.lit(None, pl.String), *lacking], separator=", ", ignore_nulls=True).alias("r"))["r"].to_list()
        outputs: dict[str, npt.ArrayLike] = {
            SPEC.point_column: point,
            **{name: ladder[:, k] for k, name in enumerate(QUANTILES.values())},
            "scheduled_mwh": energy,
            "hedge_share": hedge,
            "expected_saving_ccy": energy * hedge * point,
            "algorithm": [self.params.algorithm] * rows.height,
            "is_halted": halted,
            "drawdown_ccy_per_mwh": fall,
        }
        return frames.answer(SPEC, rows, outputs, [f"unknown: {r}" if r else "" for r in told])

    def explain(self, data: Features) -> Contributions:
        """Contributions to the point forecast of the spread, which adds up exactly; the policy itself is no sum of features."""
        rows = frames.in_key_order(data.target)
        hour, week, month = _filled(rows)
        wide = pl.DataFrame({"(base)": month, POINT[0]: hour - month, POINT[1]: NEWEST * (week - month)})
        long = rows.select(frames.KEY).hstack(wide).unpivot(index=list(frames.KEY), variable_name="feature", value_name="contribution")
        return Contributions(long.sort(*frames.KEY, "feature"), SPEC.point_column)

    def save(self, directory: Path) -> None:
        """Write the artifact, sealed."""
        fitted = self.fitted
        if self._cutoff is None:
            raise RuntimeError("rl_hedger has no cutoff; call fit before save")
        rule = fitted.rule
        head = {
            "params": self.params.as_json(),
            "cutoff": self._cutoff.isoformat(),
            "rule": [rule.signal, rule.outright, rule.shape, rule.unit],
            "unit": fitted.unit,
            "state_unit": fitted.scale.unit,
            "expected": list(fitted.expected),
        }
        save_json(directory, "model", head)
        save_arrays(directory, "state", {"mean": fitted.scale.mean, "spread": fitted.scale.spread, "offsets": fitted.offsets})
        save_arrays(directory, "weights", fitted.weights)
        seal(directory, model=SPEC.name)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what `save` wrote; altered files are refused."""
        verify_artifact(directory, model=SPEC.name)
        head = load_json(directory, "model")
        model, state = cls(head["params"]), load_arrays(directory, "state")
        scale = StateScale(head["state_unit"], state["mean"], state["spread"])
        signal, *numbers = head["rule"]
        model._fitted = Fitted(
            load_arrays(directory, "weights"), scale, Heuristic(signal, *numbers), head["unit"], tuple(head["expected"]), state["offsets"]
        )
        model._cutoff = datetime.fromisoformat(head["cutoff"])
        return model

    def _decided(self, data: Features, rows: pl.DataFrame) -> tuple[Array, Array, npt.NDArray[np.bool_]]:
        """Hedge of every row before the kill switch, the drawdown it looks at, and whether it takes the hedge off, shape (n,)."""
        fitted, p, rules = self.fitted, self.params, self.rules
        columns = tuple(c.name for c in SPEC.inputs.columns)
        shown = frames.in_key_order(frames.shown(data, columns))
        # the kill switch reads spreads of the days before as the history tells them, each where it was known at the decision
        told = data.history.select(*frames.KEY, "price_ccy_per_mwh", "price_known_ts")
        blind = shown.drop("price_ccy_per_mwh", "price_known_ts", strict=False)
        blind = frames.outcomes_known(blind.join(told, on=list(frames.KEY), how="left", maintain_order="left"), rows["as_of"].max())  # type: ignore[arg-type]
        steps = steps_of(blind, p.portfolio, rules)
        wish = network(fitted.weights, p.algorithm, fitted.scale, p, rules)
        block = block_of(rows)
        number = rows.with_row_index("row").select(
            "row", *SERIES, date=pl.col("delivery_date").cast(pl.Int32).cast(pl.Int64), as_of=pl.col("as_of").dt.epoch("ms")
        )
        hedge, fall, halted = np.zeros(rows.height), np.zeros(rows.height), np.zeros(rows.height, dtype=bool)
        for key, part in number.group_by([*SERIES, "date"], maintain_order=True):
            days, day = steps[tuple(str(v) for v in key[:-1])], int(str(key[-1]))
            window = days.take((days.date >= day - MEMORY_DAYS) & (days.date <= day))
            done = follow(window, wish, p, rules)
            mine, as_of = part["row"].to_numpy(), int(part["as_of"].max())  # type: ignore[arg-type]
            hedge[mine] = done.hedge[-1][block[mine]]
            earned = (done.hedge * window.share * window.spread).sum(axis=1)[:-1]
            known = earned[(window.known[:-1] <= as_of) & np.isfinite(earned)]
            fall[mine], halted[mine] = drawdown(known), rules.halted(known)
        return hedge, fall, halted


def _known(rows: pl.DataFrame, name: str) -> pl.Expr:
    return (pl.col(name).is_not_null() & pl.col(name).cast(pl.Float64).is_finite()) if name in rows.columns else pl.lit(value=False)


def _filled(rows: pl.DataFrame) -> tuple[Array, Array, Array]:
    """Hour's mean of 28 days, week's and month's level of every row; what is unknown is taken from the next, at last 0."""
    read = [
        rows[c].cast(pl.Float64).fill_null(float("nan")).to_numpy() if c in rows.columns else np.full(rows.height, np.nan) for c in POINT
    ]
    month = np.where(np.isfinite(read[2]), read[2], np.where(np.isfinite(read[1]), read[1], 0.0))
    week, hour = (np.where(np.isfinite(v), v, month) for v in (read[1], read[0]))
    return hour, week, month


def _offsets(rows: pl.DataFrame) -> Array:
    """Quantiles of the point's errors by local hour: it has no fitted part, so that they are out of sample; of all hours where few."""
    error, hour = rows["price_ccy_per_mwh"].cast(pl.Float64).to_numpy() - _point(rows), rows["local_hour"].to_numpy()
    parts = [error[hour == h] for h in range(24)]
    return np.stack([np.quantile(part if part.size >= LEAST_DAYS else error, LEVELS) for part in parts])


def _point(rows: pl.DataFrame) -> Array:
    """Point forecast of the spread: the hour's mean of 28 days, moved by part of what the last week's level differs from the month's."""
    hour, week, month = _filled(rows)
    return np.asarray(hour + NEWEST * (week - month))


MODEL = RlHedger
