"""Sparse estimates of sensitivities: orthogonal matching pursuit, and the sparse group lasso over inputs.

Both ask for few inputs: matching pursuit for few of each output by itself (Pati, Rezaiifar & Krishnaprasad 1993; scikit-learn), the
group lasso for inputs that move no output at all, with single elements at nothing within the others (Simon, Friedman, Hastie & Tibshirani
2013; of which scikit-learn has only the case without single elements, `MultiTaskLasso`). How sparse is told by the last fifth of the rows,
which are predicted from the rest; the estimate is then made again on all. Inputs and outputs are scaled to unit standard deviation, so
that units do not decide. The Bayesian ridge beside them is `recovery.recover`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from models._kernel.grid.network import Floats, GridError
from models._kernel.grid.topology import Flags

HELD_OUT = 0.2
STILL = 1e-9
PENALTIES, SMALLEST_PENALTY = 10, 1e-5
SWEEPS, WHOLE, TOLERANCE = 150, 5, 1e-4


@dataclass(frozen=True, slots=True)
class _Scaled:
    """Inputs and outputs of unit standard deviation (or root mean square without centring), and how to come back.

    Attributes:
        x, y: scaled rows, inputs that never moved left out.
        moved: inputs that moved.
        back: what a scaled element is multiplied with, shape (inputs that moved, outputs).
    """

    x: Floats
    y: Floats
    moved: Flags
    back: Floats

    def values(self, scaled: Floats) -> Floats:
        """Elements in the units of the data, shape (outputs, inputs)."""
        found = np.zeros((self.y.shape[1], self.moved.size))
        found[:, self.moved] = (scaled * self.back).T
        return found

    def parts(self) -> tuple[slice, slice]:
        """Rows learned from while the sparsity is chosen, and rows that choose it: the last ones."""
        cut = len(self.x) - max(1, int(HELD_OUT * len(self.x)))
        return slice(0, cut), slice(cut, None)


def matching_pursuit(inputs: Floats, outputs: Floats, *, centre: bool = True, most: int | None = None) -> Floats:
    """Sensitivities with few inputs for each output, added one after the other; each output has a number of its own.

    Args:
        inputs: shape (samples, inputs).
        outputs: shape (samples, outputs).
        centre: levels say nothing (flows and injections); False where no input means no output (shadow prices and congestion).
        most: most inputs of an output; all that moved by default.

    Returns:
        Shape (outputs, inputs); 0 for inputs that were not chosen.

    Raises:
        GridError: shapes that do not fit, fewer than 3 samples, or values that are not finite.
    """
    data = _scaled(inputs, outputs, centre)
    learn, held = data.parts()
    count = min(most or data.x.shape[1], data.x.shape[1], learn.stop)
    found = np.zeros((data.x.shape[1], data.y.shape[1]))
    pursuits = [_Pursuit(data.x[rows], data.y[rows]) for rows in (learn, slice(None))]
    for output in range(found.shape[1]) if count else ():
        path = pursuits[0].path(output, count)
        best = int(((data.y[held, output, None] - data.x[held] @ path) ** 2).sum(axis=0).argmin())
        if best:
            found[:, output] = pursuits[1].path(output, best)[:, -1]
    return data.values(found)


def sparse_group_lasso(inputs: Floats, outputs: Floats, *, share: float = 0.5, centre: bool = True) -> Floats:
    """Sensitivities with few inputs in all, and few elements of each.

    Args:
        inputs: shape (samples, inputs).
        outputs: shape (samples, outputs).
        share: part of the penalty on single elements, inside [0, 1]; the rest lies on the root sum of squares of an input's elements.
        centre: as `matching_pursuit`.

    Returns:
        Shape (outputs, inputs).

    Raises:
        GridError: as `matching_pursuit`, or a share outside [0, 1].
    """
    if not 0.0 <= share <= 1.0:
        raise GridError(f"share of the penalty on single elements is {share:g}; give a number from 0 to 1")
    data = _scaled(inputs, outputs, centre)
    learn, held = data.parts()
    x, y = data.x[held], data.y[held]
    found = list(_lasso_path(data.x[learn], data.y[learn], share))
    penalties, start = min(found, key=lambda step: float(((y - x @ step[1]) ** 2).sum()))
    return data.values(group_lasso(data.x, data.y, *penalties, start))


def proximal(values: Floats, single: float, group: float) -> Floats:
    """Proximal step of single x sum |b| + group x sum over rows of |row|_2 (Simon et al. 2013, eq. 9 to 12)."""
    soft = np.sign(values) * np.maximum(np.abs(values) - single, 0.0)
    size = np.sqrt((soft**2).sum(axis=1, keepdims=True))
    return np.asarray(soft * np.where(size > group, 1.0 - group / np.where(size > 0, size, 1.0), 0.0))


def group_lasso(x: Floats, y: Floats, single: float, group: float, start: Floats | None = None, *, tolerance: float = TOLERANCE) -> Floats:
    """Minimum of |y - x b|^2 / (2 rows) + single x sum |b| + group x sum over inputs of |b_input|_2, shape (inputs, outputs).

    Block coordinate descent: with one column per input the step of an input is its proximal step, exactly (Simon et al. 2013, section 3);
    until no element moves by more than `tolerance` of the largest, at most 150 sweeps, every fifth over all inputs.
    """
    rows, many = len(x), len(x) > x.shape[1]
    found = np.zeros((x.shape[1], y.shape[1])) if start is None else start.copy()
    if many:  # what is left, seen from the inputs
        columns = x.T @ x / rows
        own, left = np.maximum(np.diagonal(columns), 1e-300), x.T @ y / rows - columns @ found
    else:  # what is left of the rows
        columns = np.ascontiguousarray(x.T)
        own, left = np.maximum((columns**2).sum(axis=1) / rows, 1e-300), y - x @ found
    moved = np.inf
    for sweep in range(SWEEPS):
        whole = sweep % WHOLE == 0 or moved <= tolerance * max(float(np.abs(found).max()), 1e-12)  # else inputs that have something
        moved = 0.0
        for k in range(len(own)) if whole else np.flatnonzero(found.any(axis=1)):
            size = own[k]
            slope = left[k] if many else columns[k] @ left / rows
            new = proximal((found[k] + slope / size)[None], single / size, group / size)[0]
            step = new - found[k]
            if step.any():
                moved = max(moved, float(np.abs(step).max()))
                left -= np.outer(columns[k], step)
                found[k] = new
        if whole and moved <= tolerance * max(float(np.abs(found).max()), 1e-12):
            break
    return found


def _lasso_path(x: Floats, y: Floats, share: float) -> Iterator[tuple[tuple[float, float], Floats]]:
    """Penalties and estimates from the penalty at which nothing is left to the smallest, each begun where the one before ended."""
    cross, root = x.T @ y / len(x), np.sqrt(y.shape[1])
    largest = max(float(np.sqrt((cross**2).sum(axis=1)).max() / root), 1e-300)
    found = None
    for penalty in largest * np.geomspace(1.0, SMALLEST_PENALTY, PENALTIES):
        both = (float(penalty * share), float(penalty * (1.0 - share) * root))
        found = group_lasso(x, y, *both, found)
        yield both, found


class _Pursuit:
    """Matching pursuit on rows; by the Gram matrix where there are more rows than inputs."""

    def __init__(self, x: Floats, y: Floats) -> None:
        self.x, self.y = x, y
        many = x.shape[0] > x.shape[1]
        self.gram: Floats | None = x.T @ x if many else None
        self.cross: Floats | None = x.T @ y if many else None

    def path(self, output: int, count: int) -> Floats:
        """Elements of an output after 0, 1, ... chosen inputs, shape (inputs, steps); it ends early where inputs depend on each other."""
        from sklearn.linear_model import orthogonal_mp, orthogonal_mp_gram

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns where it ends early, which is wanted
            if self.gram is None or self.cross is None:
                steps = orthogonal_mp(self.x, self.y[:, output], n_nonzero_coefs=count, return_path=True)
            else:
                steps = orthogonal_mp_gram(self.gram, self.cross[:, output], n_nonzero_coefs=count, return_path=True)
        found = np.asarray(steps, dtype=np.float64).reshape(self.x.shape[1], -1)
        return np.hstack([np.zeros((len(found), 1)), found])


def _scaled(inputs: Floats, outputs: Floats, centre: bool) -> _Scaled:
    if inputs.ndim != 2 or outputs.ndim != 2 or len(inputs) != len(outputs) or len(inputs) < 3:
        raise GridError(f"inputs {inputs.shape} and outputs {outputs.shape}: give at least 3 rows, the same ones")
    if not (np.isfinite(inputs).all() and np.isfinite(outputs).all()):
        raise GridError("inputs or outputs hold values that are not finite; leave such samples out")
    x, y = (v - v.mean(axis=0) if centre else v for v in (inputs, outputs))
    size, other = (np.sqrt((v**2).mean(axis=0)) for v in (x, y))
    moved = size > STILL * (1.0 + np.abs(inputs).mean(axis=0))
    scale = np.where(other > 0, other, 1.0)
    return _Scaled(x[:, moved] / size[moved], y / scale, moved, scale[None, :] / size[moved][:, None])
