"""The real-time market: dispatch on what happened, with the day-ahead commitment, fast starts and reserve scarcity.

A unit on outage delivers nothing; a fast unit may start at any step at its offer plus its start spread over a few hours of full output,
but what it delivers grows over a lead time, so that others set the price until then;
stores leave their day-ahead schedule within a band, at a price around the day-ahead price of the hour.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from models._kernel.grid.dcopf import DcOpf
from models._kernel.grid.network import CostCurves, Floats, Ints
from models._kernel.grid.opf_types import OpfCase
from pipeline_tasks.twin.ancillary import reserve_products, reserve_requirements, scarcity_worth
from pipeline_tasks.twin.commitment_day import start_adders
from pipeline_tasks.twin.dayahead import Rules, needs_of, output_limits, store_band, with_starts
from pipeline_tasks.twin.dispatch import Step, anchored_curves, clear_product, offer_curves
from pipeline_tasks.twin.fleet import Fleet
from pipeline_tasks.twin.market_types import WINDOWS, Bools, DayActual, DayCommitment, DayForecast, ProductResult, window_of


def tripped(fleet: Fleet, commitment: DayCommitment, actual: DayActual) -> Bools:
    """(step, unit) committed day-ahead, but on outage (or derated below minimum output)."""
    on = commitment.on[hour_of_step(actual)]
    gone: Bools = on & fleet.units.committed & (actual.available_mw < np.maximum(fleet.units.p_min_mw, 1e-6) - 1e-9)
    return gone


def hour_of_step(actual: DayActual) -> Ints:
    """Hour (position in the day) of each step."""
    return np.arange(len(actual.load_mw)) * actual.minutes // 60


def realtime_steps(
    fleet: Fleet, rules: Rules, forecast: DayForecast, commitment: DayCommitment, seen: tuple[DayActual, Floats]
) -> Callable[[int, Floats], Step]:
    """Builder of the real-time cases of a day; `seen` holds the actuals and the day-ahead energy price (hour,)."""
    actual, reference = seen
    config, units = rules.config, fleet.units
    hours, window = hour_of_step(actual), window_of(forecast.local_hour)
    needed = needs_of(fleet, rules, forecast).nested() * config.realtime.reserve_share
    curves = [offer_curves(fleet, commitment.offers, w) for w in range(len(WINDOWS))]
    adder = start_adders(fleet, rules.config, forecast)
    worth = scarcity_worth(config.dayahead, commitment.offers, forecast.price_cap)
    lead = config.realtime.lead_min
    first = actual.minutes / (actual.minutes + lead) * units.p_max_mw
    kept: dict[int, tuple[CostCurves, Floats]] = {}

    def build(position: int, previous_mw: Floats) -> Step:
        hour = int(hours[position])
        available = actual.available_mw[position]
        limits = output_limits(fleet, commitment.on[hour], available)
        low, middle, high = store_band(fleet, commitment.schedule_mw[hour], limits, config.dayahead.store_band[1])
        high = np.where(units.fast & ~commitment.on[hour], np.minimum(high, previous_mw + first), high)
        key = (low[units.store_mwh > 0], high[units.store_mwh > 0])
        if hour not in kept or not np.array_equal(kept[hour][1], np.concatenate(key)):
            base = with_starts(curves[window[hour]], np.where(commitment.on[hour], 0.0, adder))
            anchored = anchored_curves(fleet, base, middle, reference=float(reference[hour]), spread=config.offers.storage_spread)
            kept.clear()
            kept[hour] = (anchored, np.concatenate(key))
        running = commitment.on[hour] & (high > 0) | units.storage
        running &= ~(units.fast & ~commitment.on[hour]) | (previous_mw > 1e-3)
        case = OpfCase(
            load_mw=actual.load_mw[position],
            p_min_mw=low,
            p_max_mw=high,
            cost=kept[hour][0],
            previous_mw=previous_mw,
            minutes=float(actual.minutes),
            outages=tuple(np.flatnonzero(actual.branch_out[position]).tolist()),
            contingencies=rules.contingencies,
            reserves=reserve_products(fleet, running, available, config.dayahead),
            requirements=reserve_requirements(needed[hour], config.dayahead, worth),
            capacity_mw=np.where(units.renewable, high, np.maximum(available, high)),
            floor_mw=np.minimum(limits[0], low),
            losses=rules.losses,
        )
        return Step(case, actual.load_mw[position], needed[hour])

    return build


def clear_realtime(
    solver: DcOpf, fleet: Fleet, rules: Rules, forecast: DayForecast, commitment: DayCommitment, seen: tuple[DayActual, Floats]
) -> ProductResult:
    """The real-time product of a day in the steps of the actuals; pure in its arguments.

    Args:
        solver: of the fleet's network.
        fleet: the units.
        rules: numbers.
        forecast: day-ahead view (offers, requirements).
        commitment: what was committed.
        seen: actuals, and the day-ahead energy price (hour,) that stores expect.
    """
    actual = seen[0]
    return clear_product(
        solver,
        fleet,
        realtime_steps(fleet, rules, forecast, commitment, seen),
        commitment.previous_mw,
        count=len(actual.load_mw),
        minutes=actual.minutes,
        limits=(forecast.price_floor, forecast.price_cap),
    )
