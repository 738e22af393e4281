"""The artifact of tailrisk: JSON, npz arrays and LightGBM text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from models._kernel.artifacts import load_arrays, load_booster, load_json, save_arrays, save_booster, save_json, seal, verify_artifact
from models._kernel.hour_ridge import LevelModel
from models._kernel.spike_levels import LAST, SERIES
from models._kernel.tail_regression import ParetoRegression
from models.tailrisk.boosting import Widths
from models.tailrisk.distribution import ErrorLaw
from models.tailrisk.online import Past
from models.tailrisk.params import Params

NAME = "tailrisk"
Series = tuple[str, str, str]
PARTS = ("lower", "middle", "upper")


@dataclass(frozen=True, slots=True)
class Fitted:
    """What training leaves behind.

    Attributes:
        names: inputs of the boosters that come from the features.
        expected: inputs that were known in more than half of the training rows.
        level: hourly level regressions.
        widths: boosters of middle and half widths.
        law: law of the errors.
        past: rows the online calibration starts from, by series.
        levels: newest spike levels by series, for rows without history.
        alarm: probabilities that start and end an alarm.
        cutoff: nothing known later was learned.
        search: numbers of the fit, for people.
    """

    names: tuple[str, ...]
    expected: tuple[str, ...]
    level: LevelModel
    widths: Widths
    law: ErrorLaw
    past: Mapping[Series, Past]
    levels: pl.DataFrame
    alarm: tuple[float, float]
    cutoff: datetime
    search: Mapping[str, Any]


def write(directory: Path, fitted: Fitted, params: Params) -> None:
    """Write and seal the artifact."""
    save_json(
        directory,
        "model",
        {
            "params": params.as_json(),
            "names": list(fitted.names),
            "expected": list(fitted.expected),
            "level_names": list(fitted.level.names),
            "width_names": list(fitted.widths.names),
            "tail_level": fitted.law.level,
            "series": [list(s) for s in fitted.past],
            "levels": fitted.levels.to_dicts(),
            "alarm": list(fitted.alarm),
            "cutoff": fitted.cutoff.isoformat(),
            "search": dict(fitted.search),
        },
    )
    save_arrays(directory, "level", {"mean": fitted.level.mean, "std": fitted.level.std, "weights": fitted.level.weights})
    save_arrays(directory, "body", {"body": fitted.law.body})
    save_arrays(directory, "above", fitted.law.above.arrays())
    save_arrays(directory, "below", fitted.law.below.arrays())
    for number, past in enumerate(fitted.past.values()):
        save_arrays(directory, f"past_{number:03d}", asdict(past))
    for part, booster in zip(PARTS, fitted.widths.boosters, strict=True):
        save_booster(directory, f"width_{part}", booster)
    seal(directory, model=NAME)


def read(directory: Path) -> tuple[Fitted, Params]:
    """Read what `write` wrote.

    Raises:
        ArtifactError: the artifact is incomplete, altered or belongs to another model.
    """
    verify_artifact(directory, model=NAME)
    head: dict[str, Any] = load_json(directory, "model")
    level = load_arrays(directory, "level")
    above, below = (ParetoRegression.of(load_arrays(directory, part)) for part in ("above", "below"))
    series: list[Series] = [(str(m), str(h), str(p)) for m, h, p in head["series"]]
    fitted = Fitted(
        names=tuple(head["names"]),
        expected=tuple(head["expected"]),
        level=LevelModel(tuple(head["level_names"]), level["mean"], level["std"], level["weights"]),
        widths=Widths(tuple(head["width_names"]), tuple(load_booster(directory, f"width_{part}") for part in PARTS)),
        law=ErrorLaw(float(head["tail_level"]), load_arrays(directory, "body")["body"], above, below),
        past={s: Past(**load_arrays(directory, f"past_{number:03d}")) for number, s in enumerate(series)},
        levels=pl.DataFrame(head["levels"], schema={**dict.fromkeys(SERIES, pl.String), **dict.fromkeys(LAST, pl.Float64)}),
        alarm=(float(head["alarm"][0]), float(head["alarm"][1])),
        cutoff=datetime.fromisoformat(head["cutoff"]),
        search=dict(head["search"]),
    )
    return fitted, Params.of(head["params"])
