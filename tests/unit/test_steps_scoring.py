from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from models._kernel.spec import Kind, ModelSpec
from pipeline_tasks.contracts.columns import flag, number
from pipeline_tasks.contracts.features import DAY_AHEAD
from pipeline_tasks.steps import scoring

START = datetime(2026, 6, 1, tzinfo=UTC)


def _spec(kind: Kind) -> ModelSpec:
    if kind is Kind.DISTRIBUTION:
        quantiles = {0.05: "q05", 0.5: "q50", 0.95: "q95"}
        output, point = tuple(number(c, "q") for c in quantiles.values()), "q50"
    else:
        quantiles = {}
        output, point = (number("p", "p"), number("x_threshold_ccy_per_mwh", "t"), flag("alert", "a")), "p"
    return ModelSpec(
        name="fake", label="Fake", kind=kind, inputs=DAY_AHEAD, required=(), output=output, point_column=point, description="d", owner="o",
        yardstick="X", quantile_columns=quantiles,
    )  # fmt: skip


def _outcomes(prices: list[float | None]) -> pl.DataFrame:
    n = len(prices)
    return pl.DataFrame(
        {
            "market": ["m"] * n,
            "hub": ["h"] * n,
            "product": ["da"] * n,
            "delivery_ts": [START + timedelta(hours=k) for k in range(n)],
            "as_of": [START - timedelta(hours=12)] * n,
            "delivery_date": [date(2026, 6, 1)] * n,
            "local_hour": list(range(n)),
            "day_of_week": [1] * n,
            "price_ccy_per_mwh": prices,
            "price_lag_7d_ccy_per_mwh": [10.0] * n,
        },
        schema_overrides={"price_ccy_per_mwh": pl.Float64},
    )


def _forecasts(**columns: list[float]) -> pl.DataFrame:
    n = len(next(iter(columns.values())))
    return pl.DataFrame({"market": ["m"] * n, "hub": ["h"] * n, "product": ["da"] * n, **columns}).with_columns(
        pl.Series("delivery_ts", [START + timedelta(hours=k) for k in range(n)]),
        pl.Series("as_of", [START - timedelta(hours=12)] * n),
        pl.lit(date(2026, 6, 1)).alias("delivery_date"),
    )


def test_unknown_outcomes_are_not_scored() -> None:
    rows = scoring.with_outcomes(_spec(Kind.DISTRIBUTION), _forecasts(q50=[1.0, 2.0]), _outcomes([1.0, None]))
    assert rows.height == 1


def test_distribution_metrics_by_hand() -> None:
    forecasts = _forecasts(q05=[0.0, 0.0, 0.0], q50=[10.0, 20.0, 30.0], q95=[15.0, 25.0, 35.0])
    rows = scoring.with_outcomes(_spec(Kind.DISTRIBUTION), forecasts, _outcomes([12.0, 20.0, 40.0]))
    found = scoring.day_metrics(_spec(Kind.DISTRIBUTION), rows)
    assert found["mae"] == pytest.approx((2 + 0 + 10) / 3)
    assert found["bias"] == pytest.approx((-2 + 0 - 10) / 3)
    assert found["correlation"] == pytest.approx(np.corrcoef([12.0, 20.0, 40.0], [10.0, 20.0, 30.0])[0, 1])
    assert found["rmae"] == pytest.approx(12 / (2 + 10 + 30))
    assert found["coverage_90"] == pytest.approx(2 / 3)
    assert found["width_90"] == pytest.approx((15 + 25 + 35) / 3)
    covered = scoring.covered(_spec(Kind.DISTRIBUTION), rows)
    assert covered is not None
    assert covered.tolist() == [True, True, False]


def test_a_flat_day_has_no_correlation() -> None:
    rows = scoring.with_outcomes(
        _spec(Kind.DISTRIBUTION), _forecasts(q05=[0.0, 0.0], q50=[10.0, 11.0], q95=[15.0, 25.0]), _outcomes([12.0, 12.0])
    )
    assert "correlation" not in scoring.day_metrics(_spec(Kind.DISTRIBUTION), rows)


def test_probability_metrics_and_event_by_hand() -> None:
    forecasts = _forecasts(p=[0.5, 0.0], x_threshold_ccy_per_mwh=[11.0, 11.0], alert=[1.0, 0.0])
    spec = _spec(Kind.PROBABILITY)
    rows = scoring.with_outcomes(spec, forecasts, _outcomes([12.0, 10.0]))
    found = scoring.day_metrics(spec, rows)
    assert found["brier"] == pytest.approx(0.125)
    assert found["event_rate"] == 0.5
    assert found["alert_rate"] == 0.5
    assert found["auc"] == 1.0
    assert scoring.row_losses(spec, rows, "brier").tolist() == [0.25, 0.0]


