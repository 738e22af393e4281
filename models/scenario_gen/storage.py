"""The artifact of scenario_gen: JSON and npz arrays; nothing that could be executed."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from models._kernel.artifacts import load_arrays, load_json, save_arrays, save_json, seal, verify_artifact
from models._kernel.markov_switching import Switching
from models._kernel.week_ridge import WeekRidge
from models.scenario_gen.conditions import Standard
from models.scenario_gen.days import Days
from models.scenario_gen.generator import Generator, Training
from models.scenario_gen.latent import Latent
from models.scenario_gen.params import Params
from models.scenario_gen.tailed import Tails

if TYPE_CHECKING:
    from models.scenario_gen.model import Fitted

NAME = "scenario_gen"


def write(directory: Path, fitted: Fitted, params: Params, cutoff: datetime) -> None:
    """Write and seal the artifact."""
    head, arrays = fitted.ridge.parts()
    made, states = fitted.generator, fitted.switching
    series = sorted(fitted.past)
    save_json(
        directory,
        "model",
        {
            "params": asdict(params),
            "cutoff": cutoff.isoformat(),
            "scales": {hub: [list(pair) for pair in pairs] for hub, pairs in fitted.scales.items()},
            "ridge": head,
            "hubs": [list(key) for key in fitted.hubs],
            "past": [list(key) for key in series],
            "conditions_expected": list(made.standard.expected),
            "tail_scale": list(made.tails.scale),
            "tail_shape": list(made.tails.shape),
            "method": made.method,
            "marginals": made.marginals,
            "found": dict(made.found),
            "networks": sorted(made.weights),
        },
    )
    save_arrays(directory, "ridge", arrays)
    save_arrays(
        directory,
        "states",
        {"start": states.start, "transition": states.transition, "mean": states.mean, "variance": states.variance},
    )
    training = made.training
    drawn: dict[str, npt.NDArray[Any]] = {
        "hub": training.hub,
        "date": training.date,
        "score": training.score,
        "condition": training.condition,
    }
    scale = {"condition_mean": made.standard.mean, "condition_spread": made.standard.spread}
    whitening = {"mean": made.latent.mean, "root": made.latent.root, "inverse": made.latent.inverse, "hub_root": made.root}
    save_arrays(directory, "generator", drawn | scale | whitening)
    for kind, weights in made.weights.items():
        save_arrays(directory, kind, weights)
    for number, key in enumerate(series):
        days = fitted.past[key]
        save_arrays(directory, f"past{number:03d}", {"date": days.date, "as_of": days.as_of, "known": days.known, "score": days.score})
    seal(directory, model=NAME)


def read(directory: Path) -> tuple[dict[str, Any], Params, datetime]:
    """Fields of `Fitted` that `write` wrote, parameters and cutoff.

    Raises:
        ArtifactError: the artifact is incomplete, altered or belongs to another model.
    """
    verify_artifact(directory, model=NAME)
    head: dict[str, Any] = load_json(directory, "model")
    states, a = load_arrays(directory, "states"), load_arrays(directory, "generator")
    generator = Generator(
        Training(a["hub"], a["date"], a["score"], a["condition"]),
        Standard(a["condition_mean"], a["condition_spread"], tuple(head["conditions_expected"])),
        Latent(a["mean"], a["root"], a["inverse"]),
        a["hub_root"],
        {kind: load_arrays(directory, kind) for kind in head["networks"]},
        Tails(tuple(head["tail_scale"]), tuple(head["tail_shape"])),
        head["method"],
        head["marginals"],
        head["found"],
    )
    past = {}
    for number, key in enumerate(head["past"]):
        days = load_arrays(directory, f"past{number:03d}")
        past[tuple(key)] = Days(days["date"], days["as_of"], days["known"], days["score"])
    fields = {
        "switching": Switching(states["start"], states["transition"], states["mean"], states["variance"]),
        "scales": {hub: tuple((float(m), float(s)) for m, s in pairs) for hub, pairs in head["scales"].items()},
        "ridge": WeekRidge.of(head["ridge"], load_arrays(directory, "ridge")),
        "hubs": tuple(tuple(key) for key in head["hubs"]),
        "past": past,
        "generator": generator,
    }
    return fields, Params.of(head["params"]), datetime.fromisoformat(head["cutoff"])
