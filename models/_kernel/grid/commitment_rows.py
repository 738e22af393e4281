"""Rows of the thermal units: switching, start-up matching, output, ramps.

Output is counted above minimum and as a sum of segments, so there is no output column. Sources: Rajan and Takriti (2005) for the minimum
times; Knueven, Ostrowski and Watson, "On mixed-integer programming formulations for the unit commitment problem" (2020), for segments and
limits tightened by starts and stops; Pan and Guan (2016) for ramping trajectories; Damci-Kurt et al. (2016) for ramps.
"""

from __future__ import annotations

import numpy as np

from models._kernel.grid.commitment_fleet import Fleet
from models._kernel.grid.commitment_layout import Layout
from models._kernel.grid.commitment_matrix import Rows, spans
from models._kernel.grid.network import Floats, Ints


def commitment_rows(fleet: Fleet, layout: Layout, rows: Rows) -> None:
    """Switching, minimum times and start-up matching."""
    _switching(fleet, layout, rows)
    _minimum_times(fleet, layout, rows)
    _matching(fleet, layout, rows)


def output_rows(fleet: Fleet, layout: Layout, rows: Rows) -> None:
    """Segments, limits with reserve, ramps."""
    _segments(fleet, layout, rows)
    _limits(fleet, layout, rows)
    _ramp_up(fleet, layout, rows)
    _ramp_down(fleet, layout, rows)
    _run_down(fleet, layout, rows)


def _switching(fleet: Fleet, layout: Layout, rows: Rows) -> None:
    """on(t) - on(t-1) = start(t) - stop(t)."""
    before = np.zeros(fleet.cap.shape)
    before[:, 0] = fleet.on_before
    row = rows.open(fleet.cap.shape, lower=before, upper=before)
    rows.put(row, layout.on, 1.0)
    rows.put(row[:, 1:], layout.on[:, :-1], -1.0)
    rows.put(row, layout.start, -1.0)
    rows.put(row, layout.stop, 1.0)


def _minimum_times(fleet: Fleet, layout: Layout, rows: Rows) -> None:
    """Starts of the last min_up hours keep a unit on, stops of the last min_down hours keep it off.

    An outage ends what a start before it promised: the window of an hour reaches back to the last outage only.
    """
    shape = fleet.cap.shape
    hour = np.broadcast_to(np.arange(shape[1]), shape)
    unit = np.broadcast_to(np.arange(shape[0])[:, None], shape)
    for held, spell, earliest, sign, switch in (
        (~fleet.must_off, fleet.min_up, fleet.last_out + 1, -1.0, layout.start),
        (np.ones(shape, dtype=bool), fleet.min_down, np.zeros(shape, dtype=np.int64), 1.0, layout.stop),
    ):
        row = rows.open((int(held.sum()),), upper=0.0 if sign < 0 else 1.0)
        first = np.maximum(hour - spell[:, None] + 1, earliest)[held]
        owner, when = spans(first, hour[held])
        rows.put(row[owner], switch[unit[held][owner], when], 1.0)
        rows.put(row, layout.on[held], sign)


def _matching(fleet: Fleet, layout: Layout, rows: Rows) -> None:
    """A start is warm only if matched with one stop, and each stop is matched once."""
    arcs, hours = fleet.arcs, fleet.cap.shape[1]
    for end, switch in ((arcs.start, layout.start), (arcs.stop, layout.stop)):
        inside = end >= 0
        places, local = np.unique(arcs.unit[inside] * hours + end[inside], return_inverse=True)
        row = rows.open((len(places),), upper=0.0)
        rows.put(row[local], layout.arc[inside], 1.0)
        rows.put(row, switch.ravel()[places], -1.0)


def next_stop(fleet: Fleet, room: Floats) -> Floats:
    """`room` where a stop in the next hour counts: not in the last hour, nor where an outage forces the stop."""
    counts = np.zeros(fleet.cap.shape, dtype=bool)
    counts[:, :-1] = ~fleet.out[:, 1:]
    return np.where(counts, room, 0.0)


def put_stop(rows: Rows, row: Ints, stop: Ints, value: Floats) -> None:
    """Entries of next hour's stop; rows and values run over (elements, T)."""
    rows.put(row[:, :-1], stop[:, 1:], value[:, :-1])


