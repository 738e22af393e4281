"""Clears a product step by step with the DC optimal power flow and writes down what the market publishes."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models._kernel.grid.dcopf import DcOpf
from models._kernel.grid.network import CostCurves, Floats, Ints
from models._kernel.grid.opf_types import OpfCase, OpfResult
from pipeline_tasks.twin.fleet import Fleet
from pipeline_tasks.twin.market_types import Bools, Constraints, Offers, ProductResult

SHADOW_EDGE = 5e-3
"""Shadow prices below half a cent are rounding."""


@dataclass(frozen=True)
class Step:
    """One case with what it was built from: demand in MW per bus, and the nested reserve requirement (reserve,)."""

    case: OpfCase
    load_mw: Floats
    required_mw: Floats


def offer_curves(fleet: Fleet, offers: Offers, window: int) -> CostCurves:
    """Offers of a window as cost curves of the network's generators."""
    mine = offers.window == window
    zero = np.zeros(len(fleet.units.names))
    return CostCurves(zero, zero, zero, offers.unit[mine], offers.start_mw[mine], offers.size_mw[mine], offers.price[mine])


def anchored_curves(fleet: Fleet, curves: CostCurves, middle: Floats, *, reference: float, spread: float) -> CostCurves:
    """Curves with the stores around their schedule: below it at less than the reference price, above it at more.

    Args:
        fleet: the units.
        curves: offers.
        middle: (unit,) scheduled output.
        reference: expected price of the step, EUR/MWh.
        spread: half width around it, share, and at least two EUR/MWh.
    """
    generator = curves.block_generator
    start, size, price = curves.block_start_mw.copy(), curves.block_mw.copy(), curves.block_price.copy()
    stored = np.flatnonzero(fleet.units.store_mwh > 0)
    first = np.searchsorted(generator, stored)
    half = max(spread * abs(reference), 2.0) * (1 + 0.02 * np.arange(len(stored)) / max(len(stored), 1))
    width = (fleet.units.p_max_mw - fleet.units.p_min_mw)[stored]
    start[first], start[first + 1] = middle[stored] - width, middle[stored]
    size[first] = size[first + 1] = width
    price[first], price[first + 1] = reference - half, reference + half
    return CostCurves(curves.constant, curves.linear, curves.quadratic, generator, start, size, price)


def clear_product(
    solver: DcOpf,
    fleet: Fleet,
    build: Callable[[int, Floats], Step],
    previous_mw: Floats,
    *,
    count: int,
    minutes: int,
    limits: tuple[float, float],
) -> ProductResult:
    """Solve the steps in order, from a solver without memory.

    Args:
        solver: of the fleet's network; reset first, so that the answer depends on the steps alone.
        fleet: hubs and shares.
        build: the step of a position, given the output (unit,) before it.
        previous_mw: output before the first step.
        count: number of steps.
        minutes: length of a step.
        limits: floor and cap of prices.
    """
    solver.reset()
    taken: list[tuple[Step, OpfResult]] = []
    for position in range(count):
        step = build(position, previous_mw)
        answer = solver.solve(step.case)
        if not answer.certified:
            worst = answer.residual.worst
            warnings.warn(
                f"step {position} of {minutes} minutes: dispatch proven to {worst:.1e} only; see opf_types.OpfResult", stacklevel=2
            )
        previous_mw = answer.p_mw
        taken.append((step, answer))
    return _product(fleet, taken, minutes=minutes, limits=limits)


def _product(fleet: Fleet, taken: list[tuple[Step, OpfResult]], *, minutes: int, limits: tuple[float, float]) -> ProductResult:
    answers = [a for _, a in taken]
    weights = fleet.slack_weights
    energy = np.clip(_cents([float(weights @ a.lmp) for a in answers]), *limits)
    loss = _cents([a.loss - weights @ a.loss for a in answers])
    lmp = np.clip(_cents([a.lmp for a in answers]), *limits)
    congestion = _cents(lmp - energy[:, None] - loss)
    hub_price, hub_loss = _cents(fleet.hub_means(lmp)), _cents(fleet.hub_means(loss))
    hub_energy = np.repeat(energy[:, None], len(fleet.hubs), axis=1)
    generation = np.stack([a.p_mw for a in answers])
    load = np.array([s.load_mw.sum() for s, _ in taken])
    unserved = np.array([a.unserved_mw.sum() for a in answers])
    surplus = np.array([a.oversupply_mw.sum() for a in answers])
    award = np.stack([a.reserve_mw.T for a in answers])
    losses = np.array([_losses(fleet, s, a) for s, a in taken])
    return ProductResult(
        minutes=minutes,
        energy=energy,
        congestion=congestion,
        loss=loss,
        lmp=lmp,
        hub_energy=hub_energy,
        hub_congestion=_cents(hub_price - hub_energy - hub_loss),
        hub_loss=hub_loss,
        hub_price=hub_price,
        generation_mw=generation,
        flow_mw=np.stack([a.flow_mw for a in answers]),
        load_mw=load,
        losses_mw=losses,
        unserved_mw=unserved,
        surplus_mw=surplus,
        constraints=_constraints(answers),
        reserve_price=_cents([a.reserve_price for a in answers]),
        reserve_required_mw=np.stack([s.required_mw for s, _ in taken]),
        reserve_mw=award.sum(axis=1),
        reserve_award_mw=award,
        balance_residual_mw=generation.sum(axis=1) + unserved - surplus - load - losses,
    )


def _cents(values: object) -> Floats:
    return np.asarray(np.round(np.asarray(values, dtype=np.float64), 2), dtype=np.float64)


def _losses(fleet: Fleet, step: Step, answer: OpfResult) -> float:
    """Losses of the linear model at the answer's injections; unserved load and surplus stand at the reference and lose nothing."""
    model = step.case.losses
    if model is None:
        return 0.0
    network = fleet.network
    injection = np.bincount(network.generators.bus, weights=answer.p_mw, minlength=network.n_buses) - step.load_mw - network.buses.shunt_mw
    return float(model.offset_mw + model.factor @ injection)


def _constraints(answers: list[OpfResult]) -> Constraints:
    def column(pick: str) -> Floats:
        return np.concatenate([np.asarray(getattr(a.binding, pick), dtype=np.float64) for a in answers]) if answers else np.zeros(0)

    step = np.repeat(np.arange(len(answers)), [len(a.binding.branch) for a in answers])
    price, flow = column("shadow_price"), column("flow_mw")
    kept: Bools = np.abs(price) >= SHADOW_EDGE
    direction: Ints = np.where(price[kept] < 0, 1, -1).astype(np.int64)
    return Constraints(
        step=step[kept],
        branch=column("branch").astype(np.int64)[kept],
        contingency=column("contingency").astype(np.int64)[kept],
        shadow_price=np.abs(price[kept]),
        direction=direction,
        flow_mw=flow[kept],
        limit_mw=column("limit_mw")[kept],
    )
