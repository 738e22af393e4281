"""What markets did on outages against what the simulator said: a learned response on top of the exact answer, and a conformal band.

The simulator answers with offers that are months old and without commitment, storage and reserves, so its changes are too large or in
the wrong place. The response is a median regression (Koenker & Bassett 1978; statsmodels) of the realised change of congestion on the
simulated one. Congestion of the day before and what the simulator says of the hour without the outage stand beside it, so that what
changed for other reasons is not taken for the outage's doing; a what-if is told by the outage's part alone. The band comes from events that
were not learned from, with errors in units of the size of what was told (split conformal).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models._kernel.conformal import conformal_quantile
from models._kernel.grid.network import Floats, GridError

LEVEL = 0.9
HELD_OUT = 0.4
"""Share of the events, the latest, that set the band."""
SMALLEST = 0.5
FELT = 1.0
"""Currency/MWh at some bus: an outage with a smaller simulated change teaches nothing of how such changes come true."""
FEWEST = 10
PARTS = ("simulated", "state", "before")


@dataclass(frozen=True, slots=True)
class Realised:
    """One outage in one hour, changes from the same hour of the day before; the mean over buses is taken off each.

    Attributes:
        element: branch that went out.
        day: delivery date, days since 1970.
        truth: change of congestion, currency/MWh, shape (buses,).
        simulated: what the outage does to the hour by the simulator.
        state: congestion of the hour by the simulator, without the outage.
        before: congestion of the same hour of the day before.
    """

    element: str
    day: int
    truth: Floats
    simulated: Floats
    state: Floats
    before: Floats

    @property
    def felt(self) -> bool:
        """Whether the simulator says that it moves congestion."""
        return bool(np.abs(self.simulated).max() > FELT)


@dataclass(frozen=True, slots=True)
class OutageResponse:
    """What was learned.

    Attributes:
        weights: of `PARTS`.
        scale: half-width of the 90 % band, see `half_width`.
        events: learned from, those that set the band included.
    """

    weights: Floats
    scale: float
    events: int

    def change(self, simulated: Floats) -> Floats:
        """Change of congestion that is expected of an outage, from the simulated one (mean over buses taken off), currency/MWh."""
        return np.asarray(self.weights[0] * simulated)

    def realised(self, event: Realised) -> Floats:
        """Change from the day before that is expected of an event, with what else is known of it."""
        return np.asarray(self.change(event.simulated) + self.weights[1] * event.state + self.weights[2] * event.before)

    def half_width(self, told: Floats, state: Floats) -> Floats:
        """Half-width of the 90 % band around what is told: grows with it and with the congestion that is there without the outage."""
        return np.asarray(self.scale * _size(told, state))


def learn_response(events: Sequence[Realised]) -> OutageResponse:
    """Learn from events that are felt: weights from all, the band from the latest, told by the weights of those before them.

    Raises:
        GridError: fewer than 10 events are felt.
    """
    ordered = sorted((e for e in events if e.felt), key=lambda e: (e.day, e.element))
    if len(ordered) < FEWEST:
        raise GridError(
            f"{len(ordered)} of {len(events)} outages move congestion by more than {FELT:g} currency/MWh in the simulation;"
            f" give at least {FEWEST} such, e.g. a longer history"
        )
    cut = len(ordered) - max(1, int(HELD_OUT * len(ordered)))
    first = OutageResponse(median_weights(ordered[:cut]), 0.0, cut)
    told = [first.realised(e) for e in ordered[cut:]]
    scores = np.concatenate([np.abs(t - e.truth) / _size(t, e.state) for t, e in zip(told, ordered[cut:], strict=True)])
    scale = float(conformal_quantile(scores, LEVEL))
    return OutageResponse(median_weights(ordered), scale if np.isfinite(scale) else float(scores.max()), len(ordered))


def median_weights(events: Sequence[Realised], parts: Sequence[str] = PARTS) -> Floats:
    """Median regression of the truth on the parts, without a level; a part that never moves, or is not asked for, gets nothing."""
    import warnings

    from statsmodels.regression.quantile_regression import QuantReg

    x = np.vstack([np.column_stack([getattr(e, name) for name in PARTS]) for e in events])
    y = np.concatenate([e.truth for e in events])
    scale = x.std(axis=0)
    used = np.flatnonzero((scale > 0) & np.isin(PARTS, list(parts)))
    found = np.zeros(len(PARTS))
    if used.size:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns where half of the changes are nothing and the optimum is a corner
            found[used] = QuantReg(y, x[:, used] / scale[used]).fit(q=0.5, max_iter=500).params / scale[used]
    return found


def _size(told: Floats, state: Floats) -> Floats:
    return np.asarray(SMALLEST + np.abs(told) + np.abs(state))
