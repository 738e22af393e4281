"""Reads the optimum off the program: dispatch, prices, binding limits."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from models._kernel.grid.dcopf_program import Program
from models._kernel.grid.network import Floats, Network
from models._kernel.grid.opf_types import NO_CONTINGENCY, Binding, OpfCase, OpfResidual, OpfResult, SolveCounters

Facts = tuple[OpfResidual, float, SolveCounters, tuple[int, ...], Floats, Floats]


def result_of(network: Network, case: OpfCase, program: Program, flow: Floats, facts: Facts) -> OpfResult:
    """The answer of a settled program."""
    residual, objective, counters, unsecured, rating, emergency = facts
    layout, point = program.layout, program.point
    islands, n, g = program.flow_map.islands, layout.n_islands, layout.n_generators
    output = program.output()
    binding = binding_of(program, flow, rating, emergency)
    energy = point.y[:n][islands]
    congestion = binding.shadow_price @ binding.sensitivity
    loss = np.zeros(network.n_buses) if case.losses is None else -energy * case.losses.factor
    prices = point.y[layout.requirement_row : layout.n_rows]
    held = point.x[layout.reserve : layout.shortage].reshape(len(layout.upward), g)
    ends = np.cumsum((0, *layout.blocks))
    missing = point.x[layout.shortage : layout.n_columns]
    return OpfResult(
        p_mw=output[:g],
        link_mw=output[g : g + layout.n_links],
        reserve_mw=held.copy(),
        flow_mw=flow,
        lmp=energy + congestion + loss,
        energy=energy,
        congestion=congestion,
        loss=loss,
        binding=binding,
        reserve_price=np.array([sum(prices[r] for r, c in enumerate(layout.covers) if p in c) for p in range(len(layout.upward))]),
        requirement_price=prices.copy(),
        shortage_mw=np.array([missing[a:b].sum() for a, b in pairwise(ends)]),
        unserved_mw=output[g + layout.n_links : g + layout.n_links + n],
        oversupply_mw=output[g + layout.n_links + n :],
        island=islands,
        objective=objective,
        unsecured=unsecured,
        residual=residual,
        certified=residual.worst <= program.options.certificate,
        counters=counters,
    )


def binding_of(program: Program, flow: Floats, rating: Floats, emergency: Floats) -> Binding:
    """Limits with a shadow price, sorted."""
    n_core, n_rows, store = program.layout.n_columns, program.layout.n_rows, program.store
    mu = program.point.y[n_rows:]
    found = np.flatnonzero(np.abs(mu) > program.options.tolerance_price)
    found = found[np.lexsort((store.lost[found], store.branch[found]))]
    excess = program.point.x[n_core:].reshape(-1, 2).sum(axis=1)
    branch, lost = store.branch[found], store.lost[found]
    moved = np.where(lost == NO_CONTINGENCY, 0.0, flow[lost])
    return Binding(
        branch=branch,
        contingency=lost,
        shadow_price=mu[found],
        flow_mw=flow[branch] + store.share[found] * moved,
        limit_mw=np.where(lost == NO_CONTINGENCY, rating[branch], emergency[branch]),
        excess_mw=excess[found],
        sensitivity=store.buses[found],
    )
