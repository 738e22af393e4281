"""Horizons on disk: a head for JSON, directions as arrays, boosters as text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from models._kernel import artifacts
from models.lmp_nowcast.direct import ALPHAS, Direct
from models.lmp_nowcast.factors import Basis, Factors
from models.lmp_nowcast.graph import Graph, Neighbourhood
from models.lmp_nowcast.horizon import Horizon

PLAIN = ("minutes", "nodes", "graph_share", "mix", "trust", "fallback", "floor", "usual_age_min", "offsets", "expected")


def save_horizon(directory: Path, horizon: Horizon) -> dict[str, Any]:
    """Write directions and boosters; return the rest."""
    name, basis = f"h{horizon.minutes:04d}", horizon.factors.basis
    arrays = {
        "loadings": basis.loadings,
        "scale": basis.scale,
        "neighbours": horizon.direct.neighbours,
        "clusters": horizon.direct.clusters,
    }
    artifacts.save_arrays(directory, f"{name}_basis", arrays)
    for key, booster in horizon.direct.boosters.items():
        artifacts.save_booster(directory, f"{name}_{key}", booster)
    for k, booster in enumerate(horizon.factors.boosters):
        artifacts.save_booster(directory, f"{name}_component_{k}", booster)
    if horizon.graph is not None:
        artifacts.save_arrays(directory, f"{name}_graph", _graph_arrays(horizon.graph))
    plain = {field: getattr(horizon, field) for field in PLAIN}
    return {**plain, "component_trust": horizon.factors.trust, "kept": horizon.factors.kept, "components": len(horizon.factors.boosters)}


def load_horizon(directory: Path, head: dict[str, Any]) -> Horizon:
    """The horizon that `save_horizon` wrote."""
    head = {"graph_share": 0.0, **head}  # artifacts made before there was a graph
    name = f"h{head['minutes']:04d}"
    arrays = artifacts.load_arrays(directory, f"{name}_basis")
    components = [artifacts.load_booster(directory, f"{name}_component_{k}") for k in range(head["components"])]
    return Horizon(
        **{field: head[field] for field in PLAIN},
        factors=Factors(Basis(arrays["loadings"], arrays["scale"]), components, head["component_trust"], head["kept"]),
        graph=_graph(artifacts.load_arrays(directory, f"{name}_graph")) if head["graph_share"] > 0 else None,
        direct=Direct({k: artifacts.load_booster(directory, f"{name}_{k}") for k in ALPHAS}, arrays["neighbours"], arrays["clusters"]),
    )


def _graph_arrays(graph: Graph) -> dict[str, Any]:
    weights = {f"weight_{name}": value for name, value in graph.weights.items()}
    near = {"beside": graph.near.beside, "distance": graph.near.distance}
    return {**weights, **near, "centre": graph.centre, "spread": graph.spread, "unit": np.array(graph.unit)}


def _graph(arrays: dict[str, Any]) -> Graph:
    weights = {name.removeprefix("weight_"): value for name, value in arrays.items() if name.startswith("weight_")}
    near = Neighbourhood(arrays["beside"], arrays["distance"])
    return Graph(near, weights, arrays["centre"], arrays["spread"], float(arrays["unit"]))
