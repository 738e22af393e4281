"""The artifact of regime: JSON and npz arrays; nothing that could be executed."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from models._kernel.artifacts import load_arrays, load_json, save_arrays, save_json, seal, verify_artifact
from models._kernel.market_days import Scales
from models._kernel.markov_switching import Switching
from models._kernel.week_ridge import WeekRidge
from models.regime.params import Params

if TYPE_CHECKING:
    from models.regime.model import Fitted

NAME = "regime"
Parts = tuple[Switching, Scales, npt.NDArray[np.float64], WeekRidge]


def write(directory: Path, fitted: Fitted, params: Params, cutoff: datetime) -> None:
    """Write and seal the artifact."""
    (head, arrays), states = fitted.fallback.parts(), fitted.switching
    save_json(
        directory,
        "model",
        {
            "params": asdict(params),
            "cutoff": cutoff.isoformat(),
            "scales": {hub: [list(pair) for pair in pairs] for hub, pairs in fitted.scales.items()},
            **head,
        },
    )
    arrays |= {
        "start": states.start,
        "transition": states.transition,
        "mean": states.mean,
        "variance": states.variance,
        "evidence": fitted.evidence,
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
    scales = {hub: tuple((float(m), float(s)) for m, s in pairs) for hub, pairs in head["scales"].items()}
    parts = Switching(a["start"], a["transition"], a["mean"], a["variance"]), scales, a["evidence"], WeekRidge.of(head, a)
    return parts, Params.of(head["params"]), datetime.fromisoformat(head["cutoff"])
