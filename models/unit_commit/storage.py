"""The artifact of unit_commit: JSON, npz arrays and LightGBM text; nothing that could be executed."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from models._kernel.artifacts import load_arrays, load_booster, load_json, save_arrays, save_booster, save_json, seal, verify_artifact
from models._kernel.unit_markov import Markov
from models.unit_commit.hazard import Isotonic
from models.unit_commit.params import Params
from models.unit_commit.training import Fitted

NAME = "unit_commit"


def write(directory: Path, fitted: Fitted, params: Params, cutoff: datetime) -> None:
    """Write and seal the artifact."""
    save_json(
        directory,
        "model",
        {
            "params": asdict(params),
            "cutoff": cutoff.isoformat(),
            "expected": fitted.expected,
            "search": fitted.search,
            "boosters": sorted(name for name, booster in fitted.boosters.items() if booster is not None),
            "without": sorted(name for name, booster in fitted.boosters.items() if booster is None),
            "calibration": {e: [[h, list(x), list(y)] for h, (x, y) in sorted(c.knots.items())] for e, c in fitted.calibration.items()},
            "markov": {
                o: {"base": m.base, "levels": [[[c, str(t.schema[c])] for c in t.columns] for t in m.tables]}
                for o, m in fitted.markov.items()
            },
        },
    )
    for outcome, markov in fitted.markov.items():
        save_arrays(directory, f"markov_{outcome}", {f"{n}_{c}": _array(t[c]) for n, t in enumerate(markov.tables) for c in t.columns})
    for name, booster in fitted.boosters.items():
        if booster is not None:
            save_booster(directory, f"booster_{name}", booster)
    seal(directory, model=NAME)


def read(directory: Path) -> tuple[Fitted, Params, datetime]:
    """Read what `write` wrote.

    Raises:
        ArtifactError: the artifact is incomplete, altered or belongs to another model.
    """
    verify_artifact(directory, model=NAME)
    head: dict[str, Any] = load_json(directory, "model")
    markov = {}
    for outcome, told in head["markov"].items():
        arrays = load_arrays(directory, f"markov_{outcome}")
        tables = [
            pl.DataFrame([_series(c, arrays[f"{number}_{c}"], dtype) for c, dtype in columns])
            for number, columns in enumerate(told["levels"])
        ]
        markov[outcome] = Markov(float(told["base"]), tuple(tables))
    boosters: dict[str, Any] = {name: load_booster(directory, f"booster_{name}") for name in head["boosters"]}
    fitted = Fitted(
        markov=markov,
        boosters={**boosters, **dict.fromkeys(head["without"])},
        calibration={e: Isotonic({int(h): (tuple(x), tuple(y)) for h, x, y in knots}) for e, knots in head["calibration"].items()},
        expected={h: list(names) for h, names in head["expected"].items()},
        search=dict(head["search"]),
    )
    return fitted, Params.of(head["params"]), datetime.fromisoformat(head["cutoff"])


_TYPES: dict[str, Any] = {"String": pl.String, "Int64": pl.Int64, "Float64": pl.Float64}


def _array(column: pl.Series) -> Any:
    if column.dtype == pl.String:
        return np.asarray(column.to_list() or [""], dtype=np.str_)[: len(column)]
    return column.to_numpy()


def _series(name: str, values: Any, dtype: str) -> pl.Series:
    return pl.Series(name, values.astype(str).tolist() if dtype == "String" else values, dtype=_TYPES[dtype])
