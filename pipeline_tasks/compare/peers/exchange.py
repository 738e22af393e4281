"""What the scripts of this folder share: the task they are given and the answer they leave. Runs outside the project's environment.

A folder holds `task.json` (`levels`, `refits`: first delivery date that each refit answers, and its cutoff) and `rows.parquet`: feature
rows with `row` (position), key, `delivery_date`, `local_hour`, `scored`, `price_ccy_per_mwh`, `price_known_ts` and the features. Outcomes
of later rows are in it, because they are the history of still later ones: a peer uses a price only where `price_known_ts <= as_of`.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import date, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import polars as pl

PRICE, KNOWN = "price_ccy_per_mwh", "price_known_ts"
NOT_INPUTS = {
    "row",
    "scored",
    PRICE,
    KNOWN,
    "delivery_ts",
    "delivery_date",
    "as_of",
    "market",
    "hub",
    "product",
    "currency",
    "resolution_min",
}
HOURS = 24


@dataclass
class Task:
    """One comparison: rows, quantile levels, and the refits in time order."""

    folder: Path
    rows: pl.DataFrame
    levels: list[float]
    refits: list[tuple[date, datetime]]
    began: float = field(default_factory=time.perf_counter)

    @classmethod
    def read(cls, folder: Path) -> Task:
        """The task of a folder."""
        told = json.loads((folder / "task.json").read_text(encoding="utf-8"))
        refits = [(date.fromisoformat(r["first"]), datetime.fromisoformat(r["cutoff"])) for r in told["refits"]]
        return cls(folder, pl.read_parquet(folder / "rows.parquet"), told["levels"], refits)

    @property
    def inputs(self) -> list[str]:
        """Numeric features."""
        return [c for c, t in self.rows.schema.items() if c not in NOT_INPUTS and (t.is_numeric() or t == pl.Boolean)]

    def blocks(self, days: int) -> list[tuple[datetime, pl.DataFrame]]:
        """(cutoff, scored rows) of refits at least `days` apart; rows between two refits belong to the earlier one."""
        chosen: list[tuple[date, datetime]] = []
        for first, cutoff in self.refits:
            if not chosen or (first - chosen[-1][0]).days >= days:
                chosen.append((first, cutoff))
        ends = [first for first, _ in chosen[1:]] + [date.max]
        scored = self.rows.filter("scored")
        return [
            (cutoff, scored.filter(pl.col("delivery_date").is_between(first, end, closed="left")))
            for (first, cutoff), end in zip(chosen, ends, strict=True)
        ]

    def write(self, parts: list[tuple[np.ndarray, np.ndarray, dict[float, np.ndarray]]], packages: list[str]) -> None:
        """Leave the answer: (row numbers, points, level -> quantiles) of every part, and what it was made with."""
        frames = [pl.DataFrame({"row": r, "point": p, **{f"q{level}": v for level, v in q.items()}}) for r, p, q in parts]
        pl.concat(frames).write_parquet(self.folder / "answer.parquet")
        about = {"versions": {p: version(p) for p in packages}, "seconds": time.perf_counter() - self.began}
        (self.folder / "about.json").write_text(json.dumps(about), encoding="utf-8")


def hub_grid(rows: pl.DataFrame, as_of: datetime, last: date) -> tuple[np.ndarray, list[date]]:
    """Known prices of one hub by local hour up to a date, as (values oldest first, dates); gaps between known hours are interpolated.

    A 25-hour day's double hour is averaged. What is unknown at the end is NaN.
    """
    known = rows.filter((pl.col("delivery_date") <= last) & (pl.col(KNOWN) <= as_of) & pl.col(PRICE).is_not_null())
    days = pl.select(pl.date_range(known["delivery_date"].min(), last, "1d")).to_series()
    grid = (
        days.alias("delivery_date")
        .to_frame()
        .join(pl.DataFrame({"local_hour": range(HOURS)}, schema={"local_hour": known.schema["local_hour"]}), how="cross")
    )
    mean = known.group_by("delivery_date", "local_hour").agg(pl.col(PRICE).mean())
    values = grid.join(mean, on=["delivery_date", "local_hour"], how="left", maintain_order="left")[PRICE].interpolate()
    return values.fill_null(float("nan")).to_numpy(), days.to_list()
