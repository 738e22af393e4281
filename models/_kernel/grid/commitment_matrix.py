"""Column layout and sparse rows of a linear programme, gathered block by block and handed over as one compressed matrix."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from models._kernel.grid.commitment_types import Flags
from models._kernel.grid.network import Floats, Ints

Values = Floats | Flags | float


@dataclass
class Columns:
    """Columns of a programme; a block is a rectangle of columns."""

    cost: list[Floats] = field(default_factory=list)
    lower: list[Floats] = field(default_factory=list)
    upper: list[Floats] = field(default_factory=list)
    size: int = 0

    def add(self, shape: tuple[int, ...], *, cost: Values = 0.0, lower: Values = 0.0, upper: Values = np.inf) -> Ints:
        """Positions of a new block; cost and bounds are broadcast to its shape."""
        for store, value in ((self.cost, cost), (self.lower, lower), (self.upper, upper)):
            store.append(np.broadcast_to(np.asarray(value, dtype=float), shape).ravel())
        count = int(np.prod(shape))
        positions: Ints = np.arange(self.size, self.size + count, dtype=np.int64).reshape(shape)
        self.size += count
        return positions


@dataclass
class Rows:
    """Rows of a programme, lower <= A x <= upper."""

    row: list[Ints] = field(default_factory=list)
    column: list[Ints] = field(default_factory=list)
    value: list[Floats] = field(default_factory=list)
    lower: list[Floats] = field(default_factory=list)
    upper: list[Floats] = field(default_factory=list)
    size: int = 0

    def open(self, shape: tuple[int, ...], *, lower: Floats | float = -np.inf, upper: Floats | float = np.inf) -> Ints:
        """Positions of new rows; bounds are broadcast to the shape."""
        for store, value in ((self.lower, lower), (self.upper, upper)):
            store.append(np.broadcast_to(np.asarray(value, dtype=float), shape).ravel())
        count = int(np.prod(shape))
        positions: Ints = np.arange(self.size, self.size + count, dtype=np.int64).reshape(shape)
        self.size += count
        return positions

    def put(self, row: Ints, column: Ints, value: Floats | float) -> None:
        """Add entries; the three are broadcast against each other, zeros are left out, repeated places add up."""
        rows, columns, values = np.broadcast_arrays(row, column, np.asarray(value, dtype=float))
        keep = values != 0.0
        self.row.append(rows[keep])
        self.column.append(columns[keep])
        self.value.append(values[keep])

    def matrix(self, n_columns: int) -> sparse.csr_array:
        """All rows as one compressed matrix."""
        parts = [np.concatenate(store) if store else np.zeros(0) for store in (self.value, self.row, self.column)]
        return sparse.coo_array((parts[0], (parts[1], parts[2])), shape=(self.size, n_columns)).tocsr()


@dataclass(frozen=True)
class Programme:
    """min cost x, row_lower <= A x <= row_upper, lower <= x <= upper, `whole` columns integer."""

    cost: Floats
    lower: Floats
    upper: Floats
    matrix: sparse.csr_array
    row_lower: Floats
    row_upper: Floats
    whole: Ints

    @classmethod
    def of(cls, columns: Columns, rows: Rows, whole: Ints) -> Programme:
        """Close the lists."""
        return cls(
            np.concatenate(columns.cost),
            np.concatenate(columns.lower),
            np.concatenate(columns.upper),
            rows.matrix(columns.size),
            np.concatenate(rows.lower),
            np.concatenate(rows.upper),
            whole,
        )


def spans(first: Ints, last: Ints) -> tuple[Ints, Ints]:
    """Integers from `first` to `last` of each element, flattened: (position of the element, integer)."""
    count = np.maximum(last - first + 1, 0).ravel()
    owner: Ints = np.repeat(np.arange(len(count)), count)
    step = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    return owner, np.repeat(first.ravel(), count) + step
