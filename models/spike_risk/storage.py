"""The artifact of spike_risk: JSON, npz arrays and LightGBM text; nothing that could be executed."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from models._kernel.artifacts import load_arrays, load_booster, load_json, save_arrays, save_booster, save_json, seal, verify_artifact
from models._kernel.hour_ridge import LevelModel
from models._kernel.spike_levels import LAST, SERIES
from models.spike_risk.calibration import Link
from models.spike_risk.params import Params
from models.spike_risk.training import POOL, Fitted

NAME = "spike_risk"


def write(directory: Path, fitted: Fitted, params: Params, cutoff: datetime) -> None:
    """Write and seal the artifact."""
    import lightgbm

    save_json(
        directory,
        "model",
        {
            "params": asdict(params),
            "cutoff": cutoff.isoformat(),
            "names": fitted.names,
            "expected": fitted.expected,
            "calibrator": asdict(fitted.calibrator),
            "link": asdict(fitted.link),
            "level_names": list(fitted.level.names),
            "base_rate": fitted.base_rate,
            "alert_probability": fitted.alert_probability,
            "search": fitted.search,
            "levels": fitted.levels.to_dicts(),
            "has_booster": bool(fitted.booster),
        },
    )
    save_arrays(directory, "level", {"mean": fitted.level.mean, "std": fitted.level.std, "weights": fitted.level.weights})
    save_arrays(directory, "pool", _pool_arrays(fitted.pool))
    if fitted.booster:
        save_booster(directory, "booster", lightgbm.Booster(model_str=fitted.booster))
    seal(directory, model=NAME)


def read(directory: Path) -> tuple[Fitted, Params, datetime]:
    """Read what `write` wrote.

    Raises:
        ArtifactError: the artifact is incomplete, altered or belongs to another model.
    """
    verify_artifact(directory, model=NAME)
    head: dict[str, Any] = load_json(directory, "model")
    level, pool = load_arrays(directory, "level"), load_arrays(directory, "pool")
    frame = pl.DataFrame({c: pool[c].astype(str) for c in SERIES}, schema=dict.fromkeys(SERIES, pl.String))
    instants = pl.Series("as_of", pool["as_of"], dtype=pl.Int64).cast(pl.Datetime("ms", "UTC"))
    fitted = Fitted(
        names=list(head["names"]),
        expected=list(head["expected"]),
        link=Link(**head["link"]),
        level=LevelModel(tuple(head["level_names"]), level["mean"], level["std"], level["weights"]),
        booster=str(load_booster(directory, "booster").model_to_string()) if head["has_booster"] else "",
        calibrator=Link(**head["calibrator"]),
        base_rate=float(head["base_rate"]),
        alert_probability=float(head["alert_probability"]),
        pool=frame.with_columns(instants, pl.Series("probability", pool["probability"], dtype=pl.Float64)).cast(POOL),
        levels=pl.DataFrame(head["levels"], schema={**dict.fromkeys(SERIES, pl.String), **dict.fromkeys(LAST, pl.Float64)}),
        search=dict(head["search"]),
    )
    return fitted, Params.of(head["params"]), datetime.fromisoformat(head["cutoff"])


def _pool_arrays(pool: pl.DataFrame) -> dict[str, Any]:
    text = {c: np.asarray(pool[c].to_list() or [""], dtype=np.str_)[: len(pool)] for c in SERIES}
    return {**text, "as_of": pool["as_of"].dt.epoch("ms").to_numpy(), "probability": pool["probability"].to_numpy()}
