"""Whether a schedule of energy and awards could have been delivered: every limit of asset and products, checked on what was decided.

Independent of the program that made the schedule (`cooptimise`): it follows charge and commitment from the positions alone.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models._kernel.cooptimise import Day, Schedule
from models._kernel.delivery import Plant
from models._kernel.storage.asset import StorageAsset

Array = npt.NDArray[np.float64]
TOLERANCE = 1e-5  # MW, MWh


def charge_of(day: Day, battery: StorageAsset, schedule: Schedule) -> Array:
    """Charge at the start of the day and at the end of every interval, with the calls expected, MWh, shape (T + 1,)."""
    gained, lost, net = battery.charge_efficiency, 1 / battery.discharge_efficiency, schedule.energy_mw
    flow = np.where(net < 0, -net * gained, -net * lost)
    for k, rule in enumerate(day.rules):
        flow = flow + rule.deployed_share * schedule.awards_mw[k] * (-lost if rule.sign > 0 else gained)
    start = battery.start_mwh
    return np.concatenate(([start], start + day.hours * np.cumsum(flow)))


def battery_faults(day: Day, battery: StorageAsset, schedule: Schedule) -> list[str]:
    """Limits that the battery's schedule leaves; empty when all of it can be delivered."""
    net, awards = schedule.energy_mw, schedule.awards_mw
    gained, lost = battery.charge_efficiency, 1 / battery.discharge_efficiency
    level = charge_of(day, battery, schedule)
    (least, most), (last_low, last_high) = battery.bounds_mwh, battery.end_bounds_mwh
    found = {"power": float(np.abs(net).max(initial=0.0)) - battery.power_mw}
    for sign, products in day.lanes:
        found[f"headroom {sign:+d}"] = float((sign * net + awards[list(products)].sum(axis=0)).max()) - battery.power_mw
    found |= {
        "low charge": least - float(level.min()),
        "high charge": float(level.max()) - most,
        "charge at the end": max(last_low - level[-1], level[-1] - last_high),
    }
    up, down = (sum((r.sustain_h * awards[k] for k, r in enumerate(day.rules) if r.sign == s), np.zeros(net.size)) for s in (1, -1))
    reached = np.minimum(level[:-1], level[1:]), np.maximum(level[:-1], level[1:])
    found["energy behind upward awards"] = float((up * lost - np.where(up > TOLERANCE, reached[0] - least, np.inf)).max())
    found["room behind downward awards"] = float((down * gained - np.where(down > TOLERANCE, most - reached[1], np.inf)).max())
    called = sum((r.deployed_share * awards[k] for k, r in enumerate(day.rules) if r.sign > 0), np.zeros(net.size))
    given = day.hours * float((np.maximum(net, 0) + called).sum())
    found["cycles"] = given - battery.throughput_mwh
    return _faults({**found, **_depth(day, awards)})


def plant_faults(day: Day, plant: Plant, schedule: Schedule) -> list[str]:
    """Limits that the plant's schedule leaves; empty when all of it can be delivered."""
    output, awards, hours = schedule.energy_mw, schedule.awards_mw, day.hours
    on = output > TOLERANCE
    found = {
        "output": float(output.max(initial=0.0)) - plant.max_mw,
        "least output": float(np.where(on, plant.min_mw - output, np.abs(output)).max(initial=0.0)),
        "award while off": float(np.where(on, 0.0, awards.sum(axis=0)).max(initial=0.0)),
    }
    for sign, products in day.lanes:
        room = plant.max_mw - output if sign > 0 else output - plant.min_mw
        held = awards[list(products)]
        found[f"headroom {sign:+d}"] = float(np.where(on, held.sum(axis=0) - room, 0.0).max())
        reach = np.array([plant.ramp_mw_per_min * day.rules[k].response_min for k in products])[:, None]
        found[f"response {sign:+d}"] = float((held / reach).sum(axis=0).max()) - 1.0
    ramp = plant.ramp_mw_per_min * 60 * hours
    steps = np.diff(np.concatenate(([0.0], output)))
    admitted = np.where(on & np.concatenate(([False], on[:-1])), ramp, max(plant.min_mw, ramp))
    found["ramp"] = float((np.abs(steps) - admitted).max(initial=0.0))
    found["least time up or down"] = float(_broken_times(on, round(plant.min_up_h / hours), round(plant.min_down_h / hours)))
    return _faults({**found, **_depth(day, awards)})


def _broken_times(on: npt.NDArray[np.bool_], up: int, down: int) -> int:
    """Runs and standstills between two changes that are too short; those that the day's ends cut do not count."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], on)).astype(np.int8)))
    lengths = np.diff(edges)
    running = on[edges[:-1]]
    return int(np.sum(lengths < np.where(running, up, down)))


def _depth(day: Day, awards: Array) -> dict[str, float]:
    return {f"depth of product {k}": float(awards[k].max(initial=0.0)) - rule.depth_mw for k, rule in enumerate(day.rules)} | {
        "negative award": -float(awards.min(initial=0.0))
    }


def _faults(excess: dict[str, float]) -> list[str]:
    return [f"{name} exceeded by {value:.3g}" for name, value in excess.items() if value > TOLERANCE]
