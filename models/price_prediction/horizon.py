"""One horizon: boosters, how far to trust them, and the calibrated ladder of quantiles around their median."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.scaled_band import Base
from models.price_prediction import boosting
from models.price_prediction.boosting import Boosters
from models.price_prediction.inputs import HUB, NAMES, OPTIONAL, centre, matrix
from models.price_prediction.params import Params
from models.price_prediction.spec import LEVELS

Array = npt.NDArray[np.float64]
TRUST = tuple(k / 10 for k in range(11))
MIN_ROWS = 200


@dataclass(frozen=True, slots=True)
class Horizon:
    """What training leaves of one horizon.

    Attributes:
        minutes: the horizon.
        names: inputs in use, in order.
        hubs: hubs trained on; their position is the hub's code.
        boosters: quantiles of the price change.
        trust: share of the predicted change that is issued (1 all, 0 persistence), chosen on the calibration days.
        fallback: median training price, for rows without any known price.
        floor: smallest distance to an end of the interval, currency/MWh.
        usual_age_min: median age of the last known price, minutes.
        offsets: quantiles of the scores on the calibration days at LEVELS.
        expected: optional columns that most training rows of a series have, by "market|hub|product".
    """

    minutes: int
    names: list[str]
    hubs: list[str]
    boosters: Boosters
    trust: float
    fallback: float
    floor: float
    usual_age_min: float
    offsets: list[float]
    expected: dict[str, list[str]]

    def base(self, rows: pl.DataFrame) -> Base:
        """Uncalibrated answer for rows of `inputs.complete`."""
        changes = self.boosters.changes(matrix(rows, self.names, self.hubs))
        return base_of(changes, centre(rows, self.fallback), self.trust, self.floor)


def base_of(changes: dict[str, Array], centres: Array, trust: float, floor: float) -> Base:
    """Median shrunk towards the centre by `trust`; interval ends never nearer to it than `floor`."""
    median = trust * changes["median"]
    below = np.maximum(median - changes["low"], floor)
    above = np.maximum(changes["high"] - median, floor)
    return Base(centres + median, below, above)


def fit_horizon(rows: pl.DataFrame, minutes: int, params: Params, *, seed: int) -> Horizon:
    """Fit one horizon.

    A first fit leaves the calibration days out; on them the trust in the predicted change (least absolute error) and the quantiles of the
    scores are found. The final fit learns from all rows.

    Args:
        rows: learnable rows of the horizon, in key order, with all optional columns.
        minutes: the horizon.
        params: model parameters.
        seed: seed of the boosters.
    """
    hubs = rows["hub"].unique().sort().to_list()
    wanted = [n for n in NAMES if n != HUB or len(hubs) > 1]
    x = matrix(rows, wanted, hubs)
    used = [i for i in range(len(wanted)) if np.isfinite(x[:, i]).any()]
    names, x = [wanted[i] for i in used], x[:, used]
    price = rows["price_ccy_per_mwh"].to_numpy().astype(np.float64)
    fallback = float(np.median(price))
    centres = centre(rows, fallback)
    floor = max(0.01, 0.1 * float(np.median(np.abs(price - centres))))
    block = pl.col("as_of").max() - timedelta(days=params.calibration_days)
    early = rows.select(pl.col("price_known_ts") <= block).to_series().to_numpy()
    late = rows.select(pl.col("as_of") > block).to_series().to_numpy()
    if early.sum() < MIN_ROWS or late.sum() < MIN_ROWS:
        early = late = np.ones(rows.height, dtype=bool)
    first = boosting.train(x[early], (price - centres)[early], names, params, seed=seed)
    changes = first.changes(x[late])
    gap = (price - centres)[late]
    losses = [float(np.mean(np.abs(gap - t * changes["median"]))) for t in TRUST]
    trust = TRUST[int(np.argmin(losses))]
    scores = base_of(changes, centres[late], trust, floor).scores(price[late])
    final = boosting.train(x, price - centres, names, params, seed=seed)
    age = rows["price_last_age_min"].median()
    return Horizon(
        minutes=minutes,
        names=names,
        hubs=hubs,
        boosters=final,
        trust=trust,
        fallback=fallback,
        floor=floor,
        usual_age_min=float(age) if isinstance(age, int | float) else 0.0,
        offsets=[float(v) for v in np.quantile(scores, LEVELS)],
        expected=_expected(rows),
    )


def _expected(rows: pl.DataFrame) -> dict[str, list[str]]:
    shares = rows.group_by("market", "hub", "product", maintain_order=True).agg(
        (pl.col(c).is_not_null().mean() > 0.5).alias(c) for c in OPTIONAL
    )
    return {
        "|".join(map(str, row[:3])): [c for c, is_usual in zip(OPTIONAL, row[3:], strict=True) if is_usual] for row in shares.iter_rows()
    }
