"""The artifact of bess_vpp: JSON, npz and LightGBM text."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from models._kernel.artifacts import load_arrays, load_booster, load_json, save_arrays, save_booster, save_json, seal, verify_artifact
from models._kernel.quantile_boosting import Boosters
from models.bess_vpp.inputs import Hub
from models.bess_vpp.known import Known
from models.bess_vpp.params import Params
from models.bess_vpp.training import PRICES, Fitted

MODEL = "bess_vpp"


def write(directory: Path, fitted: Fitted, params: Params) -> None:
    """Write and seal the artifact."""
    head: dict[str, Any] = {
        "params": params.as_json(),
        "names": list(fitted.boosters[0].names),
        "hubs": [list(h) for h in fitted.hubs],
        "expected": list(fitted.expected),
        "slots": fitted.slots,
        "cutoff": fitted.cutoff.isoformat(),
    }
    save_json(directory, "model", head)
    for number, hub in enumerate(fitted.hubs):
        save_arrays(directory, f"known_{number:03d}", asdict(fitted.known[hub]))
    for price, boosters in zip(PRICES, fitted.boosters, strict=True):
        for number, booster in enumerate(boosters.models):
            save_booster(directory, f"{price}_{number:02d}", booster)
    seal(directory, model=MODEL)


def read(directory: Path) -> tuple[Fitted, Params]:
    """Read what `write` wrote.

    Raises:
        ArtifactError: the artifact is incomplete, altered or belongs to another model.
    """
    verify_artifact(directory, model=MODEL)
    head = load_json(directory, "model")
    params, names = Params.of(head["params"]), tuple(head["names"])
    made = [
        Boosters(names, params.knots, tuple(load_booster(directory, f"{price}_{k:02d}") for k in range(len(params.knots))))
        for price in PRICES
    ]
    hubs: tuple[Hub, ...] = tuple((str(m), str(h)) for m, h in head["hubs"])
    known = {hub: Known.restore(load_arrays(directory, f"known_{number:03d}")) for number, hub in enumerate(hubs)}
    cutoff = datetime.fromisoformat(head["cutoff"])
    return Fitted((made[0], made[1]), hubs, known, tuple(head["expected"]), int(head["slots"]), cutoff), params
