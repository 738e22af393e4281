"""Parameters of lmp_nowcast, read from config/models/lmp_nowcast.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

STRUCTURES = ("blend", "factors", "direct", "graph")
HEADS = 4


@dataclass(frozen=True, slots=True)
class Params:
    """All parameters with their defaults.

    Attributes:
        structure: `factors` (system price and congestion factors), `direct` (boosters over single nodes), `graph` (graph transformer), or
            `blend`: the mixture of them that had the smallest absolute error on the calibration days.
        rank: congestion factors beside the system price, at most.
        neighbours: nodes with the most similar loadings whose last prices a single node's boosters see.
        train_days: training rows are of the last so many delivery dates with a known price.
        calibration_days: days before the last of these decisions, kept out of a first fit: they tell the mixture, how far to trust it and
            how wide its interval must be.
        rounds: boosting rounds of each booster.
        leaves: leaves of a tree.
        learning_rate: shrinkage.
        min_rows_in_leaf: fewest rows in a leaf of the boosters over single nodes; those of factors take a fifth of it.
        max_bin: bins per input.
        max_rows: rows that the boosters over single nodes learn from at most, taken at equal steps in time.
        graph_steps: training steps of the graph transformer; 0 leaves it out.
        graph_batch: decisions of a step.
        graph_width: numbers that describe a node inside it, a multiple of 4 (its attention heads).
        graph_layers: rounds of attention over neighbours.
        graph_neighbours: electrically nearest nodes that a node sees.
        graph_rate: highest learning rate.
        graph_consistency: price of answers outside the span of system price and congestion factors, beside an absolute error of one.
        track_step: step of the online calibration, in units of the interval's half-width per interval.
        stale_after_min: age of the last known price beyond the usual one that makes a row DEGRADED.
        threads: LightGBM threads; one keeps artifacts byte-identical between machines.
    """

    structure: str = "blend"
    rank: int = 6
    neighbours: int = 5
    train_days: int = 120
    calibration_days: int = 7
    rounds: int = 60
    leaves: int = 15
    learning_rate: float = 0.1
    min_rows_in_leaf: int = 100
    max_bin: int = 63
    max_rows: int = 150_000
    graph_steps: int = 0
    graph_batch: int = 32
    graph_width: int = 32
    graph_layers: int = 2
    graph_neighbours: int = 8
    graph_rate: float = 0.003
    graph_consistency: float = 0.1
    track_step: float = 0.05
    stale_after_min: int = 60
    threads: int = 1

    @classmethod
    def of(cls, values: Mapping[str, Any] | None) -> Params:
        """Parameters from a mapping; absent ones take their default.

        Raises:
            ValueError: a name is not known, or a value is outside its range.
        """
        known, file = {f.name for f in fields(cls)}, "config/models/lmp_nowcast.yaml"
        unknown = sorted(set(values or {}) - known)
        if unknown:
            raise ValueError(f"lmp_nowcast: unknown parameter(s) {unknown} in {file}; known: {sorted(known)}")
        params = cls(**(values or {}))
        if params.structure not in STRUCTURES:
            raise ValueError(f"lmp_nowcast: structure is {params.structure!r}; use one of {', '.join(STRUCTURES)}")
        for name in ("rank", "neighbours", "train_days", "calibration_days", "rounds", "min_rows_in_leaf", "max_rows", "threads"):
            if getattr(params, name) < 1:
                raise ValueError(f"lmp_nowcast: {name} is {getattr(params, name)}; it must be at least 1")
        for name in ("learning_rate", "track_step"):
            if not 0 < getattr(params, name) < 1:
                raise ValueError(f"lmp_nowcast: {name} is {getattr(params, name)}; it must lie strictly between 0 and 1")
        params._check_graph()
        if params.leaves < 2 or not 2 <= params.max_bin <= 255 or params.stale_after_min < 0:
            raise ValueError(
                f"lmp_nowcast: leaves is {params.leaves}, max_bin {params.max_bin}, stale_after_min {params.stale_after_min};"
                " give at least 2, 2 to 255, and no negative age"
            )
        if params.calibration_days >= params.train_days:
            raise ValueError(f"lmp_nowcast: calibration_days {params.calibration_days} must be below train_days {params.train_days}")
        return params

    def _check_graph(self) -> None:
        for name in ("graph_batch", "graph_width", "graph_layers", "graph_neighbours"):
            if getattr(self, name) < 1:
                raise ValueError(f"lmp_nowcast: {name} is {getattr(self, name)}; it must be at least 1")
        if self.graph_steps < 0 or self.graph_consistency < 0 or not 0 < self.graph_rate < 1:
            raise ValueError(
                f"lmp_nowcast: graph_steps is {self.graph_steps}, graph_consistency {self.graph_consistency}, graph_rate {self.graph_rate};"
                " give no negative numbers and a rate strictly between 0 and 1"
            )
        if self.graph_width % HEADS:
            raise ValueError(f"lmp_nowcast: graph_width is {self.graph_width}; it must be a multiple of {HEADS}")
        if self.structure == "graph" and not self.graph_steps:
            raise ValueError("lmp_nowcast: structure is 'graph' and graph_steps 0; give training steps")
