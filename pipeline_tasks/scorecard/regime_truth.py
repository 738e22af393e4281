"""F4 on the simulated market: filtered states beside the hidden regime that drove it."""

from __future__ import annotations

import numpy as np
import polars as pl

from models._kernel.gating import STATES
from models._kernel.yardstick import DataClass
from pipeline_tasks.scorecard.rows import ScoreRow
from pipeline_tasks.scorecard.systems import SystemJob, system_row


def truth_rows(job: SystemJob, regimes: pl.DataFrame) -> list[ScoreRow]:
    """Brier score over three states and share of wrong states, against the regime of the day before delivery that a gate could sense.

    Args:
        job: job.
        regimes: walked answers of `regime`.
    """
    from pipeline_tasks.warehouse.truth import open_truth

    twin = DataClass.TWIN
    with open_truth("yardstick") as truth:
        if truth is None:
            return [system_row(job, twin, "state_brier", None, reason="no account for the role yardstick")]
        found = truth.query(
            "select delivery_ts, regime from truth.regimes where market = 'twin' order by ingested_ts limit 1 by delivery_ts"
        )
    day = pl.col("delivery_ts").dt.convert_time_zone("Europe/Berlin").dt.date().alias("delivery_date")
    known = found.select(day, pl.col("regime").cast(pl.String)).unique("delivery_date")
    columns = [f"{s}_probability" for s in STATES]
    # the market's own states: the mean over hubs
    told = regimes.group_by("delivery_date").agg(pl.col(c).mean() for c in columns).join(known, on="delivery_date").sort("delivery_date")
    if told.height < 20:
        return [system_row(job, twin, "state_brier", None, reason=f"{told.height} days with a known regime; 20 are needed")]
    state = np.array([STATES.index(s) for s in told["regime"]])
    event = np.eye(len(STATES))[state]
    probability = told.select(columns).to_numpy()
    share = event.mean(axis=0)
    brier, climatology = (float(((p - event) ** 2).sum(axis=1).mean()) for p in (probability, np.tile(share, (len(event), 1))))
    wrong, commonest = float(np.mean(probability.argmax(axis=1) != state)), float(np.mean(share.argmax() != state))
    days = [int(d) for d in told["delivery_date"].cast(pl.Int32)]
    why = (
        f"hidden regime of the delivery day, which nobody observes: {', '.join(f'{s} {v:.0%}' for s, v in zip(STATES, share, strict=True))}"
    )
    return [
        system_row(job, twin, "state_brier", brier, reason=why, n=len(event),
                   verdict="pass" if brier < climatology else "miss", target=climatology,
                   baseline="shares_of_the_window", baseline_value=climatology, days=days),
        system_row(job, twin, "state_error_rate", wrong, reason=why, n=len(event), verdict="pass" if wrong < commonest else "miss",
                   target=commonest, baseline="commonest_state", baseline_value=commonest, days=days),
    ]  # fmt: skip