def test_baselines_by_hand() -> None:
    distribution = scoring.with_outcomes(_spec(Kind.DISTRIBUTION), _forecasts(q05=[0.0], q50=[1.0], q95=[2.0]), _outcomes([12.0]))
    assert scoring.baseline_losses(_spec(Kind.DISTRIBUTION), distribution, _outcomes([1.0]), metric="mae").tolist() == [2.0]
    spec = _spec(Kind.PROBABILITY)
    rows = scoring.with_outcomes(
        _spec(Kind.PROBABILITY), _forecasts(p=[0.5], x_threshold_ccy_per_mwh=[11.0], alert=[0.0]), _outcomes([12.0])
    )
    history = pl.concat([_outcomes([20.0]), _outcomes([5.0]), _outcomes([6.0]), _outcomes([7.0])])
    assert scoring.baseline_losses(spec, rows, history, metric="brier").tolist() == pytest.approx([(0.25 - 1) ** 2])
    assert np.isfinite(scoring.baseline_losses(spec, rows, history.clear(), metric="brier")).all()


def test_decisions_of_several_horizons_meet_their_own_naive_forecast() -> None:
    outcomes = pl.concat(
        [_outcomes([12.0]), _outcomes([12.0]).with_columns(pl.col("as_of") + timedelta(hours=1), price_lag_7d_ccy_per_mwh=11.0)]
    )
    forecasts = pl.concat([_forecasts(q05=[0.0], q50=[1.0], q95=[2.0])] * 2).with_columns(as_of=outcomes["as_of"])
    rows = scoring.with_outcomes(_spec(Kind.DISTRIBUTION), forecasts, outcomes)
    assert rows["naive_ccy_per_mwh"].to_list() == [10.0, 11.0]


def test_unknown_gate_metric_names_the_file() -> None:
    rows = scoring.with_outcomes(
        _spec(Kind.PROBABILITY), _forecasts(p=[0.5], x_threshold_ccy_per_mwh=[11.0], alert=[0.0]), _outcomes([12.0])
    )
    with pytest.raises(ValueError, match=r"models/fake/yardstick\.py"):
        scoring.row_losses(_spec(Kind.PROBABILITY), rows, "mae")


def test_decisions_are_scored_by_their_cost() -> None:
    """Two MWh too much bought in an hour whose spread is 30, and no load metered: 60 earned, less the fee on two MWh."""
    from models.imbalance.spec import QUANTILES, SPEC

    ladder = {name: [0.0] for name in QUANTILES.values()}
    forecasts = _forecasts(spread_median_ccy_per_mwh=[0.0], hedge_share=[0.02], **ladder)
    outcomes = _outcomes([30.0]).with_columns(
        load_deviation_share=pl.lit(None, pl.Float64), is_holiday=pl.lit(value=False), resolution_min=pl.lit(60, pl.Int64)
    )
    rows = scoring.with_outcomes(SPEC, forecasts, outcomes)
    found = scoring.day_metrics(SPEC, rows)
    energy = 82.0  # mean_load_mw x the first hour of weekday_shape, config/assets/portfolio.yaml
    saved = energy * 0.02 * (30.0 - 0.5)
    assert found["saving_per_mwh"] == pytest.approx(saved / energy)
    assert found["cost_per_mwh"] == pytest.approx(-saved / energy)
    assert found["pnl"] == pytest.approx(saved)
    assert "hedge_effectiveness" not in found  # costs of no position do not vary
    assert scoring.row_losses(SPEC, rows, "cost").tolist() == pytest.approx([-saved])
    assert scoring.baseline_losses(SPEC, rows, _outcomes([1.0]), metric="cost").tolist() == [0.0]
    with pytest.raises(ValueError, match="decides nothing"):
        scoring.baseline_losses(_spec(Kind.DISTRIBUTION), rows, _outcomes([1.0]), metric="cost")


def test_a_hedge_of_what_deviates_takes_the_variance_away() -> None:
    from models.imbalance.spec import QUANTILES, SPEC

    ladder = {name: [0.0] * 2 for name in QUANTILES.values()}
    outcomes = _outcomes([30.0, -40.0]).with_columns(
        load_deviation_share=pl.Series([0.02, -0.01]), is_holiday=pl.lit(value=False), resolution_min=pl.lit(60, pl.Int64)
    )

    def metrics(hedge: list[float]) -> dict[str, float]:
        forecasts = _forecasts(spread_median_ccy_per_mwh=[0.0] * 2, hedge_share=hedge, **ladder)
        return scoring.day_metrics(SPEC, scoring.with_outcomes(SPEC, forecasts, outcomes))

    none, whole, wrong = metrics([0.0, 0.0]), metrics([0.02, -0.01]), metrics([-0.02, 0.01])
    assert (none["pnl"], none["hedge_effectiveness"]) == (0.0, 0.0)
    assert whole["hedge_effectiveness"] > 0.9
    assert wrong["hedge_effectiveness"] < 0
    assert whole["pnl"] > 0 > wrong["pnl"]
