"""Extending the exceedances a tail is fitted on: draws from the fitted tail, or from a generator. An ablation; the default is neither."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models._kernel.tail_regression import ShapePrior, fit_pareto
from models._kernel.tails import gpd_quantile
from models.tailrisk.params import Params

Array = npt.NDArray[np.float64]


def oversampled(excess: Array, covariates: Array, params: Params, prior: ShapePrior, *, seed: int) -> tuple[Array, Array, Array | None]:
    """Excesses, covariates and weights to fit on.

    Synthetic exceedances are made from those of the training fold alone. Real ones and synthetic ones together weigh as many
    observations as there are real ones, so that the penalties keep their meaning.

    Args:
        excess: positive, shape (n,).
        covariates: shape (n, p).
        params: `oversample`, its factor, and the steps of the generator.
        prior: of the shape, for the draws of `evt`.
        seed: same seed, same sample.
    """
    count = int(params.oversample_factor * len(excess))
    if params.oversample == "none" or count < 1:
        return excess, covariates, None
    rng = np.random.default_rng(seed)
    if params.oversample == "evt":
        fitted = fit_pareto(excess, covariates, prior=prior, penalty=params.tail_penalty)
        x = covariates[rng.integers(0, len(excess), size=count)]
        y = gpd_quantile(1.0 - rng.random(count), fitted.scales(x), fitted.shape)
    else:
        from models.tailrisk.gan import sample

        x, y = sample(covariates, excess, count, steps=params.gan_steps, seed=seed)
    kept = y > 0
    both = np.concatenate((excess, y[kept]))
    return both, np.vstack((covariates, x[kept])), np.full(len(both), len(excess) / len(both))
