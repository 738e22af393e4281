# /// script
# requires-python = ">=3.11"
# dependencies = ["mapie==1.6.0", "lightgbm==4.7.0", "polars==2.1.0", "pyarrow"]
# [tool.desk]
# answers = "any"
# ///
"""MAPIE: conformalized quantile regression of LightGBM on our features: a 90 % interval and the median.

Refitted every eight weeks; the last half year known at the refit is the calibration sample and is not trained on.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import polars as pl
from exchange import KNOWN, PRICE, Task
from lightgbm import LGBMRegressor
from mapie.regression import ConformalizedQuantileRegressor

REFIT_DAYS, CALIBRATION_DAYS = 56, 182


def main(folder: Path) -> None:
    """Answer every scored row."""
    task, parts = Task.read(folder), []
    for cutoff, block in task.blocks(REFIT_DAYS):
        for scored in block.partition_by("hub"):
            rows = task.rows.filter((pl.col("hub") == scored["hub"][0]) & (pl.col(KNOWN) <= cutoff) & pl.col(PRICE).is_not_null())
            inputs = [c for c in task.inputs if rows[c].null_count() < len(rows)]
            border = scored["delivery_date"].min() - timedelta(days=CALIBRATION_DAYS)
            train, calibration = rows.filter(pl.col("delivery_date") < border), rows.filter(pl.col("delivery_date") >= border)
            boosted = LGBMRegressor(
                objective="quantile", alpha=0.5, n_estimators=400, learning_rate=0.03, num_leaves=31, n_jobs=1, verbose=-1, random_state=0
            )
            model = ConformalizedQuantileRegressor(boosted, confidence_level=0.9)
            model.fit(_table(train, inputs), train[PRICE].to_numpy()).conformalize(
                _table(calibration, inputs), calibration[PRICE].to_numpy()
            )
            point, interval = model.predict_interval(_table(scored, inputs))
            parts.append((scored["row"].to_numpy(), point, {0.05: interval[:, 0, 0], 0.5: point, 0.95: interval[:, 1, 0]}))
    task.write(parts, ["mapie", "lightgbm"])


def _table(rows: pl.DataFrame, inputs: list[str]) -> object:
    return rows.select(pl.col(inputs).cast(pl.Float64)).to_numpy()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
