"""The copilot's own arithmetic: forms, dials, the hedge program, profit and risk, limits; against what can be worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from config.risk import load_risk
from models._kernel.grid.cases import load_case
from models._kernel.grid.opf_types import OpfCase
from models._kernel.hedge_lp import cvar_hedge
from models._kernel.shortfall import expected_shortfall
from pipeline_tasks.copilot.decide import decide, drawdowns, figures
from pipeline_tasks.copilot.dials import dialed_case, dialed_rows, price_change
from pipeline_tasks.copilot.forecasts import Prices
from pipeline_tasks.copilot.outcome import outcome_rows
from pipeline_tasks.copilot.request import Dials, PlanRequest, PlanRequestError
from pipeline_tasks.copilot.rows import plan_rows
from pipeline_tasks.simulate.market_case import MarketCase

AT = datetime(2026, 6, 14, 9, tzinfo=UTC)
FORM = {"market": "twin", "delivery_date": "2026-06-15", "desk": "power", "hubs": ["HUB_NORTH", "HUB_SOUTH"], "position_mw": [100, -50]}
RISK = load_risk()


def _request(**changes: object) -> PlanRequest:
    return PlanRequest.of(FORM | changes, requester="ann", trigger="t", requested_ts=AT)


def _prices(day_ahead: np.ndarray, spread: np.ndarray, **changes: object) -> Prices:
    starts = tuple(datetime(2026, 6, 14, 22, tzinfo=UTC) + timedelta(hours=k) for k in range(day_ahead.shape[2]))
    none = pl.DataFrame(schema={"hub": pl.String, "feature": pl.String, "explained_output": pl.String, "contribution": pl.Float64})
    made = Prices(
        starts=starts, hours=np.ones(len(starts)), day_ahead=day_ahead, real_time=day_ahead + spread, change=np.zeros(day_ahead.shape[1:]),
        mark=day_ahead.mean(axis=0), method="none", has_balancing=True, drivers=none, inputs=(),
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def _market(seed: int = 1, scenarios: int = 40, hubs: int = 2, hours: int = 3) -> Prices:
    rng = np.random.default_rng(seed)
    return _prices(60 + 10 * rng.standard_normal((scenarios, hubs, hours)), 4 + 25 * rng.standard_normal((scenarios, hubs, hours)))


def test_the_same_form_is_the_same_plan_and_reads_back() -> None:
    asked = _request(gas_pct=20, lines=["a"])
    assert PlanRequest.from_json(asked.to_json()) == asked
    assert _request(gas_pct=20, lines=["a"]).plan_id == asked.plan_id != _request(gas_pct=21, lines=["a"]).plan_id
    assert replace(asked, requester="bob").plan_id != asked.plan_id
    assert _request(position_mw=7).position_mw == (7.0, 7.0)
    assert _request(hubs=None, position_mw=1).hubs == ("HUB_NORTH", "HUB_SOUTH", "HUB_EAST", "HUB_WEST", "HUB_CITY")


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"hubs": ["ATLANTIS"], "position_mw": 1}, PlanRequestError, "ATLANTIS.*HUB_NORTH"),
        ({"position_mw": [1, 2, 3]}, PlanRequestError, "position_mw has 3 numbers for 2 hubs"),
        ({"gas_pct": 900}, PlanRequestError, "gas_pct is 900"),
        ({"risk_aversion": 2}, PlanRequestError, "risk_aversion is 2"),
        ({"battery_hub": "HUB_EAST"}, PlanRequestError, "battery_hub is 'HUB_EAST'"),
        ({"colour": 1}, PlanRequestError, "colour"),
        ({"desk": "nobody"}, KeyError, "nobody"),
    ],
)
def test_a_form_that_cannot_be_planned_says_why(change: dict[str, object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        _request(**change)


def test_the_hedge_of_one_lot_is_what_a_newsvendor_does() -> None:
    """One lot, expectation alone: all of it where day-ahead pays more than the fee, none of it otherwise."""
    background, low, high = np.zeros(2), np.array([0.0]), np.array([10.0])
    for margin, fee, volume in ((5.0, 1.0, 10.0), (0.5, 1.0, 0.0), (-5.0, 1.0, 0.0)):
        found = cvar_hedge(np.full((2, 1), margin), background, low, high, fee=fee, risk_aversion=0.0, level=0.95)
        assert found.volume[0] == pytest.approx(volume)


def test_shortfall_alone_sells_what_makes_profit_certain() -> None:
    """A long position at the balancing price R in {40, 80}, day-ahead 60 for sure: selling all of it leaves no risk."""
    real_time = np.array([40.0, 80.0])
    margin, background = (60 - real_time)[:, None], 10 * real_time
    found = cvar_hedge(margin, background, np.array([0.0]), np.array([10.0]), fee=0.0, risk_aversion=1.0, level=0.5)
    assert found.volume[0] == pytest.approx(10)
    np.testing.assert_allclose(found.profit, 600)


@settings(max_examples=25, deadline=None)
@given(
    arrays(np.float64, (12, 3), elements=st.floats(-50, 50)),
    arrays(np.float64, 12, elements=st.floats(-1000, 1000)),
    st.sampled_from([0.0, 0.3, 1.0]),
)
def test_no_other_volumes_beat_the_hedge(margin: np.ndarray, background: np.ndarray, a: float) -> None:
    low, high, fee, level = np.array([-5.0, 0.0, -2.0]), np.array([0.0, 7.0, 4.0]), 0.2, 0.75
    found = cvar_hedge(margin, background, low, high, fee=fee, risk_aversion=a, level=level)
    assert np.all(found.volume >= low - 1e-9)
    assert np.all(found.volume <= high + 1e-9)
    for x in np.random.default_rng(3).uniform(low, high, (200, 3)):
        profit = background + margin @ x - fee * np.abs(x).sum()
        assert (1 - a) * profit.mean() - a * float(expected_shortfall(-profit, level)) <= found.objective + 1e-5


def test_drawdown_is_the_deepest_fall_from_the_highest_point() -> None:
    running = np.array([[5.0, -3.0, -4.0, 10.0], [-2.0, 1.0, -5.0, 0.0], [1.0, 1.0, 1.0, 1.0]])
    np.testing.assert_allclose(drawdowns(running), [7.0, 6.0, 0.0])


def test_more_aversion_never_takes_more_shortfall_and_parts_add_up() -> None:
    decision = decide(_market(), _request(risk_aversion=0.0), RISK)
    shortfalls = [float(expected_shortfall(-s.profit, RISK.level)) for s in decision.frontier]
    means = [float(s.profit.mean()) for s in decision.frontier]
    assert all(a >= b - 1e-6 for a, b in pairwise(shortfalls))
    assert all(a >= b - 1e-6 for a, b in pairwise(means))
    found = {k: v for k, (v, _) in figures(decision.chosen, RISK).items()}
    parts = sum(found[f"expected_{part}_profit_ccy"] for part in ("open", "hedge", "battery"))
    assert found["expected_profit_ccy"] == pytest.approx(parts)
    assert found["es_95_ccy"] >= found["var_95_ccy"]


def test_a_risk_budget_raises_the_aversion_and_what_cannot_keep_it_is_blocked() -> None:
    free = decide(_market(), _request(risk_aversion=0.0), RISK)
    loose, tight = (float(expected_shortfall(-free.frontier[k].profit, RISK.level)) for k in (0, -1))
    kept = decide(_market(), _request(risk_aversion=0.0, risk_budget_ccy=(loose + tight) / 2), RISK)
    assert kept.chosen.risk_aversion > 0
    assert kept.reasons == ()
    lost = decide(_market(), _request(risk_aversion=0.0, risk_budget_ccy=tight / 2), RISK)
    assert lost.chosen.risk_aversion == 1.0
    assert any("risk budget" in reason for reason in lost.reasons)


def test_limits_of_the_desk_block_and_say_so() -> None:
    assert decide(_market(), _request(), RISK).reasons == ()
    assert "largest open position of a hub is 300 MW" in decide(_market(), _request(position_mw=300), RISK).reasons[0]
    used = decide(_market(), _request(), RISK, used=1e6).reasons
    assert len(used) == 1
    assert "the desk's plans of the day" in used[0]


def test_dials_without_a_turn_change_no_price_and_load_raises_it() -> None:
    network = load_case("case30")
    state = MarketCase(network, OpfCase())
    still, residual, _ = price_change(state, Dials(), {})
    np.testing.assert_allclose(still, 0.0, atol=1e-9)
    assert residual <= 1e-6
    more, _, _ = price_change(state, Dials(load_pct=10), {})
    assert more.mean() > 0
    names = network.generators.names
    lost = dialed_case(state, Dials(units=(names[0],)), {})
    assert lost.p_max_mw is not None
    assert lost.p_max_mw[0] == 0.0
    with pytest.raises(PlanRequestError, match="nowhere"):
        dialed_case(state, Dials(lines=("nowhere",)), {})


def test_dialed_features_stay_consistent_and_other_days_stay_as_they_are() -> None:
    base = {"market": "m", "hub": "h", "product": "da", "load_forecast_mw": 100.0, "zonal_load_forecast_mw": None, "wind_forecast_mw": 20.0}
    base |= {"solar_forecast_mw": 10.0, "renewables_forecast_mw": 30.0, "residual_load_forecast_mw": 70.0, "residual_load_ramp_mw": 5.0}
    base |= {
        "residual_load_tightness": 0.7,
        "gas_price_ccy_per_unit": 30.0,
        "coal_price_ccy_per_unit": 12.0,
        "co2_price_ccy_per_unit": 70.0,
    }
    days = (date(2026, 6, 14), date(2026, 6, 15))
    rows = pl.DataFrame([base | {"delivery_date": d, "delivery_ts": datetime(d.year, d.month, d.day, tzinfo=UTC)} for d in days])
    rows = rows.with_columns(pl.col("zonal_load_forecast_mw").cast(pl.Float64))
    made = dialed_rows(rows, Dials(load_pct=10, wind_pct=-50, gas_pct=20), days[1])
    assert made.columns == rows.columns
    assert made.row(0) == rows.row(0)
    new = made.row(1, named=True)
    assert (new["load_forecast_mw"], new["wind_forecast_mw"], new["renewables_forecast_mw"]) == pytest.approx((110, 10, 20))
    assert new["residual_load_forecast_mw"] == pytest.approx(90)
    assert new["residual_load_tightness"] == pytest.approx(0.9)
    assert (new["gas_price_ccy_per_unit"], new["coal_price_ccy_per_unit"]) == pytest.approx((36, 12))
    with pytest.raises(PlanRequestError, match="no network model"):
        dialed_rows(rows, Dials(lines=("a",)), days[1])


def test_a_plan_settled_at_the_prices_it_expected_earns_what_it_expected() -> None:
    one = np.repeat(_market(scenarios=1).day_ahead, 2, axis=0)
    prices = _prices(one, np.full(one.shape, 3.0))
    request = _request()
    numbers = plan_rows(request, prices, decide(prices, request, RISK), RISK)
    assert numbers["number_id"].n_unique() == numbers.height
    assert numbers.select(pl.col("config_sha", "code_sha", "run_id").str.len_chars().min()).row(0) > (0, 0, 0)
    realised = pl.DataFrame(
        [
            {"hub": hub, "delivery_ts": start, "day_ahead": one[0, h, t], "real_time": one[0, h, t] + 3.0}
            for h, hub in enumerate(request.hubs)
            for t, start in enumerate(prices.starts)
        ],
        schema_overrides={"delivery_ts": pl.Datetime("ms", "UTC")},
    )
    found = outcome_rows(request, numbers, realised)
    assert found is not None
    np.testing.assert_allclose(found["price_effect_ccy"].to_numpy(), 0.0, atol=1e-6)
    assert outcome_rows(request, numbers, realised.head(3)) is None