def _segments(fleet: Fleet, layout: Layout, rows: Rows) -> None:
    """Segment <= length on - lost_start start - lost_stop stop(t+1), in two rows where both may happen to a unit on for one hour."""
    seg = fleet.segments
    owner = seg.unit
    begin = seg.start[:, None]
    length = np.clip(fleet.cap[owner] - begin, 0.0, seg.length[:, None])
    lost_start = np.clip(begin + length - np.maximum(fleet.first[owner][:, None], begin), 0.0, length)
    lost_stop = np.clip(begin + length - np.maximum(fleet.last[owner][:, None], begin), 0.0, length)
    lost_stop = _next_stop_of(fleet, owner, lost_stop)
    brief = (fleet.min_up[owner] == 1)[:, None]
    row = rows.open(length.shape, upper=0.0)
    rows.put(row, layout.segment, 1.0)
    rows.put(row, layout.on[owner], -length)
    rows.put(row, layout.start[owner], lost_start)
    put_stop(rows, row, layout.stop[owner], np.where(brief, np.maximum(lost_stop - lost_start, 0.0), lost_stop))
    both = brief & (lost_start > 0) & (lost_stop > 0)
    k, t = np.nonzero(both)
    second = rows.open((len(k),), upper=0.0)
    rows.put(second, layout.segment[k, t], 1.0)
    rows.put(second, layout.on[owner[k], t], -length[k, t])
    rows.put(second, layout.stop[owner[k], np.minimum(t + 1, fleet.cap.shape[1] - 1)], lost_stop[k, t])
    rows.put(second, layout.start[owner[k], t], np.maximum(lost_start - lost_stop, 0.0)[k, t])


def _next_stop_of(fleet: Fleet, owner: Ints, lost: Floats) -> Floats:
    counts = next_stop(fleet, np.ones(fleet.cap.shape))
    return lost * counts[owner]


def _power(rows: Rows, row: Ints, layout: Layout, fleet: Fleet, value: float, *, hours: slice | None = None) -> None:
    """Entries of the output above minimum; `row` runs over (all units, hours), -1 where there is no row."""
    at = row[fleet.segments.unit]
    columns = layout.segment if hours is None else layout.segment[:, hours]
    rows.put(np.maximum(at, 0), columns, np.where(at >= 0, value, 0.0))


def _masked(rows: Rows, mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], upper: Floats | float) -> Ints:
    """New rows where `mask` holds, laid out in its shape with -1 elsewhere."""
    place = np.full(mask.shape, -1, dtype=np.int64)
    place[mask] = rows.open((int(mask.sum()),), upper=np.broadcast_to(upper, mask.shape)[mask])
    return place


def _put(rows: Rows, row: Ints, column: Ints, value: Floats | float) -> None:
    rows.put(np.maximum(row, 0), column, np.where(row >= 0, value, 0.0))


def _limits(fleet: Fleet, layout: Layout, rows: Rows) -> None:
    """Output and reserve under the cap, tightened by the starts of the hours before (ramping up from a start) and by next hour's stop.

    Without reserve, rows of the segments say as much except where a ramp from a start binds for more than one hour.
    """
    held = bool(layout.reserve.size)
    first, last = fleet.first[:, None], fleet.last_held[:, None]
    lost_stop = next_stop(fleet, np.maximum(fleet.cap - last, 0.0))
    lost_start = np.maximum(fleet.cap - first, 0.0)
    brief = (fleet.min_up == 1)[:, None]
    climbs = (fleet.cap - first - fleet.up[:, None] > 0) & (fleet.min_up >= 2)[:, None]
    every = ~fleet.must_off if held else climbs & ~fleet.must_off
    row = _masked(rows, every, 0.0)
    _limit_entries(fleet, layout, rows, row)
    climb(fleet, layout, rows, row, most=np.maximum(fleet.min_up - 2, 0))
    value = np.where(brief, np.maximum(lost_stop - lost_start, 0.0), lost_stop)
    _put(rows, row[:, :-1], layout.stop[:, 1:], value[:, :-1])
    both = every & brief & (lost_start > 0) & (lost_stop > 0)
    row = _masked(rows, both, 0.0)
    _limit_entries(fleet, layout, rows, row)
    _put(rows, row, layout.start, np.maximum(lost_start - lost_stop, 0.0))
    _put(rows, row[:, :-1], layout.stop[:, 1:], lost_stop[:, :-1])
    reach = (fleet.cap - first - ((fleet.min_up - 1) * fleet.up)[:, None] > 0) & (fleet.min_up >= 2)[:, None] & ~fleet.must_off
    row = _masked(rows, reach, 0.0)
    _limit_entries(fleet, layout, rows, row)
    climb(fleet, layout, rows, row, most=fleet.min_up - 1)


