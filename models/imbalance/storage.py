"""The artifact of imbalance: JSON, npz and LightGBM text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from models._kernel.artifacts import load_arrays, load_booster, load_json, save_arrays, save_booster, save_json, seal, verify_artifact
from models._kernel.quantile_boosting import Boosters
from models._kernel.replay import Past
from models.imbalance.params import Params

MODEL = "imbalance"
Series = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Fitted:
    """What training leaves behind.

    Attributes:
        boosters: quantile boosters at the knots.
        series: (market, hub, product) of the training rows; the number of a series is an input of the boosters.
        past: calibration rows by series.
        expected: optional inputs that training rows had.
        slots: intervals of a local day.
        cutoff: nothing known later was learned.
    """

    boosters: Boosters
    series: tuple[Series, ...]
    past: Mapping[Series, Past]
    expected: tuple[str, ...]
    slots: int
    cutoff: datetime


def write(directory: Path, fitted: Fitted, params: Params) -> None:
    """Write and seal the artifact."""
    head: dict[str, Any] = {
        "params": params.as_json(),
        "names": list(fitted.boosters.names),
        "series": [list(s) for s in fitted.series],
        "expected": list(fitted.expected),
        "slots": fitted.slots,
        "cutoff": fitted.cutoff.isoformat(),
    }
    save_json(directory, "model", head)
    for number, series in enumerate(fitted.series):
        save_arrays(directory, f"past_{number:03d}", asdict(fitted.past[series]))
    for number, booster in enumerate(fitted.boosters.models):
        save_booster(directory, f"knot_{number:02d}", booster)
    seal(directory, model=MODEL)


def read(directory: Path) -> tuple[Fitted, Params]:
    """Read what `write` wrote.

    Raises:
        ArtifactError: the artifact is incomplete, altered or belongs to another model.
    """
    verify_artifact(directory, model=MODEL)
    head = load_json(directory, "model")
    params = Params.of(head["params"])
    models = tuple(load_booster(directory, f"knot_{number:02d}") for number in range(len(params.knots)))
    series: tuple[Series, ...] = tuple((str(m), str(h), str(p)) for m, h, p in head["series"])
    past = {s: Past.restore(load_arrays(directory, f"past_{number:03d}")) for number, s in enumerate(series)}
    boosters = Boosters(tuple(head["names"]), params.knots, models)
    return Fitted(boosters, series, past, tuple(head["expected"]), int(head["slots"]), datetime.fromisoformat(head["cutoff"])), params
