# /// script
# requires-python = ">=3.11"
# dependencies = ["statsforecast==2.1.1", "polars==2.1.0", "pyarrow"]
# [tool.desk]
# answers = "day_ahead"
# ///
"""Nixtla statsforecast: MSTL with daily and weekly seasons, ETS trend, on the last eight weeks; refitted every day. Prices alone."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import polars as pl
from exchange import HOURS, Task, hub_grid
from statsforecast.models import MSTL, AutoETS

DAYS = 56


def main(folder: Path) -> None:
    """Answer every scored delivery date of every hub."""
    task, parts = Task.read(folder), []
    bands = sorted({round(100 * (1 - 2 * level), 6) for level in task.levels if level < 0.5})
    for rows in task.rows.partition_by("hub"):
        for day in rows.filter("scored").partition_by("delivery_date"):
            last, as_of = day["delivery_date"][0], day["as_of"].min()
            recent = rows.filter(pl.col("delivery_date") > pl.lit(last) - pl.duration(days=DAYS + 2))
            values, _ = hub_grid(recent, as_of, last)
            known = np.flatnonzero(np.isfinite(values))[-1] + 1
            history = values[:known][-DAYS * HOURS :]
            model = MSTL(season_length=[HOURS, 7 * HOURS], trend_forecaster=AutoETS(model="ZZN"))
            ahead = model.forecast(y=history, h=len(values) - known, level=bands)
            hour = day["local_hour"].to_numpy().astype(int) - HOURS
            ladder = {level: _quantile(ahead, level)[hour] for level in task.levels}
            parts.append((day["row"].to_numpy(), ahead["mean"][hour], ladder))
    task.write(parts, ["statsforecast"])


def _quantile(ahead: dict[str, np.ndarray], level: float) -> np.ndarray:
    if level == 0.5:
        return ahead["mean"]
    band = round(100 * (1 - 2 * min(level, 1 - level)), 6)
    return ahead[f"{'lo' if level < 0.5 else 'hi'}-{band}"]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
