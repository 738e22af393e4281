"""Base forecasts: every member re-estimated for each decision time on the days known then, and combined."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from models.curve_dist import kernel_ridge, lasso
from models.curve_dist.boosting import Boosters
from models.curve_dist.design import Inputs, dummies, training_prices
from models.curve_dist.kernel_ridge import Standard
from models.curve_dist.panel import Panel
from models.curve_dist.params import MEMBERS, Params

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Index = npt.NDArray[np.intp]
SHORTEST = 14


@dataclass(frozen=True, slots=True)
class Base:
    """Base forecasts of A days.

    Attributes:
        point: combined forecast, shape (A, slots); NaN rows where too few days were known.
        disagreement: standard deviation over members, shape (A, slots).
        widths: widths of LightGBM's 90 % and 50 % intervals, shape (2, A, slots).
        trained_on: days known at the decision, shape (A,).
    """

    point: Array
    disagreement: Array
    widths: Array
    trained_on: Ints


@dataclass(slots=True)
class Ensemble:
    """The members of one series, with everything that is frozen at the cutoff.

    Attributes:
        params: parameters.
        inputs: columns in use.
        standards: transforms of the two kernel regressions.
        boosters: LightGBM models.
        cache: answers of earlier calls, by the content of what they were made from; saves work, changes nothing.
    """

    params: Params
    inputs: Inputs
    standards: tuple[Standard, Standard]
    boosters: Boosters
    cache: dict[bytes, Array] = field(default_factory=dict)

    def forecast(self, pool: Panel, asked: Panel, anchors: Ints) -> Base:
        """Forecast days.

        Args:
            pool: days whose prices may be known, oldest first, prices finite.
            asked: days to forecast; their prices are not read.
            anchors: decision time of each asked day, ms: only pool days decided and known by then are learned from.
        """
        slots = pool.slots
        boosted = self.boosters.median(self.inputs, asked, slots)
        estimated = self._estimated(pool, asked, anchors)
        members = np.concatenate([estimated, boosted[:, None]], axis=1)
        weight = np.array([self.params.weights[m] for m in MEMBERS])
        point = np.einsum("m,dms->ds", weight / weight.sum(), members)
        known = np.array([int(((pool.known <= a) & (pool.as_of <= a)).sum()) for a in anchors], dtype=np.int64)
        return Base(point, members[:, weight > 0].std(axis=1), self.boosters.widths(self.inputs, asked, slots), known)

    def _estimated(self, pool: Panel, asked: Panel, anchors: Ints) -> Array:
        """Answers of the members that are re-estimated, shape (A, 3, slots)."""
        window = self.params.window
        answers = np.full((asked.days, len(MEMBERS) - 1, pool.slots), np.nan)
        stamps, queries = _digests(pool, with_price=True), _digests(asked, with_price=False)
        work: dict[int, tuple[Index, list[int], list[bytes]]] = {}
        for i, anchor in enumerate(anchors):
            train = np.flatnonzero((pool.known <= anchor) & (pool.as_of <= anchor))[-window:]
            key = hashlib.blake2b(b"".join([*(stamps[t] for t in train), queries[i]]), digest_size=16).digest()
            if train.size < SHORTEST:
                continue
            if key in self.cache:
                answers[i] = self.cache[key]
            else:
                _, rows, keys = work.setdefault(int(anchor), (train, [], []))
                rows.append(i)
                keys.append(key)
        if work:
            self._answer(pool, asked, work, answers)
        return answers

    def _answer(self, pool: Panel, asked: Panel, work: dict[int, tuple[Index, list[int], list[bytes]]], answers: Array) -> None:
        """Fill `answers` for the asked days in `work`, one estimation per anchor."""
        first = min(int(train[0]) for train, _, _ in work.values())
        used, rows = np.arange(first, pool.days), np.array(sorted(r for _, rs, _ in work.values() for r in rs))
        near, query = pool.take(used), asked.take(rows)
        place = {int(r): k for k, r in enumerate(rows)}
        lasso_inputs = (self.inputs.regression(near), dummies(near), training_prices(near))
        lasso_query = (self.inputs.regression(query), dummies(query))
        kernels = [_Kernel.of(self.inputs, near, query, standard, self.params) for standard in self.standards]
        for train, wanted, keys in work.values():
            inside, cols = train - first, np.array([place[r] for r in wanted])
            ridge = [k.forecast(inside[-self.params.kernel.window_days :], cols, self.params) for k in kernels]
            past = (lasso_inputs[0][inside], lasso_inputs[1][inside], lasso_inputs[2][inside])
            linear = lasso.forecast(*past, (lasso_query[0][cols], lasso_query[1][cols]), self.params.lasso_windows)
            for n, (r, key) in enumerate(zip(wanted, keys, strict=True)):
                answers[r] = np.stack([linear[n], ridge[0][n], ridge[1][n]])
                self.cache[key] = answers[r].copy()


@dataclass(frozen=True, slots=True)
class _Kernel:
    """Kernel matrices of one variant over the days in play."""

    standard: Standard
    gram: Array
    cross: Array
    targets: Array
    shift: Array

    @classmethod
    def of(cls, inputs: Inputs, pool: Panel, query: Panel, standard: Standard, params: Params) -> _Kernel:
        """Kernels between pool days, and from query days to pool days."""
        k = params.kernel
        here, there = (kernel_ridge.features(inputs, p, k, standard) for p in (pool, query))
        dates, asked = pool.date.astype(np.float64), query.date.astype(np.float64)
        return cls(
            standard,
            kernel_ridge.kernel(here, here, dates, dates, k),
            kernel_ridge.kernel(there, here, asked, dates, k),
            kernel_ridge.targets(inputs, pool, standard),
            kernel_ridge.reference(inputs, query),
        )

    def forecast(self, train: Index, asked: Index, params: Params) -> Array:
        """Prices of the asked days from the training days, shape (asked, slots)."""
        values = self.targets[train]
        dual, mean = kernel_ridge.solve(self.gram[np.ix_(train, train)], values, params.kernel)
        answer = np.stack([self.cross[a, train] @ dual for a in asked]) + mean  # one by one: rounding must not depend on how many
        limited = np.clip(answer, values.min(axis=0) - 1.0, values.max(axis=0) + 1.0)
        return np.stack([kernel_ridge.restored(v, float(s), self.standard) for v, s in zip(limited, self.shift[asked], strict=True)])


def _digests(panel: Panel, *, with_price: bool) -> list[bytes]:
    """A hash of everything a day's entry holds."""
    calendar = np.column_stack([panel.date, panel.weekday, panel.holiday, panel.day_of_year])
    parts = [calendar, *(panel.hourly[c] for c in sorted(panel.hourly)), *(panel.daily[c][:, None] for c in sorted(panel.daily))]
    table = np.ascontiguousarray(np.hstack([*parts, panel.price] if with_price else parts))
    return [hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in table]
