"""Networks of the hedger, written once for NumPy (deciding) and JAX (learning): distributions of returns by action, and a policy."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Weights = Mapping[str, Any]
HEADS = ("cql", "iql", "value", "policy", "clone")


def started(rng: np.random.Generator, *, inputs: int, width: int, actions: int, quantiles: int) -> dict[str, Array]:
    """First weights of all heads; answers start at zero."""
    outputs = {"cql": actions * quantiles, "iql": actions * quantiles, "value": 1, "policy": actions, "clone": actions}
    made: dict[str, Array] = {}
    for head in HEADS:
        for layer, rows in (("a", inputs), ("b", width)):
            made[f"{head}_{layer}"] = rng.normal(0.0, rows**-0.5, (rows, width)).astype(np.float32).astype(np.float64)
            made[f"{head}_{layer}_bias"] = np.zeros(width)
        made[f"{head}_out"] = np.zeros((width, outputs[head]))
        made[f"{head}_out_bias"] = np.zeros(outputs[head])
    return made


def answered(xp: ModuleType, weights: Weights, head: str, inputs: Any) -> Any:
    """Answer of a head, shape (n, outputs)."""
    state = xp.tanh(inputs @ weights[f"{head}_a"] + weights[f"{head}_a_bias"])
    state = xp.tanh(state @ weights[f"{head}_b"] + weights[f"{head}_b_bias"])
    return state @ weights[f"{head}_out"] + weights[f"{head}_out_bias"]


def returns(xp: ModuleType, weights: Weights, head: str, inputs: Any, actions: int) -> Any:
    """Quantiles of the return of every action, shape (n, actions, quantiles)."""
    told = answered(xp, weights, head, inputs)
    return told.reshape(told.shape[0], actions, -1)


def ranked(quantiles: Any, risk_aversion: float, tail: float) -> Any:
    """(1 - risk_aversion) mean + risk_aversion CVaR of distributions given by quantiles along the last axis, by level."""
    count = quantiles.shape[-1]
    worst = max(round(tail * count), 1)
    return (1 - risk_aversion) * quantiles.mean(axis=-1) + risk_aversion * quantiles[..., :worst].mean(axis=-1)
