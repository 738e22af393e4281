"""From the numbered columns of the MATPOWER case format (version 2) to the network type."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from models._kernel.grid.case_costs import cost_curves
from models._kernel.grid.network import Branches, Buses, Floats, Generators, GridError, Ints, Links, Network
from models._kernel.grid.validate import validate_network

Table = np.ndarray[tuple[int, int], np.dtype[np.float64]]

_BUS, _TYPE, _LOAD, _SHUNT, _AREA, _KV = 0, 1, 2, 4, 6, 9
_FROM, _TO, _X, _RATE_A, _RATE_B, _RATE_C, _TAP, _SHIFT, _STATUS = 0, 1, 3, 5, 6, 7, 8, 9, 10
_GEN_STATUS, _P_MAX, _P_MIN, _RAMP_AGC, _RAMP_10, _RAMP_30 = 7, 8, 9, 16, 17, 18
_DC_STATUS, _DC_P_MIN, _DC_P_MAX, _DC_LOSS0, _DC_LOSS1 = 2, 9, 10, 15, 16
_REFERENCE, _ISOLATED = 3, 4
_COLUMNS = {"bus": 13, "gen": 10, "branch": 11, "gencost": 5, "dcline": 17}


@dataclass(frozen=True)
class Tables:
    """The tables of one case as floats; `gencost` and `dcline` may have no rows, `fuels` may be empty."""

    bus: Table
    gen: Table
    branch: Table
    gencost: Table
    dcline: Table
    fuels: tuple[str, ...] = ()

    @classmethod
    def of(cls, name: str, found: dict[str, object], fuels: tuple[str, ...] = ()) -> Tables:
        """Check that the tables are numbers and wide enough.

        Raises:
            GridError: a table that is missing, holds text or lacks columns.
        """
        checked = {key: _table(name, key, found.get(key), width) for key, width in _COLUMNS.items()}
        usable = fuels if len(fuels) == len(checked["gen"]) else ()
        return cls(**checked, fuels=usable)


def _table(name: str, key: str, values: object, width: int) -> Table:
    if values is None:
        if key in {"gencost", "dcline"}:
            return np.zeros((0, width))
        raise GridError(f"case {name!r} has no table {key!r}; give a MATPOWER case of version 2")
    try:
        table = np.atleast_2d(np.asarray(values, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise GridError(f"case {name!r}, table {key!r}: not numbers ({error}); give one row per line with one number per column") from error
    if len(table) and table.shape[1] < width:
        raise GridError(f"case {name!r}, table {key!r}: {table.shape[1]} columns; version 2 of the format has at least {width}")
    return table


def network_of(name: str, base_mva: float, tables: Tables, *, convex_costs: bool = False, offline_generators: bool = False) -> Network:
    """The network in service of one case, validated.

    Args:
        name: label of the case.
        base_mva: per-unit base.
        tables: tables of the format.
        convex_costs: replace piecewise costs by their convex envelope.
        offline_generators: keep generators that are switched off.

    Raises:
        GridError: costs that are no polynomial to degree 2 nor piecewise linear, an element at an unknown bus, or a fault that
            `validate_network` finds.
    """
    bus = tables.bus[tables.bus[:, _TYPE] != _ISOLATED]
    ids = bus[:, _BUS].astype(np.int64)
    where = {int(number): k for k, number in enumerate(ids)}
    dropped = {int(number) for number in tables.bus[tables.bus[:, _TYPE] == _ISOLATED, _BUS]}
    reference = np.flatnonzero(bus[:, _TYPE] == _REFERENCE)
    if offline_generators:
        tables = replace(tables, gen=_switched_on(tables.gen))
    network = Network(
        name=name,
        base_mva=base_mva,
        buses=Buses(
            ids=ids,
            names=tuple(str(number) for number in ids),
            area=bus[:, _AREA].astype(np.int64),
            base_kv=bus[:, _KV].copy(),
            load_mw=bus[:, _LOAD].copy(),
            shunt_mw=bus[:, _SHUNT].copy(),
        ),
        branches=_branches(tables.branch, where, dropped),
        generators=_generators(name, tables, where, dropped, envelope=convex_costs),
        links=_links(tables.dcline, where, dropped),
        reference_bus=int(reference[0]) if len(reference) else 0,
    )
    validate_network(network)
    return network


def _branches(table: Table, where: dict[int, int], dropped: set[int]) -> Branches:
    names = _numbered([f"{int(row[_FROM])}-{int(row[_TO])}" for row in table], " #")
    kept = (table[:, _STATUS] > 0) & ~_at(table[:, _FROM], dropped) & ~_at(table[:, _TO], dropped)
    rows = table[kept]
    rating = _limit(rows[:, _RATE_A])
    emergency = np.where(rows[:, _RATE_C] > 0, _limit(rows[:, _RATE_C]), np.where(rows[:, _RATE_B] > 0, rows[:, _RATE_B], rating))
    return Branches(
        names=tuple(name for name, keep in zip(names, kept, strict=True) if keep),
        from_bus=_positions(rows[:, _FROM], where),
        to_bus=_positions(rows[:, _TO], where),
        reactance_pu=rows[:, _X].copy(),
        tap=np.where(rows[:, _TAP] == 0, 1.0, rows[:, _TAP]),
        shift_rad=np.deg2rad(rows[:, _SHIFT]),
        rating_mw=rating,
        emergency_mw=np.maximum(emergency, rating),
    )


def _generators(name: str, tables: Tables, where: dict[int, int], dropped: set[int], *, envelope: bool) -> Generators:
    table = tables.gen
    names = _numbered([f"G{int(row[0])}" for row in table], "-", always=True)
    kept = (table[:, _GEN_STATUS] > 0) & ~_at(table[:, 0], dropped)
    rows = table[kept]
    own = tuple(label for label, keep in zip(names, kept, strict=True) if keep)
    low, high = rows[:, _P_MIN].copy(), rows[:, _P_MAX].copy()
    # Rows beyond the generators are costs of reactive power.
    gencost = tables.gencost[: len(table)][kept] if len(tables.gencost) else tables.gencost
    return Generators(
        names=own,
        bus=_positions(rows[:, 0], where),
        p_min_mw=low,
        p_max_mw=high,
        ramp_mw_per_min=_ramps(rows),
        cost=cost_curves(name, own, gencost, low, high, envelope=envelope),
        fuel=tuple(fuel for fuel, keep in zip(tables.fuels, kept, strict=True) if keep) if tables.fuels else (),
    )


def _switched_on(gen: Table) -> Table:
    table = gen.copy()
    table[:, _GEN_STATUS] = 1.0
    return table


def _links(table: Table, where: dict[int, int], dropped: set[int]) -> Links:
    names = _numbered([f"{int(row[_FROM])}={int(row[_TO])}" for row in table], " #")
    kept = (table[:, _DC_STATUS] > 0) & ~_at(table[:, _FROM], dropped) & ~_at(table[:, _TO], dropped)
    rows = table[kept]
    return Links(
        names=tuple(name for name, keep in zip(names, kept, strict=True) if keep),
        from_bus=_positions(rows[:, _FROM], where),
        to_bus=_positions(rows[:, _TO], where),
        p_min_mw=rows[:, _DC_P_MIN].copy(),
        p_max_mw=rows[:, _DC_P_MAX].copy(),
        loss_share=rows[:, _DC_LOSS1].copy(),
        loss_mw=rows[:, _DC_LOSS0].copy(),
    )


def _ramps(rows: Table) -> Floats:
    """MW per minute from the first ramp column that says something; 0 in the format means that it is not known."""
    rate = np.full(len(rows), np.inf)
    for column, minutes in ((_RAMP_30, 30.0), (_RAMP_10, 10.0), (_RAMP_AGC, 1.0)):
        if rows.shape[1] > column:
            rate = np.where(rows[:, column] > 0, rows[:, column] / minutes, rate)
    return rate


def _limit(rating: Floats) -> Floats:
    return np.where(rating == 0, np.inf, rating)


def _at(numbers: Floats, buses: set[int]) -> np.ndarray:
    return np.isin(numbers.astype(np.int64), list(buses)) if buses else np.zeros(len(numbers), dtype=bool)


def _positions(numbers: Floats, where: dict[int, int]) -> Ints:
    """Positions of bus numbers; -1 for an unknown one, which validation reports with the element's name."""
    return np.array([where.get(int(number), -1) for number in numbers], dtype=np.int64)


def _numbered(labels: Sequence[str], mark: str, *, always: bool = False) -> list[str]:
    """Labels made unique by a running number; out-of-service rows count, so a name outlives a switch."""
    seen: Counter[str] = Counter()
    out = []
    for label in labels:
        seen[label] += 1
        out.append(label if seen[label] == 1 and not always else f"{label}{mark}{seen[label]}")
    return out
