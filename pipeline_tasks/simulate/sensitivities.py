"""Sensitivities of a market's interval: how flows answer to injections, and prices to flows that no dispatch explains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from models._kernel.grid.outage_study import Outage, OutageStudy
from models._kernel.grid.sensitivities import Sensitivities
from pipeline_tasks.simulate.market_case import MarketCase
from pipeline_tasks.simulate.outages import limits_frame
from pipeline_tasks.simulate.requests import RequestError, requested


@dataclass(frozen=True, slots=True)
class Answer:
    """What a question about flows gets.

    Attributes:
        factors: branch, node, ptdf (MW on the branch per MW injected at the node and taken at the reference bus).
        prices: node, price_before_ccy_per_mwh, price_after_ccy_per_mwh, price_change_ccy_per_mwh.
        limits: branch, contingency, shadow_price_ccy_per_mwh, flow_mw, limit_mw of what binds after the change.
        certified: whether the prices come with their proof.
    """

    factors: pl.DataFrame
    prices: pl.DataFrame
    limits: pl.DataFrame
    certified: bool


def sensitivities(state: MarketCase, flow_changes: Mapping[str, float], out: Sequence[str] = ()) -> Answer:
    """How prices change when flows change for reasons outside the dispatch (loop flows, a forecast that was off), exactly.

    A flow that rises by x MW leaves x MW less room on its branch in the direction in which it flows; the dispatch is solved again with
    that room. Branches that are out (the topology signal) are out before and after, so what is told is the change alone.

    Args:
        state: network state.
        flow_changes: branch -> MW that its flow rises by, in the direction in which it flows in the state; negative: falls.
        out: branches that are out beside those of the state.

    Raises:
        RequestError: no flow is given, or a branch that is not in the network.
    """
    if not flow_changes:
        raise RequestError('no flow change is given; give branches with MW, e.g. {"12-14": 25}')
    network = state.network
    moved = [o.branches[0] for o in requested(network, lines=tuple(flow_changes))]
    lost = tuple(k for o in (requested(network, lines=tuple(out)) if out else ()) for k in o.branches)
    study = OutageStudy(network, state.case, state.options)
    before = study.impact(Outage("before", lost)).result
    room = {k: -mw for k, mw in zip(moved, flow_changes.values(), strict=True)}
    after = study.impact(Outage("after", lost, room=room)).result
    factors = Sensitivities(network).without((*state.case.outages, *lost)).ptdf(moved)
    names = list(network.buses.names)
    return Answer(
        factors=pl.DataFrame(
            {"branch": np.repeat(list(flow_changes), len(names)), "node": names * len(moved), "ptdf": factors.ravel()},
            schema={"branch": pl.String, "node": pl.String, "ptdf": pl.Float64},
        ),
        prices=pl.DataFrame(
            {
                "node": names,
                "price_before_ccy_per_mwh": before.lmp,
                "price_after_ccy_per_mwh": after.lmp,
                "price_change_ccy_per_mwh": after.lmp - before.lmp,
            }
        ),
        limits=limits_frame(network, after.binding),
        certified=before.certified and after.certified,
    )
