"""What a regime's gate does to forecasts: nothing, a mixture with the fallback under a wider band, or the fallback instead.

Scored on all rows with the fallback, never by leaving rows out: abstention looks like skill (docs/regimes.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.spec import Kind, ModelSpec

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
STATES = ("normal", "transition", "stressed")
ACTIONS = ALLOW, DOWN_WEIGHT, BLOCK = "allow", "down_weight", "block"


@dataclass(frozen=True, slots=True)
class GateRule:
    """What the gate does to one model.

    Attributes:
        act: whether it does anything; else the regime is written and nothing changes.
        model_share: weight of the model's own forecast under `down_weight`; the rest is the fallback's.
        widen: factor on the distance of quantiles from the point forecast under `down_weight`.
        block: whether `block` replaces the forecast; else it is treated as `down_weight`.
    """

    act: bool = False
    model_share: float = 1.0
    widen: float = 1.0
    block: bool = True


def gateable(spec: ModelSpec) -> bool:
    """Whether the gate can act on a model: not on tails and on events, whose further outputs would no longer fit the forecast."""
    return spec.tail is None and not spec.outcome.is_event and not spec.precedes_all


def fallback_ladder(levels: Array, known_levels: Array, known: Array) -> Array:
    """A ladder of quantiles (n, k) at other levels, shape (n, levels); beyond the outermost known level the outermost quantile."""
    return np.stack([np.interp(levels, known_levels, row) for row in known]) if len(known) else np.empty((0, len(levels)))


def exceedance(threshold: Array, known_levels: Array, known: Array) -> Array:
    """P(price > threshold) by a ladder of quantiles (n, k), interpolated between levels; NaN where either is unknown."""
    found = [
        1 - float(np.interp(t, row, known_levels, left=0.0, right=1.0)) if np.isfinite(t) and np.isfinite(row).all() else np.nan
        for t, row in zip(threshold, known, strict=True)
    ]
    return np.asarray(found, dtype=np.float64)


def gated(answer: pl.DataFrame, spec: ModelSpec, action: pl.Series, fallback: Array, rule: GateRule) -> tuple[pl.DataFrame, pl.Series]:
    """The answer after the gate, and what was done to each row.

    Args:
        answer: rows of the model's answer.
        spec: the model.
        action: `ALLOW`, `DOWN_WEIGHT` or `BLOCK` per row.
        fallback: per row the fallback's point and quantiles (shape (n, 1 + levels)), or its probability (n, 1); NaN where there is none.
            A row without a fallback is down-weighted without one: its band is widened.
        rule: what is done to this model.

    Returns:
        The answer in its columns and order, and the action taken per row (`BLOCK` only where the fallback stands in).
    """
    if not rule.act or answer.is_empty():
        return answer, pl.Series("gate", [ALLOW] * answer.height, dtype=pl.String)
    asked = np.asarray(action.to_list(), dtype=np.str_)
    there: Bools = np.asarray(np.isfinite(fallback).all(axis=1), dtype=np.bool_)
    blocked: Bools = np.asarray((asked == BLOCK) & rule.block & there, dtype=np.bool_)
    weighed: Bools = np.asarray((asked != ALLOW) & ~blocked, dtype=np.bool_)
    share = np.where(blocked, 0.0, np.where(weighed & there, rule.model_share, 1.0))[:, None]
    columns = [spec.point_column, *spec.quantile_columns.values()]
    own = answer.select(pl.col(c).cast(pl.Float64) for c in dict.fromkeys(columns)).select(
        pl.col(c).alias(str(n)) for n, c in enumerate(columns)
    )
    mixed = share * own.to_numpy() + (1 - share) * np.where(there[:, None], fallback, 0.0)
    if spec.kind is not Kind.PROBABILITY:
        centre = mixed[:, :1]
        mixed[:, 1:] = np.sort(centre + np.where(weighed, rule.widen, 1.0)[:, None] * (mixed[:, 1:] - centre), axis=1)
    changed = pl.Series(blocked | weighed)
    new = {c: pl.Series(c, mixed[:, n]) for n, c in enumerate(columns)}
    if spec.decision is not None:  # a blocked model decides nothing
        new |= {c: answer[c].cast(pl.Float64) * pl.Series(~blocked).cast(pl.Float64) for c in spec.decision.position_columns}
    made = answer.with_columns(pl.when(changed).then(v.cast(answer.schema[c])).otherwise(pl.col(c)).alias(c) for c, v in new.items())
    if {"alert", "alert_probability"} <= set(made.columns):
        made = made.with_columns((pl.col(spec.point_column) > pl.col("alert_probability")).alias("alert"))
    done = np.where(blocked, BLOCK, np.where(weighed, DOWN_WEIGHT, ALLOW))
    return made, pl.Series("gate", done.tolist(), dtype=pl.String)
