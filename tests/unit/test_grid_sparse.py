"""Sparse estimates of sensitivities, and what leads what: like scikit-learn where it has the same, and the truth where it is known."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import MultiTaskLasso

from models._kernel.grid.lead_lag import fit_lead_lag, with_lags
from models._kernel.grid.network import GridError
from models._kernel.grid.recovery import recover_few
from models._kernel.grid.recovery_sparse import group_lasso, matching_pursuit, proximal, sparse_group_lasso
from pipeline_tasks.scorecard.caiso_events import OURS, ZERO, Months, events


def _sparse(seed: int = 0):
    rng = np.random.default_rng(seed)
    truth, x = np.zeros((12, 5)), rng.standard_normal((200, 12))
    truth[[1, 4]] = rng.standard_normal((2, 5))
    truth[4, 2] = 0.0
    return x, x @ truth + 0.1 * rng.standard_normal((200, 5)), truth


def test_the_group_lasso_is_that_of_scikit_learn():
    x, y, _ = _sparse()
    theirs = MultiTaskLasso(alpha=0.1, fit_intercept=False, tol=1e-9).fit(x, y).coef_.T
    assert np.allclose(group_lasso(x, y, 0.0, 0.1, tolerance=1e-9), theirs, atol=1e-6)


def test_the_proximal_step_is_a_minimum():
    rng = np.random.default_rng(1)
    point = rng.standard_normal((4, 3))

    def cost(b: np.ndarray) -> float:
        return float(((b - point) ** 2).sum() / 2 + 0.3 * np.abs(b).sum() + 0.4 * np.sqrt((b**2).sum(axis=1)).sum())

    found = proximal(point, 0.3, 0.4)
    assert min(cost(found + 0.01 * rng.standard_normal(found.shape)) for _ in range(200)) > cost(found)
    assert proximal(point, 0.0, 1e3).tolist() == np.zeros_like(point).tolist()


@pytest.mark.parametrize("estimator", [matching_pursuit, sparse_group_lasso])
def test_few_inputs_are_found_whatever_the_units(estimator):
    x, y, truth = _sparse()
    found = estimator(x, y)
    assert np.abs(found - truth.T).max() < 0.1
    assert np.allclose(estimator(1000 * x, y), found / 1000, rtol=1e-6)
    still = np.column_stack([x, np.full(200, 3.0)])
    assert np.all(estimator(still, y)[:, -1] == 0.0)


def test_more_inputs_than_rows_is_no_fault():
    rng = np.random.default_rng(2)
    x = rng.standard_normal((12, 40))
    y = 2.0 * x[:, [3]] + np.zeros((12, 4))
    assert np.abs(matching_pursuit(x, y, centre=False)[:, 3] - 2.0).max() < 1e-6
    assert np.isfinite(sparse_group_lasso(x, y, centre=False)).all()


def test_the_shared_penalty_is_the_best_of_leaving_out_one_by_one():
    rng = np.random.default_rng(3)
    x = rng.standard_normal((9, 30))
    y = x @ rng.standard_normal((30, 4)) * 0.2 + rng.standard_normal((9, 4))
    gram = x @ x.T
    best = None
    for penalty in np.trace(gram) / 9 * np.geomspace(1e-4, 10.0, 20):
        error = 0.0
        for row in range(9):
            kept = np.delete(np.arange(9), row)
            w = np.linalg.solve(gram[np.ix_(kept, kept)] + penalty * np.eye(8), y[kept])
            error += np.abs(gram[row, kept] @ w - y[row]).mean()
        if best is None or error < best[0]:
            best = error, x.T @ np.linalg.solve(gram + penalty * np.eye(9), y)
    assert np.allclose(recover_few(x, y), best[1].T)


def test_wrong_questions_are_said():
    with pytest.raises(GridError, match="a number from 0 to 1"):
        sparse_group_lasso(np.zeros((9, 2)), np.zeros((9, 2)), share=2.0)
    with pytest.raises(GridError, match="at least 3 rows"):
        matching_pursuit(np.zeros((2, 2)), np.zeros((2, 2)))
    with pytest.raises(GridError, match="not finite"):
        fit_lead_lag(np.full((50, 2), np.nan), np.ones(50, dtype=bool), lags=1)
    with pytest.raises(GridError, match="give at least 9"):
        fit_lead_lag(np.zeros((5, 2)), np.ones(5, dtype=bool), lags=1)


def test_a_series_that_leads_is_found_and_its_shock_arrives_later():
    rng = np.random.default_rng(4)
    x = np.zeros((3000, 3))
    for t in range(1, 3000):
        x[t] = 0.5 * x[t - 1] + np.array([0.8 * x[t - 1, 1], 0.0, 0.0]) + rng.standard_normal(3)
    contiguous = np.ones(3000, dtype=bool)
    contiguous[[0, 1500]] = False
    model = fit_lead_lag(x, contiguous, lags=2)
    assert model.screened[0, 1]
    assert not model.screened[1, 0]
    assert model.coefficients[0, 0, 1] == pytest.approx(0.8, abs=0.06)
    assert model.samples == 3000 - 4
    response = model.responses(3)
    assert abs(response[0, 0, 1]) < 0.1
    assert response[1, 0, 1] == pytest.approx(0.8, abs=0.1)
    told, rows = model.told(x, contiguous)
    assert not {0, 1, 1500, 1501} & set(rows.tolist())
    assert np.abs(told - x[rows]).mean() < 0.9


def test_times_after_a_gap_have_no_lags():
    assert with_lags(np.array([False, True, True, False, True, True, True]), 2).tolist() == [2, 5, 6]


def test_months_are_told_from_their_shadow_prices_alone_and_nodes_that_come_late_are_not_scored():
    rng = np.random.default_rng(5)
    shadow = np.abs(rng.standard_normal((16, 6)))
    congestion = shadow @ rng.uniform(-1, 1, (6, 16))
    congestion[:6, 7] = np.nan
    months = Months(tuple(f"2025-{1 + k // 2:02d}" for k in range(16)), shadow, congestion, ("A", "B") * 8)
    truth, told = events(months, lambda _: None)
    assert truth.shape == (12, 16)
    assert np.isnan(truth[:, 7]).all()
    assert np.isnan(told[OURS][:, 7]).all()
    kept = np.delete(np.arange(16), 7)
    late = slice(-2, None)
    assert np.abs(told[OURS] - truth)[late][:, kept].mean() < 0.1 * np.abs(told[ZERO] - truth)[late][:, kept].mean()
    changed = Months(months.names, shadow, congestion * np.where(np.arange(16) >= 14, 5.0, 1.0)[:, None], months.hub)
    assert np.allclose(events(changed, lambda _: None)[1][OURS][-1, kept], told[OURS][-1, kept]), "an event's own prices are not used"
