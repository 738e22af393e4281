"""One table of standings: our model's walk, the yardstick's baselines and published forecasts, and public libraries, on the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from models._kernel.metrics import crps_losses, interval_losses
from models._kernel.registry import spec_of, yardstick_of
from models._kernel.spec import Kind
from models._kernel.stats import diebold_mariano_daily
from pipeline_tasks.compare.peers_run import PeerError, peers_for, run_peer
from pipeline_tasks.scorecard.panel import KEY, Comparator, Panel
from pipeline_tasks.scorecard.runner import Judged, job_of, spec_on
from pipeline_tasks.scorecard.sources import FeatureSource, Say, quiet

Array = npt.NDArray[np.float64]
LOW, HIGH = 0.05, 0.95


@dataclass(frozen=True, slots=True)
class Standing:
    """One competitor on one data set. None where it gives no such answer.

    Attributes:
        data_set, system: names; `kind` is ours, baseline or peer.
        mae, crps, winkler_90: mean losses over the rows that both it and our model answered, currency/MWh.
        coverage_90: share of outcomes inside its 90 % interval.
        ours_mae: our model's MAE on the same rows; `p_value`: one-sided daily Diebold-Mariano test that ours is smaller.
        rows: rows compared. `seconds` and `made_with` of peers: time of the script, and versions of its packages.
    """

    data_set: str
    system: str
    kind: str
    mae: float
    crps: float | None
    winkler_90: float | None
    coverage_90: float | None
    ours_mae: float
    p_value: float | None
    rows: int
    seconds: float | None
    made_with: str

    def to_dict(self) -> dict[str, Any]:
        """The standing as a JSON-able mapping."""
        return asdict(self)


def compare(
    model: str,
    *,
    data_sets: Sequence[str] | None = None,
    peers: Sequence[str] | None = None,
    profile: str = "full",
    seed: int = 7,
    progress: Say | None = None,
    source: FeatureSource | None = None,
    start: date | None = None,
    end: date | None = None,
) -> list[Standing]:
    """Standings of a model, best first within each data set; the model's walk is the scorecard's and is resumed from its finished folds.

    Args:
        model: a model that forecasts prices.
        data_sets: data sets; None for those of its yardstick.
        peers: peers to run; None for all that can answer the model's rows, empty for none.
        profile: training settings of config/models.
        seed: seed of the fits.
        progress: told what is being done.
        source: where features come from; None for the warehouse.
        start: first delivery date compared; None for the yardstick's window.
        end: last delivery date compared; None for the end of the data.

    Raises:
        ValueError: the model does not forecast prices.
        DataAbsentError: a data set is not here.
        PeerError: a peer could not be run.
    """
    if spec_of(model).kind is Kind.PROBABILITY:
        raise ValueError(f"model {model} gives probabilities; the comparator lab compares forecasts of prices")
    say = progress or quiet
    job = job_of(profile=profile, seed=seed, progress=say, source=source, start=start, end=end)
    yardstick, found = yardstick_of(model), []
    for name in data_sets or [d.name for d in yardstick.data_sets]:
        judged = job.judged(model, yardstick, spec_on(yardstick, name))
        panel, levels = judged.panel, judged.panel.levels
        own = {float(level): panel.quantiles[:, k] for k, level in enumerate(levels)}
        rows = [_standing(panel, (name, model, "ours"), panel.point, own)]
        for other in forecasting(panel):
            ladder = {} if other.quantiles is None else {float(level): other.quantiles[:, k] for k, level in enumerate(levels)}
            rows.append(_standing(panel, (name, other.name, "baseline"), other.point, ladder))
        for peer in peers_for(spec_of(model)) if peers is None else peers:
            say(f"{name}: {peer}")
            answer = run_peer(peer, judged.data.frame, _scored(judged), judged.window.folds, levels)
            if not np.isfinite(answer.point).any():
                raise PeerError(f"peer {peer} answered none of the {panel.n} rows of {name}; look at what its script drops")
            rows.append(_standing(panel, (name, peer, "peer"), answer.point, answer.quantiles, (answer.seconds, answer.versions)))
        found += sorted(rows, key=lambda s: s.mae - s.ours_mae)
    return found


def forecasting(panel: Panel) -> list[Comparator]:
    """Comparators that forecast rows; ways of drawing whole days (joint baselines) do not."""
    return [other for other in panel.comparators.values() if np.isfinite(other.point).any()]


def _scored(judged: Judged) -> npt.NDArray[np.bool_]:
    """Rows of the data set that the panel scores; both are in key order."""
    frame = judged.data.frame.select(KEY).with_row_index("row")
    inside = frame.join(judged.panel.rows.select(KEY), on=list(KEY), how="semi")["row"].to_numpy()
    mask = np.zeros(len(frame), dtype=bool)
    mask[inside] = True
    return mask


def _standing(
    panel: Panel, label: tuple[str, str, str], point: Array, ladder: dict[float, Array], made: tuple[float | None, str] = (None, "")
) -> Standing:
    data_set, system, kind = label
    y, both = panel.outcome, np.isfinite(point)
    loss, ours = np.abs(y - point)[both], np.abs(y - panel.point)[both]
    p_value = None if kind == "ours" else diebold_mariano_daily(ours, loss, panel.days[both], alternative="less").p_value
    crps = winkler = coverage = None
    levels = np.array(sorted(ladder))
    if len(levels) and np.array_equal(levels, panel.levels):
        table = np.column_stack([ladder[k] for k in sorted(ladder)])
        known = np.isfinite(table).all(axis=1)
        crps = float(crps_losses(y[known], np.sort(table[known], axis=1), levels).mean()) if known.any() else None
    if LOW in ladder and HIGH in ladder:
        low, high = ladder[LOW], ladder[HIGH]
        known = np.isfinite(low) & np.isfinite(high)
        if known.any():
            winkler = float(interval_losses(y[known], low[known], high[known], alpha=0.1).mean())
            coverage = float(((y >= low) & (y <= high))[known].mean())
    return Standing(
        data_set, system, kind, float(loss.mean()), crps, winkler, coverage, float(ours.mean()), p_value, int(both.sum()), *made
    )


__all__ = ["Standing", "compare"]
