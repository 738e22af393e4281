"""Sensitivities recovered from what a network did: exact without noise, bounded with it, ends and outage shares by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

import numpy as np
import polars as pl
import pytest

from models._kernel.grid.cases import load_case
from models._kernel.grid.network import GridError
from models._kernel.grid.recovery import correlation, ends, outage_shares, recover, recover_from_prices
from models._kernel.grid.sensitivities import Sensitivities
from models._kernel.grid.topology import bridges
from pipeline_tasks.scorecard.grid_sensitivities import FLOW_PRIOR, sampled
from pipeline_tasks.scorecard.interface_events import _interface_events, _panel
from pipeline_tasks.scorecard.outage_events import rated


@lru_cache(maxsize=1)
def network():
    return rated(load_case("case24_ieee_rts"))


@lru_cache(maxsize=1)
def hours():
    return sampled(network(), 3, 400)


def test_a_response_without_noise_is_found_exactly_and_its_uncertainty_shrinks():
    rng = np.random.default_rng(1)
    truth, x = rng.uniform(-1, 1, (5, 8)), rng.standard_normal((300, 8))
    found = recover(x, x @ truth.T, prior=0.5)
    assert np.abs(found.values - truth).max() < 1e-6
    noisy = [recover(x[:n], x[:n] @ truth.T + rng.standard_normal((n, 5)), prior=0.5) for n in (30, 300)]
    assert noisy[0].deviation.mean() > 2 * noisy[1].deviation.mean()
    assert (np.abs(noisy[1].values - truth) <= 4 * noisy[1].deviation).mean() > 0.99
    assert noisy[1].noise == pytest.approx(np.ones(5), abs=0.2)


def test_inputs_that_never_move_stay_at_nothing_and_say_so():
    x = np.column_stack([np.random.default_rng(2).standard_normal(50), np.full(50, 3.0)])
    found = recover(x, 2 * x[:, :1], prior=5.0)
    assert found.moved.tolist() == [True, False]
    assert found.values[0].tolist() == pytest.approx([2.0, 0.0], abs=1e-6)
    assert found.deviation[0, 1] == 5.0


def test_directions_that_hardly_moved_do_not_explode():
    """Two inputs that move together but for a trace: least squares gives large opposite elements, the prior does not."""
    rng = np.random.default_rng(3)
    common = rng.standard_normal((200, 1))
    x = np.hstack([common, common]) + 1e-3 * rng.standard_normal((200, 2))
    y = x @ np.array([[0.5], [0.3]]) + 0.1 * rng.standard_normal((200, 1))
    plain = np.linalg.lstsq(x - x.mean(axis=0), y - y.mean(axis=0))[0]
    assert np.abs(plain).max() > 1.5
    assert np.abs(recover(x, y, prior=0.5).values).max() < 1.0


def test_a_network_is_recovered_from_its_flows_and_from_its_prices():
    data, truth = hours(), Sensitivities(network()).ptdf()
    inputs = np.delete(np.arange(network().n_buses), network().reference_bus)
    found = recover(data.injection[:, inputs], data.flow, prior=FLOW_PRIOR)
    used = inputs[found.moved]
    assert np.median([correlation(a, b) for a, b in zip(found.values[:, found.moved], truth[:, used], strict=True)]) > 0.95
    bound = np.flatnonzero((np.abs(data.shadow_price) > 1e-6).sum(axis=0) >= 20)
    prices = recover_from_prices(data.shadow_price[:, bound], data.congestion, prior=0.3)
    assert len(bound)
    assert np.abs(prices.values.T - truth[bound]).max() < 0.05


def test_ends_and_outage_shares_follow_from_exact_sensitivities():
    exact = Sensitivities(network())
    truth, everything = exact.ptdf(), np.arange(network().n_branches)
    begin, end = ends(truth, np.ones(network().n_buses, dtype=bool))
    for found, named in ((begin, network().branches.from_bus), (end, network().branches.to_bus)):  # a bus that hangs on an end equals it
        assert np.allclose(truth[everything, found], truth[everything, named], atol=1e-9)
    shares, lodf = outage_shares(truth, begin, end), exact.lodf(everything, everything)
    whole = np.isfinite(lodf).all(axis=0) & np.isfinite(shares).all(axis=0)
    assert whole.sum() > 0.8 * len(everything)
    meshed = np.setdiff1d(everything, bridges(network()))
    assert np.allclose(shares[meshed][:, whole], lodf[meshed][:, whole], atol=1e-8)


def test_wrong_shapes_and_gaps_are_said():
    with pytest.raises(GridError, match="at least 3 rows"):
        recover(np.zeros((5, 2)), np.zeros((4, 2)), prior=1.0)
    with pytest.raises(GridError, match="not finite"):
        recover(np.full((5, 2), np.nan), np.zeros((5, 2)), prior=1.0)


def test_an_interface_that_fills_up_is_an_event_and_a_gap_is_none():
    rng = np.random.default_rng(4)
    begin, count = datetime(2026, 1, 1, tzinfo=UTC), 1200
    stamp = [begin + timedelta(hours=k) for k in range(count)]
    full = (np.arange(count) // 12) % 2 == 1
    pattern = np.array([20.0, -10.0, 0.0, -10.0])
    congestion = full[:, None] * pattern + rng.standard_normal((count, 4))
    zones = pl.DataFrame({"delivery_ts": stamp * 4, "hub": np.repeat(list("ABCD"), count), "value": congestion.T.ravel()})
    flows = pl.DataFrame({"delivery_ts": stamp, "interface": ["X"] * count, "loading": np.where(full, 0.99, 0.5)})
    found = _interface_events(_panel(zones, flows))
    assert len(found) == sum(1 for k in range(840 + 4, count - 4) if full[k] and not full[k - 4 : k].any())
    assert min(own for own, *_ in found) > 0.9
    hole = stamp[900 // 24 * 24 + 12]
    assert len(_interface_events(_panel(zones.filter(pl.col("delivery_ts") != hole), flows))) < len(found)
