"""O5: coverage by block of the day, interval score and crossing of both prices' quantiles, boosted against recalibrated."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models._kernel.recalibration import mirrored
from models._kernel.stats import diebold_mariano
from models.bess_vpp.spec import LEVELS
from pipeline_tasks.scorecard.bess_case import Case
from pipeline_tasks.scorecard.rows import ScoreRow, Verdict

Array = npt.NDArray[np.float64]
BLOCKS = 6
CUT = 0.5
PRICES = ("da", "rt")


def quantile_rows(case: Case) -> list[ScoreRow]:
    """Rows of O5 for both prices."""
    made, crossings = [], 0
    block = np.concatenate([w.day.slot * BLOCKS // w.day.slots for w in case.days])
    date = np.concatenate([np.full(w.day.slot.size, w.day.date) for w in case.days])
    for k, price in enumerate(PRICES):
        outcome = np.concatenate([w.first if k == 0 else w.second for w in case.days])
        raw, own = (np.concatenate([getattr(w.day, name)[:, k] for w in case.days]) for name in ("raw", "ladder"))
        crossings += int((np.diff(own, axis=1) < 0).sum())
        before, after = (_coverage_error(q, outcome, block) for q in (raw, own))
        cut = 1 - after / before if before > 0 else 0.0
        said = f"mean |coverage - nominal| of the 50 and 80 % intervals over {BLOCKS} blocks of the day: {before:.4f} to {after:.4f}"
        good: Verdict = "pass" if cut >= CUT else "miss"
        made.append(
            case.row(f"coverage_error_cut_{price}", cut, said, verdict=good, target=CUT, baseline="without_cqr", baseline_value=before)
        )
        made.append(_interval_score(case, price, outcome, date, raw, own))
    text = "pairs of neighbouring quantiles out of order, both prices"
    made.append(case.row("quantile_crossings", float(crossings), text, verdict="pass" if crossings == 0 else "miss", target=0.0))
    return made


def _coverage_error(ladder: Array, outcome: Array, block: npt.NDArray[np.int64]) -> float:
    """Mean absolute difference of coverage and nominal level over blocks and mirrored pairs of quantiles."""
    errors = []
    for low, high in mirrored(LEVELS):
        inside = (outcome >= ladder[:, low]) & (outcome <= ladder[:, high])
        errors += [abs(float(inside[block == b].mean()) - (LEVELS[high] - LEVELS[low])) for b in np.unique(block)]
    return float(np.mean(errors))


def _interval_score(case: Case, price: str, outcome: Array, date: npt.NDArray[np.int64], raw: Array, own: Array) -> ScoreRow:
    """Mean interval score of the 80 % interval, tested on days; it must not be significantly worse than the boosted one's."""
    days = np.unique(date)
    losses = [np.array([_score(q[date == d], outcome[date == d]).mean() for d in days]) for q in (own, raw)]
    better, worse = diebold_mariano(*losses), diebold_mariano(*losses, alternative="greater")
    good: Verdict = "miss" if worse.p_value < 0.05 else "pass"
    said = f"80 % interval, currency/MWh; must not be worse (Diebold-Mariano on days, p of worse {worse.p_value:.3f})"
    return case.row(
        f"interval_score_80_{price}", float(losses[0].mean()), said, verdict=good, p_value=better.p_value, baseline="without_cqr",
        baseline_value=float(losses[1].mean()),
    )  # fmt: skip


def _score(ladder: Array, outcome: Array) -> Array:
    low, high, alpha = ladder[:, 0], ladder[:, -1], 1 - (LEVELS[-1] - LEVELS[0])
    return np.asarray(high - low + 2 / alpha * (np.maximum(low - outcome, 0) + np.maximum(outcome - high, 0)), dtype=np.float64)
