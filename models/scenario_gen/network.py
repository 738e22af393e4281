"""A two-layer perceptron whose answer starts at zero; written once for NumPy (answering) and JAX (learning)."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Weights = Mapping[str, Any]


def started(rng: np.random.Generator, name: str, inputs: int, width: int, outputs: int) -> dict[str, Array]:
    """First weights under `name`."""

    def drawn(rows: int, columns: int) -> Array:
        return rng.normal(0.0, rows**-0.5, (rows, columns)).astype(np.float32).astype(np.float64)

    return {
        f"{name}_in": drawn(inputs, width),
        f"{name}_in_bias": np.zeros(width),
        f"{name}_mid": drawn(width, width),
        f"{name}_mid_bias": np.zeros(width),
        f"{name}_out": np.zeros((width, outputs)),
        f"{name}_out_bias": np.zeros(outputs),
    }


def answered(xp: ModuleType, weights: Weights, name: str, inputs: Any) -> Any:
    """Answer for inputs, shape (n, outputs)."""
    state = _silu(xp, inputs @ weights[f"{name}_in"] + weights[f"{name}_in_bias"])
    state = state + _silu(xp, state @ weights[f"{name}_mid"] + weights[f"{name}_mid_bias"])
    return state @ weights[f"{name}_out"] + weights[f"{name}_out_bias"]


def _silu(xp: ModuleType, value: Any) -> Any:
    return value / (1 + xp.exp(-value))
