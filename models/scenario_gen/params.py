"""Parameters of scenario_gen, read from config/models/scenario_gen.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from models.scenario_gen.tables import FREE, KEPT, METHODS

TAIL_LIMIT = 1.0
AUTO = "auto"


@dataclass(frozen=True, slots=True)
class ScenarioSet:
    """A set of paths that every run publishes.

    Attributes:
        name: its tag.
        conditions: condition -> value that takes the place of what is known at as_of.
        tail_dial: added to the fitted tail shape.
    """

    name: str
    conditions: Mapping[str, float] = field(default_factory=dict)
    tail_dial: float = 0.0


BASE = ScenarioSet("base")


@dataclass(frozen=True, slots=True)
class Params:
    """All parameters with their defaults.

    Attributes:
        paths: paths of a set.
        sets: published sets.
        generator: method of the published paths; auto takes the best on held-out weeks.
        marginals: free, kept, or auto.
        learned: networks that are trained.
        width, rate: hidden units and highest learning rate of the diffusion.
        flow_width, flow_rate, flow_layers: of the flow, whose likelihood overfits sooner, and its couplings.
        steps: gradient steps of each network.
        batch: days of a step.
        decay: weight decay.
        sample_steps: steps of the diffusion sampler.
        hold_out_every: of so many calendar weeks one is left out of the fit, to stop it and to choose by.
        judged_days: most held-out days that methods are compared on.
        max_days: newest training days that the generators learn from.
        windows, penalty, folds: of the marginal regressions (`models._kernel.week_ridge`).
        shares, stay_days, transition_days: of the hidden states (`models._kernel.markov_switching`).
    """

    paths: int = 200
    sets: tuple[ScenarioSet, ...] = (BASE,)
    generator: str = AUTO
    marginals: str = AUTO
    learned: tuple[str, ...] = ("flow", "diffusion")
    width: int = 64
    rate: float = 1e-3
    flow_width: int = 24
    flow_rate: float = 3e-4
    flow_layers: int = 2
    steps: int = 2400
    batch: int = 128
    decay: float = 1e-3
    sample_steps: int = 16
    hold_out_every: int = 5
    judged_days: int = 120
    max_days: int = 1460
    windows: tuple[int, ...] = (84, 364, 1456)
    penalty: float = 0.01
    folds: int = 4
    shares: tuple[float, ...] = (0.7, 0.2, 0.1)
    stay_days: float = 15.0
    transition_days: float = 40.0

    @classmethod
    def of(cls, values: Mapping[str, Any] | None) -> Params:
        """Parameters from a mapping; absent ones take their default.

        Raises:
            ValueError: a name is not known, or a value is outside its range.
        """
        given = dict(values or {})
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(given) - known)
        if unknown:
            raise ValueError(f"scenario_gen: unknown parameter(s) {unknown} in config/models/scenario_gen.yaml; known: {sorted(known)}")
        if "sets" in given:
            given["sets"] = tuple(s if isinstance(s, ScenarioSet) else _set_of(s) for s in given["sets"])
        lists: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}
        params = cls(**lists)
        params._check()
        return params

    def _check(self) -> None:
        smallest = {
            "paths": 2,
            "width": 4,
            "flow_width": 4,
            "flow_layers": 1,
            "steps": 0,
            "batch": 8,
            "sample_steps": 2,
            "hold_out_every": 2,
        }
        smallest |= {"judged_days": 1, "max_days": 60, "folds": 2}
        for name, least in smallest.items():
            if getattr(self, name) < least:
                raise ValueError(f"scenario_gen: {name} is {getattr(self, name)}; it must be at least {least}")
        if not self.sets or len({s.name for s in self.sets}) != len(self.sets):
            raise ValueError(f"scenario_gen: sets are named {[s.name for s in self.sets]}; give at least one, each with a name of its own")
        if self.generator not in {AUTO, *METHODS} or self.marginals not in {AUTO, FREE, KEPT}:
            raise ValueError(
                f"scenario_gen: generator is {self.generator!r}, marginals {self.marginals!r};"
                f" use {AUTO}, {', '.join(METHODS)} and {AUTO}, {FREE}, {KEPT}"
            )
        if not set(self.learned) <= {"flow", "diffusion"} or self.generator in {"flow", "diffusion"} - set(self.learned):
            raise ValueError(f"scenario_gen: learned is {self.learned} and generator {self.generator!r}; a network must be learned to draw")


def _set_of(values: Mapping[str, Any]) -> ScenarioSet:
    """A set of a mapping with `name`, `conditions`, `tail_dial`."""
    unknown = sorted(set(values) - {f.name for f in fields(ScenarioSet)})
    if unknown or not values.get("name"):
        raise ValueError(f"scenario_gen: a set has unknown field(s) {unknown} or no name; it takes name, conditions, tail_dial")
    dial = float(values.get("tail_dial", 0.0))
    if not -TAIL_LIMIT <= dial <= TAIL_LIMIT:
        raise ValueError(f"scenario_gen: tail_dial of set {values['name']} is {dial}; it must lie in [-1, 1]")
    return ScenarioSet(str(values["name"]), {str(k): float(v) for k, v in dict(values.get("conditions") or {}).items()}, dial)
