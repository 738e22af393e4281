"""Graph transformer over nodes: attention in time over a node's last prices, attention in space over nodes that are electrically near.

Pre-norm blocks of Vaswani et al. (2017) with the additive distance bias of Graphormer (Ying et al. 2021, eq. 6).
Electrical distance is distance of loadings on congestion factors: nodes with one PTDF column have one loading. `forward` takes the array
module, so that JAX differentiates what NumPy answers with; no sum runs over decisions: a row's answer doesn't depend on what else is asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from models.lmp_nowcast.factors import Basis, mean_of
from models.lmp_nowcast.panel import AHEAD, LAST, PAST, SHARED, SPREADS, Panel
from models.lmp_nowcast.params import HEADS

Array = npt.NDArray[np.float64]
Weights = dict[str, Any]
TIMES = (*reversed(PAST[:-1]), LAST)
STATIC = 6 + 2 * len(SHARED)
CHUNK = 64  # decisions answered at once
FAR = 6.0  # scaled inputs beyond this are cut: a scarce price must not blow an attention up


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """Which trained nodes see each other.

    Attributes:
        beside: positions of the nearest nodes, the node itself first, shape (nodes, k).
        distance: to them, in median distances of a nearest node, shape (nodes, k).
    """

    beside: npt.NDArray[np.int64]
    distance: Array

    @classmethod
    def of(cls, basis: Basis, number: int) -> Neighbourhood:
        """The `number` electrically nearest nodes of each trained node, and itself."""
        points = (basis.loadings * basis.scale[:, None]).T
        beside = np.column_stack([np.arange(len(points)), basis.neighbours(number)])
        distance = np.sqrt(((points[beside] - points[:, None, :]) ** 2).sum(axis=2))
        usual = float(np.median(distance[:, 1:])) if distance.shape[1] > 1 else 1.0
        return cls(beside, np.minimum(distance / max(usual, 1e-9), FAR))


@dataclass(frozen=True, slots=True)
class Graph:
    """A trained graph transformer.

    Attributes:
        near: which nodes see each other.
        weights: name -> array of `started`.
        centre: median of what all nodes share, shape (len(SHARED),).
        spread: its scale, shape (len(SHARED),).
        unit: currency/MWh of one unit of scaled prices and of the answer.
    """

    near: Neighbourhood
    weights: dict[str, Array]
    centre: Array
    spread: Array
    unit: float

    def changes(self, given: Panel) -> Array:
        """Change of every node from its last known price, shape (decisions, nodes); nodes beyond the trained ones follow their mean."""
        trained, count = len(self.near.beside), len(given.nodes)
        times, static = scaled(given, trained, self.centre, self.spread, self.unit)
        made = np.empty((len(static), count))
        for row in range(0, len(static), CHUNK):
            part = slice(row, row + CHUNK)
            made[part, :trained] = self.unit * forward(np, self.weights, times[part], static[part], self.near)
        made[:, trained:] = made[:, :trained].mean(axis=1, keepdims=True)
        return made


def scaled(given: Panel, trained: int, centre: Array, spread: Array, unit: float) -> tuple[Array, Array]:
    """Inputs of the trained nodes: times of shape (decisions, nodes, times, 2), static of (decisions, nodes, STATIC); unknown is zero."""
    own = {name: given.values[name][:, :trained] for name in (*PAST, LAST, *AHEAD, *SPREADS, "price_last_age_min")}
    last, system = own[LAST], mean_of(own[LAST])[:, None]
    times = []
    for name in TIMES:
        level = mean_of(own[name])[:, None]
        times.append(np.stack([own[name] - level, np.broadcast_to(level - system, last.shape)], axis=-1) / unit)
    parts = [
        last / (4 * unit),
        *((own[name] - last) / unit for name in (PAST[-1], AHEAD[0])),
        (own[AHEAD[1]] - own[AHEAD[2]]) / unit,
        (last - own[AHEAD[2]]) / unit,
        own[SPREADS[0]] / unit,
    ]
    shared = (given.shared - centre) / spread
    around = np.concatenate([shared, np.isfinite(shared)], axis=1)
    static = np.concatenate(
        [np.stack(parts, axis=-1), np.broadcast_to(around[:, None, :], (*last.shape, around.shape[1]))],
        axis=-1,
    )
    return _bounded(np.stack(times, axis=2)), _bounded(static)


def started(rng: np.random.Generator, *, width: int, layers: int) -> dict[str, Array]:
    """First weights; the answer starts at zero, which is persistence."""

    def drawn(*shape: int) -> Array:
        return rng.normal(0.0, shape[0] ** -0.5, shape).astype(np.float32).astype(np.float64)

    made = {
        "time_in": drawn(2, width),
        "time_place": 0.1 * drawn(len(TIMES), width),
        "time_flat": drawn(2 * len(TIMES), width),
        "time_query": drawn(width, width),
        "time_key": drawn(width, width),
        "time_value": drawn(width, width),
        "static_in": drawn(STATIC, width),
        "static_bias": np.zeros(width),
        "out": np.zeros((width, 1)),
        "system_out": np.zeros((width, 1)),
    }
    for layer in range(layers):
        made |= {f"{layer}_{name}": drawn(width, width) for name in ("query", "key", "value", "mix", "system")}
        made |= {f"{layer}_up": drawn(width, 2 * width), f"{layer}_down": 0.1 * drawn(2 * width, width)}
        made[f"{layer}_slope"] = np.linspace(0.1, 1.0, HEADS)
    return made


def forward(xp: ModuleType, weights: Weights, times: Any, static: Any, near: Neighbourhood) -> Any:
    """Change of every trained node in units of scaled prices, shape (decisions, nodes).

    Args:
        xp: `numpy` or `jax.numpy`.
        weights: of `started`.
        times: shape (decisions, nodes, times, 2).
        static: shape (decisions, nodes, STATIC).
        near: which nodes see each other.
    """
    width, layers = weights["static_bias"].shape[0], sum(name.endswith("_slope") for name in weights)
    tokens = times @ weights["time_in"] + weights["time_place"]
    state = static @ weights["static_in"] + weights["static_bias"] + times.reshape(*static.shape[:2], -1) @ weights["time_flat"]
    query = (state + tokens[:, :, -1]) @ weights["time_query"]
    heed = _softmax(xp, (query[:, :, None, :] * (tokens @ weights["time_key"])).sum(axis=-1) / width**0.5, axis=2)
    state = state + (heed[..., None] * (tokens @ weights["time_value"])).sum(axis=2)
    for layer in range(layers):
        calm = _normal(xp, state)
        parts = (calm @ weights[f"{layer}_{n}"] for n in ("query", "key", "value"))
        query, key, value = (part.reshape(*part.shape[:2], HEADS, width // HEADS) for part in parts)
        score = (query[:, :, None] * key[:, near.beside]).sum(axis=-1) / (width / HEADS) ** 0.5
        score = score - xp.abs(weights[f"{layer}_slope"]) * near.distance[:, :, None]
        seen = (_softmax(xp, score, axis=2)[..., None] * value[:, near.beside]).sum(axis=2).reshape(state.shape)
        everywhere = calm.mean(axis=1, keepdims=True) @ weights[f"{layer}_system"]
        state = state + seen @ weights[f"{layer}_mix"] + everywhere
        state = state + xp.maximum(_normal(xp, state) @ weights[f"{layer}_up"], 0.0) @ weights[f"{layer}_down"]
    calm = _normal(xp, state)
    return (calm @ weights["out"] + calm.mean(axis=1, keepdims=True) @ weights["system_out"])[:, :, 0]


def _normal(xp: ModuleType, state: Any) -> Any:
    """Layer normalisation without gain."""
    centred = state - state.mean(axis=-1, keepdims=True)
    return centred / xp.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)


def _softmax(xp: ModuleType, score: Any, *, axis: int) -> Any:
    raised = xp.exp(score - score.max(axis=axis, keepdims=True))
    return raised / raised.sum(axis=axis, keepdims=True)


def _bounded(values: Array) -> Array:
    return np.clip(np.nan_to_num(values), -FAR, FAR)
