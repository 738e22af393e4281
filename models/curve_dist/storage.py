"""The artifact of curve_dist: JSON, npz arrays and LightGBM text; nothing that could be executed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models._kernel.artifacts import (
    load_arrays,
    load_booster,
    load_json,
    save_arrays,
    save_booster,
    save_json,
    seal,
    verify_artifact,
)
from models.curve_dist.boosting import NAMES, Boosters
from models.curve_dist.design import Inputs
from models.curve_dist.distribution import Calibrator
from models.curve_dist.kernel_ridge import Standard
from models.curve_dist.members import Ensemble
from models.curve_dist.panel import Panel
from models.curve_dist.params import Params
from models.curve_dist.series import Series

MODEL = "curve_dist"
Arrays = dict[str, npt.NDArray[Any]]
PLAIN = ("date", "as_of", "known", "price", "weekday", "holiday", "day_of_year")
TABLES = ("hourly", "daily")


def write(directory: Path, trained: Mapping[tuple[str, ...], Series], params: Params, slots: int, cutoff: datetime) -> None:
    """Write and seal the artifact."""
    heads = []
    for number, (key, series) in enumerate(sorted(trained.items())):
        head, typical = series.ensemble.inputs.state()
        heads.append({"key": list(key), "calibrated_until": series.calibrated_until, "inputs": head})
        save_arrays(directory, f"series_{number:03d}_typical", typical)
        save_arrays(directory, f"series_{number:03d}_kernels", _standards(series.ensemble.standards))
        save_arrays(directory, f"series_{number:03d}_calibrator", series.calibrator.state())
        save_arrays(directory, f"series_{number:03d}_days", _panel(series.stored))
        for name, booster in zip(NAMES, series.ensemble.boosters.models, strict=True):
            save_booster(directory, f"series_{number:03d}_{name}", booster)
    save_json(directory, "model", {"params": params.as_json(), "slots": slots, "cutoff": cutoff.isoformat(), "series": heads})
    seal(directory, model=MODEL)


def read(directory: Path) -> tuple[dict[tuple[str, ...], Series], Params, int, datetime]:
    """Read what `write` wrote.

    Raises:
        ArtifactError: the artifact is incomplete, altered or belongs to another model.
    """
    verify_artifact(directory, model=MODEL)
    head = load_json(directory, "model")
    params = Params.of(head["params"])
    trained = {tuple(part["key"]): _series(directory, number, part, params) for number, part in enumerate(head["series"])}
    return trained, params, int(head["slots"]), datetime.fromisoformat(head["cutoff"])


def _series(directory: Path, number: int, head: Mapping[str, Any], params: Params) -> Series:
    name = f"series_{number:03d}"
    inputs = Inputs.restore(head["inputs"], load_arrays(directory, f"{name}_typical"))
    kernels = load_arrays(directory, f"{name}_kernels")
    boosters = Boosters(tuple(load_booster(directory, f"{name}_{part}") for part in NAMES))
    standards = (_standard(kernels, "level"), _standard(kernels, "relative"))
    calibrator = Calibrator.restore(load_arrays(directory, f"{name}_calibrator"))
    stored = _restored_panel(load_arrays(directory, f"{name}_days"))
    return Series(Ensemble(params, inputs, standards, boosters), calibrator, int(head["calibrated_until"]), stored)


def _standards(standards: tuple[Standard, Standard]) -> Arrays:
    names = [f.name for f in fields(Standard) if f.name != "relative"]
    return {f"{'relative' if s.relative else 'level'}.{n}": np.asarray(getattr(s, n)) for s in standards for n in names}


def _standard(arrays: Arrays, variant: str) -> Standard:
    own = {k.split(".", 1)[1]: v for k, v in arrays.items() if k.startswith(f"{variant}.")}
    return Standard(relative=variant == "relative", **own)


def _panel(panel: Panel) -> Arrays:
    plain: Arrays = {n: np.asarray(getattr(panel, n)) for n in PLAIN}
    return plain | {f"{t}.{c}": v for t in TABLES for c, v in getattr(panel, t).items()}


def _restored_panel(arrays: Arrays) -> Panel:
    hourly, daily = ({k.split(".", 1)[1]: v for k, v in arrays.items() if k.startswith(f"{t}.")} for t in TABLES)
    date, as_of, known, price, weekday, holiday, day_of_year = (arrays[n] for n in PLAIN)
    return Panel(date, as_of, known, price, hourly, daily, {}, weekday, holiday, day_of_year)
