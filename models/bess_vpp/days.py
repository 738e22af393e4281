"""Days of a battery: quantiles and joint scenarios of both prices as known at the gate, and the program on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.frames import learnable
from models._kernel.scenarios import SCHAAKE
from models._kernel.spec import Outcome
from models._kernel.storage.asset import StorageAsset
from models._kernel.storage.rules import MarketRules
from models.bess_vpp.inputs import Hub, hubs_of, slots_of
from models.bess_vpp.known import DAY_AHEAD, REAL_TIME, Known
from models.bess_vpp.params import Params
from models.bess_vpp.training import Fitted, known_by_hub

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
DAY_AHEAD_PRICE = Outcome("da_price_ccy_per_mwh", "da_price_known_ts")


@dataclass(frozen=True, slots=True)
class Day:
    """One hub's delivery date, decided once.

    Attributes:
        rows: numbers of its rows in the target, in order of delivery, shape (T,).
        hub: market and hub.
        date: delivery date, days since 1970.
        slot: local time, shape (T,).
        raw: boosted quantiles of both prices, shape (T, 2, levels).
        ladder: recalibrated ones, same shape.
        known: what was known at the gate.
        asset: the battery.
        rules: rules of the market.
        slots: intervals of a 24-hour day.
    """

    rows: Ints
    hub: Hub
    date: int
    slot: Ints
    raw: Array
    ladder: Array
    known: Known
    asset: StorageAsset
    rules: MarketRules
    slots: int

    def scenarios(self, count: int, *, method: str = SCHAAKE, recalibrated: bool = True) -> tuple[Array, Array]:
        """Joint scenarios of the day-ahead and the balancing price within the market's limits, each of shape (count, T)."""
        ladder = self.ladder if recalibrated else self.raw
        drawn = self.known.scenarios(self.hub, self.date, ladder, self.slot, slots=self.slots, count=count, method=method)
        return self.rules.clipped(drawn[DAY_AHEAD]), self.rules.clipped(drawn[REAL_TIME])

    def medians(self) -> tuple[Array, Array]:
        """Median of both prices within the market's limits, each of shape (T,)."""
        middle = self.ladder[:, :, self.ladder.shape[2] // 2]
        return self.rules.clipped(middle[:, DAY_AHEAD]), self.rules.clipped(middle[:, REAL_TIME])


def days_of(target: pl.DataFrame, history: pl.DataFrame, fitted: Fitted, params: Params, as_of: datetime) -> Iterator[Day]:
    """Days of the target, each with what was known at its own decision (and by `as_of`).

    Args:
        target: rows asked, in key order.
        history: rows whose outcomes may be known.
        fitted: what training left.
        params: parameters.
        as_of: nothing known later is read.
    """
    known = _known(fitted, history, as_of)
    raw = fitted.ladder(target)
    slot, hubs = slots_of(target), hubs_of(target)
    blocks = np.arange(fitted.slots) * params.blocks // fitted.slots
    frame = target.select("market", "hub", "delivery_date", "as_of", "delivery_ts", "resolution_min").with_row_index("row")
    for part in frame.partition_by("market", "hub", "delivery_date", "as_of", maintain_order=True):
        rows = part.sort("delivery_ts")["row"].to_numpy().astype(np.int64)
        hub, day = hubs[rows[0]], int(part["delivery_date"].cast(pl.Int32)[0])
        instant = min(int(part["as_of"].dt.epoch("ms")[0]), int(as_of.timestamp() * 1000))
        then = known.get(hub, _EMPTY).at(instant, day, params.cqr_window_days)
        market, minutes = hub[0], int(part["resolution_min"][0])
        yield Day(
            rows=rows,
            hub=hub,
            date=day,
            slot=slot[rows],
            raw=raw[rows],
            ladder=then.recalibrated(raw[rows], slot[rows], blocks) if params.cqr else raw[rows],
            known=then,
            asset=params.asset(market),
            rules=params.rules(market, minutes),
            slots=fitted.slots,
        )


_EMPTY = Known(np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, 2), np.int64), np.empty((0, 2)), np.empty((0, 2, 5)))


def _known(fitted: Fitted, history: pl.DataFrame, as_of: datetime) -> dict[Hub, Known]:
    """Calibration rows of training, then what became known since."""
    if not history.width:
        return dict(fitted.known)
    since = learnable(history, as_of, DAY_AHEAD_PRICE).filter(
        (pl.col("resolution_min") == 24 * 60 // fitted.slots)
        & (pl.col("price_known_ts").is_null() | (pl.col("price_known_ts") > fitted.cutoff))
    )
    late = pl.col("price_known_ts") > as_of
    since = since.with_columns(pl.when(~late).then(pl.col(c)).alias(c) for c in ("price_ccy_per_mwh", "price_known_ts"))
    newer = known_by_hub(fitted, since, fitted.hubs)
    return {hub: fitted.known[hub].plus(newer[hub]) for hub in fitted.hubs}
