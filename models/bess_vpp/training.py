"""Training of bess_vpp: boosters of both prices on what was known, and a calibration block answered by boosters that never saw it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel import quantile_boosting
from models._kernel.quantile_boosting import Boosters
from models.bess_vpp.inputs import OPTIONAL, Hub, hubs_of, inputs_of, with_optional
from models.bess_vpp.known import Known, outcomes_of
from models.bess_vpp.params import Params
from models.bess_vpp.spec import LEVELS

Array = npt.NDArray[np.float64]
RARELY_MISSING = 0.01
FEWEST_DAYS = 30
PRICES = ("da", "rt")


@dataclass(frozen=True, slots=True)
class Fitted:
    """What training leaves behind.

    Attributes:
        boosters: quantile boosters of the day-ahead and of the balancing price.
        hubs: (market, hub) of the training rows; the number of a hub is an input of the boosters.
        known: calibration rows by hub.
        expected: optional inputs that training rows had.
        slots: intervals of a 24-hour day.
        cutoff: nothing known later was learned.
    """

    boosters: tuple[Boosters, Boosters]
    hubs: tuple[Hub, ...]
    known: Mapping[Hub, Known]
    expected: tuple[str, ...]
    slots: int
    cutoff: datetime

    def ladder(self, rows: pl.DataFrame) -> Array:
        """Boosted quantiles of both prices, sorted, shape (n, 2, levels)."""
        inputs, _ = inputs_of(rows, self.hubs, self.boosters[0].names)
        return np.stack([b.quantiles(inputs) for b in self.boosters], axis=1) if len(inputs) else np.empty((0, 2, len(LEVELS)))


def train(rows: pl.DataFrame, params: Params, *, cutoff: datetime, seed: int) -> Fitted:
    """Train on rows with both prices known, in key order.

    Raises:
        ValueError: too few delivery dates.
    """
    days = rows["delivery_date"].unique().sort()
    if len(days) < FEWEST_DAYS:
        raise ValueError(
            f"bess_vpp: {len(days)} delivery dates with both prices known at {cutoff}; {FEWEST_DAYS} are needed, give a longer history"
        )
    rows = rows.filter(pl.col("delivery_date") > days[-1] - timedelta(days=params.train_days))
    hubs = tuple(sorted(set(hubs_of(rows))))
    inputs, names = inputs_of(rows, hubs)
    prices = outcomes_of(rows)
    kept = rows["delivery_date"].unique().sort().to_list()
    first: date = kept[-min(params.calibration_days, len(kept) // 3)]
    later = (rows["delivery_date"] >= first).to_numpy()
    begins = rows.filter(pl.Series(later))["as_of"].min()
    earlier = ~later & (rows["price_known_ts"] <= begins).to_numpy()
    optional = with_optional(rows)

    def fit(chosen: npt.NDArray[np.bool_]) -> tuple[Boosters, Boosters]:
        made = [quantile_boosting.train(inputs[chosen], names, prices[chosen, k], params.knots, params.boosting, seed=seed) for k in (0, 1)]
        return made[0], made[1]

    early = Fitted(fit(earlier), hubs, {}, (), 0, cutoff)
    block = rows.filter(pl.Series(later))
    return Fitted(
        boosters=fit(np.ones(rows.height, dtype=np.bool_)),
        hubs=hubs,
        known=known_by_hub(early, block, hubs),
        expected=tuple(c for c in OPTIONAL if optional[c].null_count() <= RARELY_MISSING * rows.height),
        slots=24 * 60 // int(rows["resolution_min"].to_numpy().min()),
        cutoff=cutoff,
    )


def known_by_hub(fitted: Fitted, rows: pl.DataFrame, hubs: tuple[Hub, ...]) -> dict[Hub, Known]:
    """Rows of every hub with the quantiles that `fitted` gives them."""
    ladder, of = fitted.ladder(rows), hubs_of(rows)
    mine = {hub: np.array([h == hub for h in of], dtype=np.bool_) for hub in hubs}
    return {hub: Known.of(rows.filter(pl.Series(mine[hub], dtype=pl.Boolean)), ladder[mine[hub]]) for hub in hubs}