def _limit_entries(fleet: Fleet, layout: Layout, rows: Rows, row: Ints) -> None:
    _power(rows, row, layout, fleet, 1.0)
    if layout.reserve.size:
        _put(rows, row, layout.reserve, 1.0)
    _put(rows, row, layout.on, -fleet.cap)


def climb(fleet: Fleet, layout: Layout, rows: Rows, row: Ints, *, most: Ints) -> None:
    """What a start i hours ago still keeps out of reach: cap - first - i up, for i up to `most`, within the run since the last outage."""
    shape = fleet.cap.shape
    hour = np.broadcast_to(np.arange(shape[1]), shape)
    lost = fleet.cap - fleet.first[:, None]
    steps = np.where(fleet.up > 0, np.ceil(np.max(lost, axis=1) / np.maximum(fleet.up, 1e-9)), shape[1])
    back = np.minimum(most, np.minimum(steps, shape[1]).astype(np.int64))
    first = np.maximum(np.maximum(hour - back[:, None], fleet.last_out + 1), 0)
    owner, when = spans(first, hour)
    unit, t = np.divmod(owner, shape[1])
    value = np.maximum(lost[unit, t] - (t - when) * fleet.up[unit], 0.0)
    _put(rows, row[unit, t], layout.start[unit, when], value)


def _ramp_up(fleet: Fleet, layout: Layout, rows: Rows) -> None:
    """output(t) + reserve(t) - output(t-1) <= up on(t) - (up - first) start(t)."""
    up = fleet.up[:, None]
    binds = (up < np.max(fleet.cap, axis=1, keepdims=True)) & ~fleet.must_off
    before = np.zeros(fleet.cap.shape)
    before[:, 0] = fleet.before
    row = _masked(rows, binds, before)
    _power(rows, row, layout, fleet, 1.0)
    _power(rows, row[:, 1:], layout, fleet, -1.0, hours=slice(None, -1))
    if layout.reserve.size:
        _put(rows, row, layout.reserve, 1.0)
    _put(rows, row, layout.on, -up)
    _put(rows, row, layout.start, up - fleet.first[:, None])


def _ramp_down(fleet: Fleet, layout: Layout, rows: Rows) -> None:
    """output(t-1) - output(t) <= down on(t-1) - (down - last) stop(t); a fall of the cap by more than the ramp is followed at once."""
    before_cap = np.concatenate([fleet.before[:, None], fleet.cap[:, :-1]], axis=1)
    down = np.maximum(fleet.down[:, None], before_cap - fleet.cap)
    binds = (fleet.down[:, None] < np.max(before_cap, axis=1, keepdims=True)) & ~fleet.out
    binds[:, 0] = fleet.on_before & ~fleet.out[:, 0]
    upper = np.zeros(fleet.cap.shape)
    upper[:, 0] = down[:, 0] - fleet.before
    row = _masked(rows, binds, upper)
    _power(rows, row, layout, fleet, -1.0)
    _power(rows, row[:, 1:], layout, fleet, 1.0, hours=slice(None, -1))
    _put(rows, row[:, 1:], layout.on[:, :-1], -down[:, 1:])
    _put(rows, row, layout.stop, down - fleet.last[:, None])


def _run_down(fleet: Fleet, layout: Layout, rows: Rows) -> None:
    """output(t) <= cap on(t) - sum over i < min_up of (cap - last - i down) stop(t+1+i): the way down to a stop.

    Only for units whose cap never changes: an outage or derating in sight waives the ramp.
    """
    cap, (_, hours) = fleet.cap, fleet.cap.shape
    steady = np.all(cap == cap[:, :1], axis=1) & ~fleet.out.any(axis=1)
    room = cap[:, 0] - fleet.last - fleet.down
    chosen = steady & (room > 0) & (fleet.min_up >= 2)
    mask = np.zeros(cap.shape, dtype=bool)
    mask[chosen, :-1] = True
    row = _masked(rows, mask, 0.0)
    _power(rows, row, layout, fleet, 1.0)
    _put(rows, row, layout.on, -cap)
    unit, t = np.nonzero(mask)
    owner, when = spans(t + 1, np.minimum(t + fleet.min_up[unit], hours - 1))
    lost = cap[unit, t] - fleet.last[unit]
    value = np.maximum(lost[owner] - (when - t[owner] - 1) * fleet.down[unit[owner]], 0.0)
    rows.put(row[unit, t][owner], layout.stop[unit[owner], when], value)
