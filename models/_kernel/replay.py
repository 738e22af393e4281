"""Adaptive conformal calibration of the knots by replay: each decision time sees exactly the outcomes that were known then.

Errors are told in widths of the row's own boosted interval, so that a calm and a wild hour teach the same thing. Rows of one local time
(slot) form a group of the kernel's `AdaptiveConformal`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.artifacts import ArtifactError
from models._kernel.conformal import AdaptiveConformal

Array = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Series = tuple[str, str, str]  # market, hub, product
SMALLEST_WIDTH = 0.5  # currency/MWh
NEVER = np.iinfo(np.int64).max


def width_of(quantiles: Array, smallest: float = SMALLEST_WIDTH) -> Array:
    """Distance between the second and the last but one knot of every row, shape (n, 1), never below `smallest`."""
    return np.asarray(np.maximum(quantiles[:, -2:-1] - quantiles[:, 1:2], smallest), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Past:
    """Rows of one series whose outcome is known, as the calibrator learns from them.

    Attributes:
        decided: decision time, ms since 1970, shape (n,).
        slot: local time of the row, shape (n,).
        known: when the outcome became known, ms, shape (n,).
        base: quantiles at the knots in widths of the row, shape (n, k).
        outcome: outcome in widths of the row, shape (n,).
        date: delivery date, days since 1970, shape (n,).
    """

    decided: Whole
    slot: Whole
    known: Whole
    base: Array
    outcome: Array
    date: Whole

    @classmethod
    def of(cls, rows: pl.DataFrame, quantiles: Array, smallest: float = SMALLEST_WIDTH) -> Self:
        """Rows of one series with a known outcome and their quantiles; of a repeated hour only the first row counts."""
        once = rows["dst_fold"].to_numpy() == 0
        width = width_of(quantiles, smallest)
        return cls(
            rows["as_of"].dt.epoch("ms").to_numpy()[once],
            slots_of(rows)[once],
            rows["price_known_ts"].dt.epoch("ms").to_numpy()[once],
            (quantiles / width)[once],
            (rows["price_ccy_per_mwh"].to_numpy() / width[:, 0])[once],
            rows["delivery_date"].cast(pl.Int32).cast(pl.Int64).to_numpy()[once],
        )

    @classmethod
    def restore(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """The rows as an artifact holds them.

        Raises:
            ArtifactError: the artifact is of an earlier form.
        """
        lacking = sorted({f.name for f in fields(cls)} - set(arrays))
        if lacking:
            raise ArtifactError(
                f"the artifact's calibration rows lack {', '.join(lacking)}: an earlier form; train a new version (desk train)"
            )
        return cls(**arrays)

    def plus(self, other: Past) -> Past:
        """Both, one after the other."""
        return Past(*(np.concatenate((getattr(self, f.name), getattr(other, f.name))) for f in fields(self)))


def slots_of(rows: pl.DataFrame) -> Whole:
    """Number of the interval in the local day; days of 96 quarter hours have slots 0 to 95."""
    step = rows["resolution_min"].to_numpy()
    minute = rows["local_hour"].to_numpy() * 60 + rows["delivery_ts"].dt.minute().cast(pl.Int64).to_numpy()
    return np.asarray(minute // step, dtype=np.int64)


def offsets_at(past: Past, asked: Sequence[int], slots: int, knots: Sequence[float], *, gamma: float, window: int) -> Mapping[int, Array]:
    """Offsets of every slot and knot, in widths, at the asked decision times.

    Args:
        past: rows of one series.
        asked: decision times, ms.
        slots: slots of a day.
        knots: levels.
        gamma: step of the calibration.
        window: errors remembered per slot.

    Returns:
        Decision time -> offsets, shape (slots, knots), made from outcomes with known <= that time.
    """
    calibrator = AdaptiveConformal(np.asarray(knots), slots, gamma, window)
    steps, where = np.unique(past.decided, return_inverse=True)
    base = np.full((len(steps), slots, len(knots)), np.nan)
    outcome, known = np.full((len(steps), slots), np.nan), np.full((len(steps), slots), NEVER)
    base[where, past.slot], outcome[where, past.slot], known[where, past.slot] = past.base, past.outcome, past.known
    number = {int(step): k for k, step in enumerate(steps)}
    issued, found, waiting = np.full_like(base, np.nan), dict[int, Array](), list[int]()
    wanted = set(asked)
    for now in sorted(wanted | set(number)):
        for k in waiting:
            ripe = known[k] <= now
            if ripe.any():
                calibrator.update(base[k], issued[k], np.where(ripe, outcome[k], np.nan))
                known[k][ripe] = NEVER
        waiting = [k for k in waiting if (known[k] < NEVER).any()]
        if now in number:
            issued[number[now]] = calibrator.raw(base[number[now]])
            waiting.append(number[now])
        if now in wanted:
            found[now] = calibrator.offsets()
    return found


def calibrated(
    base: Array,
    rows: pl.DataFrame,
    keys: Sequence[Series],
    pasts: Mapping[Series, Past],
    *,
    slots: int,
    knots: Sequence[float],
    gamma: float,
    window: int,
    smallest: float = SMALLEST_WIDTH,
) -> Array:
    """Quantiles of rows with the offsets of their series, local time and decision, sorted, shape (n, k); none for a series without a past.

    Args:
        base: boosted quantiles at the knots, shape (n, k).
        rows: their rows (as_of, local_hour, delivery_ts, resolution_min).
        keys: series of every row.
        pasts: what is known of every series.
        slots: slots of a day.
        knots: levels.
        gamma: step of the calibration.
        window: errors remembered per slot.
        smallest: smallest width errors are told in.
    """
    made, asked = base.copy(), rows["as_of"].dt.epoch("ms").to_numpy()
    width, slot = width_of(base, smallest), np.minimum(slots_of(rows), slots - 1)
    mine = dict[Series, list[int]]()
    for number, key in enumerate(keys):
        mine.setdefault(key, []).append(number)
    for series, numbers in mine.items():
        if series not in pasts:
            continue
        offsets = offsets_at(pasts[series], np.unique(asked[numbers]).tolist(), slots, knots, gamma=gamma, window=window)
        for row in numbers:
            made[row] += width[row] * offsets[int(asked[row])][slot[row]]
    return np.sort(made, axis=1)
