"""Joint scenarios of a series: its calibrated marginals coupled by the ranks of its own past errors, and carried on to week and month."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.frames import KEY, companion
from models._kernel.scenarios import (
    FEWEST_DAYS,
    INDEPENDENT,
    SCHAAKE,
    joint_levels,
    quantile_at,
    seed_of,
)
from models._kernel.shortfall import expected_shortfall, value_at_risk
from models._kernel.tenors import AHEAD, EPOCH, extend, periods, tenor_values
from models.curve_dist.panel import Panel
from models.curve_dist.series import Answer, usable_at
from models.curve_dist.spec import LEVELS
from models.curve_dist.tables import COMPANIONS, RISK_LEVELS, SCENARIOS, TENOR_LEVELS, TENOR_RISK, TENOR_SCENARIOS, level_name

Array = npt.NDArray[np.float64]
NAME = "curve_dist"


@dataclass(frozen=True, slots=True)
class Drawn:
    """Scenarios of one series: rows of the companion tables by table name."""

    frames: dict[str, list[pl.DataFrame]]


def draw(key: tuple[str, ...], answer: Answer, days: Panel, rows: pl.DataFrame, *, count: int) -> Drawn:
    """Scenarios of every entry of a series.

    Args:
        key: market, hub, product.
        answer: its distributions.
        days: the entries.
        rows: rows of whole days in key order: key, `entry`, `slot`, `asked` (rows that are wanted; the others only complete the mean).
        count: scenarios.
    """
    frames: dict[str, list[pl.DataFrame]] = {table.name: [] for table in COMPANIONS}
    for entry, part in enumerate(rows.partition_by("entry", maintain_order=True)):
        if not np.isfinite(answer.quantiles[entry]).all():
            continue
        day = int(days.date[entry])
        seeds = {"shared_seed": seed_of(key[0], day), "own_seed": seed_of(NAME, *key, day)}
        levels = joint_levels(SCHAAKE, answer.pasts[entry], day, count, **seeds)
        hours = quantile_at(answer.quantiles[entry], LEVELS, levels)[:, part["slot"].to_numpy()]
        frames[SCENARIOS.name].append(_hourly(part, hours))
        known = usable_at(answer.pool, int(days.as_of[entry]))
        past = answer.pool.take(known[answer.pool.date[known] < day])
        first = part.filter(pl.col("asked")).head(1).select(KEY)
        told = {**seeds, "method": SCHAAKE if answer.pasts[entry].days >= FEWEST_DAYS else INDEPENDENT}
        for name, frame in _tenors(first, past, day, hours.mean(axis=1), told).items():
            frames[name].append(frame)
    return Drawn(frames)


def tables(parts: Iterable[Drawn]) -> dict[str, pl.DataFrame]:
    """The companion tables of all series."""
    made = {}
    drawn = list(parts)
    for table in COMPANIONS:
        frames = [frame for part in drawn for frame in part.frames[table.name]]
        made[table.name] = companion(table, pl.concat(frames) if frames else table.empty())
    return made


def _hourly(part: pl.DataFrame, hours: Array) -> pl.DataFrame:
    """One row per asked interval and scenario."""
    wanted = np.flatnonzero(part["asked"].to_numpy())
    count = hours.shape[0]
    keys = part.select(KEY)[np.repeat(wanted, count)]
    return keys.with_columns(
        pl.Series("scenario", np.tile(np.arange(1, count + 1), wanted.size)), pl.Series("price_ccy_per_mwh", hours[:, wanted].T.ravel())
    )


def _tenors(first: pl.DataFrame, past: Panel, day: int, own: Array, told: Mapping[str, Any]) -> dict[str, pl.DataFrame]:
    """Scenarios and risk of the day, its week and its month."""
    means = np.nanmean(past.price, axis=1) if past.days else np.empty(0)
    extension = extend(past.date, means, day, own, seed=told["own_seed"])
    ahead = np.empty((own.size, 0)) if extension is None else extension.values
    known = dict(zip(past.date.tolist(), means.tolist(), strict=True))
    values = tenor_values(known, day, own, ahead)
    scenario = np.arange(1, own.size + 1)
    drawn = [first.join(pl.DataFrame({"tenor": t, "scenario": scenario, "price_ccy_per_mwh": v}), how="cross") for t, v in values.items()]
    risk = [first.join(pl.DataFrame([_risk(t, v, day, known, told["method"])]), how="cross") for t, v in values.items()]
    return {TENOR_SCENARIOS.name: pl.concat(drawn), TENOR_RISK.name: pl.concat(risk)}


def _risk(tenor: str, values: Array, day: int, known: Mapping[int, float], method: str) -> dict[str, Any]:
    """One row of the risk table."""
    begin, end = periods(EPOCH + timedelta(days=day))[tenor]
    days = range((begin - EPOCH).days, (end - EPOCH).days + 1)
    settled, mean = sum(d in known and d < day for d in days), float(values.mean())
    row: dict[str, Any] = {
        "tenor": tenor,
        "method": method,
        "period_first_date": begin,
        "period_last_date": end,
        "known_days": settled,
        "forecast_days": len(days) - settled,
        "scenarios": values.size,
        "mean_ccy_per_mwh": mean,
    }
    row |= {f"q{round(100 * p):02d}_ccy_per_mwh": float(np.quantile(values, p)) for p in TENOR_LEVELS}
    for level in RISK_LEVELS:
        name = level_name(level)
        for prefix, losses in (("", values), ("long_", mean - values)):
            row[f"{prefix}var_{name}_ccy_per_mwh"] = float(value_at_risk(losses, level))
            row[f"{prefix}es_{name}_ccy_per_mwh"] = float(expected_shortfall(losses, level))
    return row


__all__ = ["AHEAD", "Drawn", "draw", "tables"]
