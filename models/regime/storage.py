"""The artifact of regime: JSON and npz arrays; nothing that could be executed."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from models._kernel.artifacts import load_arrays, load_json, save_arrays, save_json, seal, verify_artifact
from models._kernel.hour_ridge import LevelModel
from models._kernel.market_days import Scales
from models._kernel.markov_switching import Switching
from models.regime.fallback import Fallback
from models.regime.params import Params

if TYPE_CHECKING:
    from models.regime.model import Fitted

NAME = "regime"
Parts = tuple[Switching, Scales, npt.NDArray[np.float64], Fallback]


def write(directory: Path, fitted: Fitted, params: Params, cutoff: datetime) -> None:
    """Write and seal the artifact."""
    fallback, states = fitted.fallback, fitted.switching
    save_json(
        directory,
        "model",
        {
            "params": asdict(params),
            "cutoff": cutoff.isoformat(),
            "scales": {hub: [list(pair) for pair in pairs] for hub, pairs in fitted.scales.items()},
            "names": list(fallback.levels.names),
            "centre": fallback.centre,
            "spread": fallback.spread,
            "least": fallback.least,
            "expected": list(fallback.expected),
        },
    )
    arrays = {
        "start": states.start,
        "transition": states.transition,
        "mean": states.mean,
        "variance": states.variance,
        "evidence": fitted.evidence,
        "input_mean": fallback.levels.mean,
        "input_std": fallback.levels.std,
        "weights": fallback.levels.weights,
        "hour_error": fallback.hour_error,
        "ladder": fallback.ladder,
    }
    save_arrays(directory, "arrays", arrays)
    seal(directory, model=NAME)


def read(directory: Path) -> tuple[Parts, Params, datetime]:
    """Read what `write` wrote.

    Raises:
        ArtifactError: the artifact is incomplete, altered or belongs to another model.
    """
    verify_artifact(directory, model=NAME)
    head: dict[str, Any] = load_json(directory, "model")
    a = load_arrays(directory, "arrays")
    fallback = Fallback(
        LevelModel(tuple(head["names"]), a["input_mean"], a["input_std"], a["weights"]),
        float(head["centre"]),
        float(head["spread"]),
        float(head["least"]),
        a["hour_error"],
        a["ladder"],
        tuple(head["expected"]),
    )
    scales = {hub: tuple((float(m), float(s)) for m, s in pairs) for hub, pairs in head["scales"].items()}
    parts = Switching(a["start"], a["transition"], a["mean"], a["variance"]), scales, a["evidence"], fallback
    return parts, Params.of(head["params"]), datetime.fromisoformat(head["cutoff"])
