"""Columns and static rows of the dispatch program: outputs by cost segment, links, penalties, reserves; balances and reserve rules."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models._kernel.grid.network import CostCurves, Floats, GridError, Ints, Network
from models._kernel.grid.opf_types import OpfCase, OpfOptions

SLACK_MW = 1e-9
"""Reserve rules are looser than output limits by one to two of these: equal limits would make prices of the rules ambiguous."""


class CostColumns:
    """Output as a sum of segments whose marginal cost does not fall: one smooth column per generator up to its first block, one per block.

    Separable and exact: the quadratic part is written into each segment from where it begins, and a dearer segment never fills first.
    """

    def __init__(self, cost: CostCurves, network: Network) -> None:
        """Read the curves.

        Raises:
            GridError: arrays of wrong length, a negative quadratic term, or blocks that are not convex.
        """
        n = network.n_generators
        for field_name in ("constant", "linear", "quadratic"):
            if len(getattr(cost, field_name)) != n:
                raise GridError(f"cost.{field_name} has {len(getattr(cost, field_name))} values; give one for each of {n} generators")
        _check_convex(cost, network)
        blocks = cost.block_generator
        self.cost = cost
        self.owner: Ints = np.concatenate((np.arange(n), blocks))
        self._start, self._size = cost.block_start_mw, cost.block_mw
        self._first = np.full(n, np.inf)
        self._first[blocks[::-1]] = cost.block_start_mw[::-1]
        self._end = np.full(n, np.inf)
        self._end[blocks] = cost.block_start_mw + cost.block_mw
        self._first_price = np.zeros(n)
        self._first_price[blocks[::-1]] = cost.block_price[::-1]
        marginal = cost.linear[blocks] + cost.block_price + 2.0 * cost.quadratic[blocks] * cost.block_start_mw
        self.linear: Floats = np.concatenate((cost.linear, marginal))
        self.quadratic: Floats = np.concatenate((cost.quadratic, cost.quadratic[blocks]))
        self.constant = float(cost.constant.sum())
        self._names = network.generators.names

    def bounds(self, low: Floats, high: Floats, lower: Floats, upper: Floats) -> float:
        """Fills in the range of each column for an output range; returns the cost that does not depend on the dispatch.

        Raises:
            GridError: an output range beyond the blocks, or one below a first block of negative price.
        """
        n = len(low)
        np.minimum(low, self._first, out=lower[:n])
        np.minimum(high, self._first, out=upper[:n])
        if not len(self._start):
            return self.constant
        if (high > self._end + 1e-6).any():
            g = int(np.argmax(high - self._end))
            raise GridError(
                f"generator {self._names[g]}: p_max {high[g]:g} MW is beyond its last cost block, which ends at {self._end[g]:g} MW"
            )
        under = (low < self._first - 1e-6) & (self._first_price < 0.0) & (self._first < np.inf)
        if under.any():
            g = int(np.argmax(under))
            raise GridError(
                f"generator {self._names[g]}: p_min {low[g]:g} MW is below its first block, whose price is negative; start it there"
            )
        owner = self.owner[n:]
        np.clip(low[owner] - self._start, 0.0, self._size, out=lower[n:])
        np.clip(high[owner] - self._start, 0.0, self._size, out=upper[n:])
        return self.constant


def _check_convex(cost: CostCurves, network: Network) -> None:
    names, g = network.generators.names, cost.block_generator
    if (cost.quadratic < 0).any():
        k = int(np.argmin(cost.quadratic))
        raise GridError(f"generator {names[k]}: quadratic cost {cost.quadratic[k]:g} is negative; costs must be convex")
    if len(g) < 2:
        return
    same = g[1:] == g[:-1]
    falling = same & (np.diff(cost.block_price) < -1e-9)
    apart = same & (np.abs(cost.block_start_mw[1:] - cost.block_start_mw[:-1] - cost.block_mw[:-1]) > 1e-6)
    scattered = np.diff(g) < 0
    wrong = falling | apart | scattered
    if wrong.any():
        k = int(np.argmax(wrong))
        raise GridError(f"generator {names[g[k + 1]]}: cost blocks must touch, rise in price and stand together; block {k + 1} does not")


@dataclass(frozen=True)
class Layout:
    """Where columns, elements and static rows are.

    Elements inject: generators, links, unserved load per island, oversupply per island. Columns: segments, links, unserved, oversupply,
    reserves (product by product over all generators), shortage blocks. Rows: balances, upward rules, downward rules, requirements.
    """

    n_islands: int
    n_generators: int
    n_links: int
    n_segments: int
    upward: tuple[bool, ...]
    blocks: tuple[int, ...]
    covers: tuple[tuple[int, ...], ...]

    @property
    def n_elements(self) -> int:
        """Elements."""
        return self.n_generators + self.n_links + 2 * self.n_islands

    @property
    def unserved(self) -> int:
        """First column of unserved load; oversupply follows."""
        return self.n_segments + self.n_links

    @property
    def reserve(self) -> int:
        """First reserve column."""
        return self.unserved + 2 * self.n_islands

    @property
    def shortage(self) -> int:
        """First shortage column."""
        return self.reserve + len(self.upward) * self.n_generators

    @property
    def n_columns(self) -> int:
        """Core columns."""
        return self.shortage + sum(self.blocks)

    @property
    def up_row(self) -> int:
        """First upward rule."""
        return self.n_islands

    @property
    def down_row(self) -> int:
        """First downward rule."""
        return self.up_row + (self.n_generators if any(self.upward) else 0)

    @property
    def requirement_row(self) -> int:
        """First requirement."""
        return self.down_row + (self.n_generators if not all(self.upward) else 0)

    @property
    def n_rows(self) -> int:
        """Static rows."""
        return self.requirement_row + len(self.blocks)


def layout_of(network: Network, case: OpfCase, n_islands: int, n_segments: int) -> Layout:
    """Layout of a case.

    Raises:
        GridError: two products of one name, or a requirement for a product that no one offers.
    """
    names = [product.name for product in case.reserves]
    if len(set(names)) < len(names):
        raise GridError(f"reserves: names {names} repeat; give each product once")
    for requirement in case.requirements:
        missing = set(requirement.products) - set(names)
        if missing:
            raise GridError(f"requirement {requirement.name!r} counts {sorted(missing)}, which no product offers; known: {names}")
    return Layout(
        n_islands,
        network.n_generators,
        len(network.links.names),
        n_segments,
        tuple(product.upward for product in case.reserves),
        tuple(len(requirement.block_mw) for requirement in case.requirements),
        tuple(tuple(names.index(p) for p in requirement.products) for requirement in case.requirements),
    )


def static_entries(layout: Layout, owner: Ints, balance: list[list[tuple[int, float]]]) -> tuple[Ints, Ints, Floats, Ints]:
    """Static rows column by column (start, row, value), and the element of each column.

    Args:
        layout: positions.
        owner: generator of each segment.
        balance: for each element its coefficients in the balance rows.
    """
    g, reserve = layout.n_generators, layout.reserve
    element = np.full(layout.n_columns, -1, dtype=np.int64)
    element[: layout.n_segments] = owner
    element[layout.n_segments : reserve] = np.arange(g, layout.n_elements)
    sizes = np.array([len(pairs) for pairs in balance], dtype=np.int64)
    flat = [pair for pairs in balance for pair in pairs]
    many = sizes[element[:reserve]]
    at = np.repeat(np.cumsum(sizes)[element[:reserve]] - np.cumsum(many), many) + np.arange(many.sum())
    parts = [(np.repeat(np.arange(reserve), many), np.array([p[0] for p in flat])[at], np.array([p[1] for p in flat])[at])]
    segments, units = np.arange(layout.n_segments), np.arange(g)
    for first, present in ((layout.up_row, any(layout.upward)), (layout.down_row, not all(layout.upward))):
        if present:
            parts.append((segments, first + owner, np.ones(len(owner))))
    for p, upward in enumerate(layout.upward):
        columns = reserve + p * g + units
        parts.append((columns, (layout.up_row if upward else layout.down_row) + units, np.full(g, 1.0 if upward else -1.0)))
        rules = [layout.requirement_row + r for r, covers in enumerate(layout.covers) if p in covers]
        parts += [(columns, np.full(g, rule), np.ones(g)) for rule in rules]
    short = np.repeat(layout.requirement_row + np.arange(len(layout.blocks)), layout.blocks)
    parts.append((layout.shortage + np.arange(len(short)), short, np.ones(len(short))))
    column, row, value = (np.concatenate([part[k] for part in parts]) for k in range(3))
    order = np.argsort(column, kind="stable")
    start = np.concatenate(([0], np.cumsum(np.bincount(column, minlength=layout.n_columns)))).astype(np.int64)
    return start, row[order].astype(np.int64), value[order].astype(np.float64), element


def fill_reserves(
    layout: Layout, case: OpfCase, arrays: tuple[Floats, Floats, Floats], rows: tuple[Floats, Floats], output: tuple[Floats, Floats]
) -> None:
    """Bounds and prices of reserve and shortage columns, limits of the reserve rules.

    Args:
        layout: positions.
        case: products and requirements.
        arrays: cost, lower, upper of the columns.
        rows: lower and upper of the static rows.
        output: range of each generator's output.
    """
    cost, _, upper = arrays
    row_lower, row_upper = rows
    g = layout.n_generators
    loose = SLACK_MW * (1.0 + np.arange(g) / max(g, 1))
    offered = {True: np.zeros(g), False: np.zeros(g)}
    for p, product in enumerate(case.reserves):
        at = layout.reserve + p * g
        upper[at : at + g] = product.capability_mw
        cost[at : at + g] = 0.0 if product.offer_price is None else product.offer_price
        offered[product.upward] += product.capability_mw
    if any(layout.upward):
        ceiling = output[1] if case.capacity_mw is None else case.capacity_mw
        row_upper[layout.up_row : layout.up_row + g] = np.where(offered[True] > 0, np.maximum(ceiling, output[0]) + loose, np.inf)
    if not all(layout.upward):
        floor = output[0] if case.floor_mw is None else case.floor_mw
        row_lower[layout.down_row : layout.down_row + g] = np.where(offered[False] > 0, np.minimum(floor, output[1]) - loose, -np.inf)
    at = layout.shortage
    for r, requirement in enumerate(case.requirements):
        n = layout.blocks[r]
        upper[at : at + n] = requirement.block_mw
        cost[at : at + n] = requirement.block_price
        row_lower[layout.requirement_row + r] = requirement.block_mw.sum()
        at += n


def price_offsets(options: OpfOptions, n: int) -> Floats:
    """Tiny fixed offsets that break price ties by position, the same in every solve."""
    return np.asarray(options.tolerance_price * 0.1 * (1.0 + np.modf((np.arange(n) + 1) * 0.6180339887498949)[0]))
