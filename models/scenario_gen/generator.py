"""The generator: from conditions of a day and a seed to normal scores of its hours at every hub. Pure functions of the fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from models._kernel.scenarios import energy_score, seed_of, stratified
from models.scenario_gen import diffusion, flow
from models.scenario_gen.conditions import Standard
from models.scenario_gen.days import EDGE, HOURS
from models.scenario_gen.latent import Latent, hub_root, shared_noise
from models.scenario_gen.learning import Learned, Sample, learn
from models.scenario_gen.params import AUTO, Params
from models.scenario_gen.tables import ANALOGUES, DIFFUSION, FLOW, FREE, GAUSSIAN, KEPT, METHODS
from models.scenario_gen.tailed import Tails

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
ANALOGUE_DAYS = 60.0  # days that an analogue draw effectively chooses from, at least; a tenth of the training days where that is more
JITTER = 0.1  # normal noise on an analogue's scores, so that paths are not past days


@dataclass(frozen=True, slots=True)
class Training:
    """Day vectors the generators learn from, all hubs together, dates rising within a hub.

    Attributes:
        hub: number of the hub, shape (n,).
        date: delivery date, days since 1970, shape (n,).
        score: normal scores in forecasts that had not seen the day, shape (n, 24).
        condition: raw conditions, NaN where unknown, shape (n, k).
    """

    hub: Ints
    date: Ints
    score: Array
    condition: Array


@dataclass(frozen=True, slots=True)
class Generator:
    """All generators of a market, fitted.

    Attributes:
        training: what they learned from; analogues are drawn from it.
        standard: scale of the conditions.
        latent: whitening of the scores.
        root: root of the correlation between hubs.
        weights: of the networks, by kind.
        tails: beyond the ends of the forecast ladders.
        method, marginals: what is published.
        found: figures of the fit: held-out losses, and energy scores by method.
    """

    training: Training
    standard: Standard
    latent: Latent
    root: Array
    weights: Mapping[str, Mapping[str, Array]]
    tails: Tails
    method: str
    marginals: str
    found: Mapping[str, float]

    @property
    def methods(self) -> tuple[str, ...]:
        """Methods that can draw."""
        return (GAUSSIAN, ANALOGUES, *(kind for kind in (FLOW, DIFFUSION) if kind in self.weights))

    def levels(
        self,
        hub: int,
        condition: Array,
        *,
        seed: int,
        count: int,
        method: str,
        marginals: str,
        sample_steps: int,
        training: Bools | None = None,
    ) -> Array:
        """Levels of a day's hours at one hub, shape (count, 24); hubs of one day share the seed and so belong together.

        Args:
            hub: number of the hub.
            condition: raw conditions of the day, NaN where unknown, shape (k,).
            seed: seed of the day.
            count: paths.
            method: of `methods`.
            marginals: kept: every hour's levels are spread evenly, so that it has the forecast's own distribution; free: as drawn.
            sample_steps: of the diffusion.
            training: training days that analogues may come from; None for all.
        """
        given = np.repeat(self.standard.scaled(condition[None]), count, axis=0)
        noise = shared_noise(self.root, count, HOURS + 1, seed)[hub]
        normal = noise[:, :HOURS]
        if method == ANALOGUES:
            score = self._analogues(hub, given[0], ndtr(noise[:, HOURS]), training) + JITTER * normal
        elif method == FLOW:
            score = self.latent.decode(flow.sampled(self.weights[FLOW], normal, given))
        elif method == DIFFUSION:
            score = self.latent.decode(diffusion.sampled(self.weights[DIFFUSION], normal, given, sample_steps))
        else:
            score = self.latent.decode(normal)
        return stratified(score) if marginals == KEPT else np.clip(ndtr(score), EDGE, 1 - EDGE)

    def _analogues(self, hub: int, given: Array, u: Array, allowed: Bools | None) -> Array:
        """Scores of training days of the hub, drawn the more often the closer their conditions; shape (len(u), 24)."""
        own = self.training.hub == hub if allowed is None else (self.training.hub == hub) & allowed
        distance = ((self.standard.scaled(self.training.condition[own]) - given) ** 2).mean(axis=1)
        wanted, (low, high) = min(max(ANALOGUE_DAYS, 0.1 * own.sum()), 0.9 * own.sum()), (-8.0, 8.0)
        for _ in range(40):  # effective number of days rises with the width
            middle = (low + high) / 2
            weight = np.exp(-(distance - distance.min()) / 2 / np.exp(2 * middle))
            low, high = (low, middle) if weight.sum() ** 2 / (weight**2).sum() > wanted else (middle, high)
        share = np.cumsum(weight) / weight.sum()
        return np.asarray(self.training.score[own][np.minimum(np.searchsorted(share, u), share.size - 1)])


def fit_generator(training: Training, ladders: Array, levels: Array, price: Array, tails: Tails, params: Params, *, seed: int) -> Generator:
    """Learn the generators, and choose what is published by the energy score on weeks that were left out.

    Args:
        training: day vectors.
        ladders: forecast quantiles of their hours, shape (n, 24, levels).
        levels: shape (levels,).
        price: prices of their hours, NaN where unknown, shape (n, 24).
        tails: beyond the ladders' ends.
        params: parameters.
        seed: seed of weights and batches.
    """
    held = (training.date + 3) // 7 % params.hold_out_every == 0  # calendar weeks: day 0 was a Thursday
    standard = Standard.of(training.condition[~held] if (~held).any() else training.condition)
    latent = Latent.of(training.score[~held] if (~held).sum() > HOURS else training.score)
    x = latent.encode(training.score)
    root = hub_root(x, training.hub, training.date, int(training.hub.max()) + 1)
    sample = Sample(x, standard.scaled(training.condition), held)
    found: dict[str, float] = {}
    weights: dict[str, Mapping[str, Array]] = {}
    for kind in params.learned:
        told = _learned(kind, sample, params, seed)
        weights[kind] = told.weights
        found |= {f"{kind}_loss": told.loss, f"{kind}_gaussian_loss": told.gaussian_loss}
    made = Generator(training, standard, latent, root, weights, tails, GAUSSIAN, KEPT, found)
    scores = _judged(made, ladders, levels, price, held, params) if held.any() else {}
    found |= {f"energy_{m}_{k}": value for (m, k), value in scores.items()}
    allowed = [pair for pair in scores if params.generator in {AUTO, pair[0]} and params.marginals in {AUTO, pair[1]}] or [
        (params.generator.replace(AUTO, GAUSSIAN), params.marginals.replace(AUTO, KEPT))
    ]
    method, marginals = min(allowed, key=lambda pair: (round(scores.get(pair, 0.0), 3), METHODS.index(pair[0]), pair[1] == FREE))
    return Generator(training, standard, latent, root, weights, tails, method, marginals, found)


def _learned(kind: str, sample: Sample, params: Params, seed: int) -> Learned:
    rng = np.random.default_rng(seed_of("scenario_gen", kind, seed))
    sizes = {"size": sample.latent.shape[1], "conditions": sample.given.shape[1]}
    if kind == FLOW:
        first, rate = flow.first_weights(rng, **sizes, width=params.flow_width, layers=params.flow_layers), params.flow_rate
    else:
        first, rate = diffusion.first_weights(rng, **sizes, width=params.width), params.rate
    return learn(kind, first, sample, steps=params.steps, batch=params.batch, rate=rate, decay=params.decay, seed=seed_of(kind, seed))


def _judged(made: Generator, ladders: Array, levels: Array, price: Array, held: Bools, params: Params) -> dict[tuple[str, str], float]:
    """Mean energy score of the held-out days by (method, marginals), over that of the Gaussian copula with kept marginals."""
    days = np.flatnonzero(held & np.isfinite(price).all(axis=1) & np.isfinite(ladders).all(axis=(1, 2)))
    days = days[np.linspace(0, days.size - 1, min(params.judged_days, days.size)).astype(np.int64)] if days.size else days
    total: dict[tuple[str, str], float] = {(m, k): 0.0 for m in made.methods for k in (KEPT, FREE)}
    for i in days:
        scored = {}
        for method, kept in total:
            u = made.levels(
                int(made.training.hub[i]), made.training.condition[i], seed=seed_of("judge", int(made.training.date[i])),
                count=100, method=method, marginals=kept, sample_steps=params.sample_steps, training=~held,
            )  # fmt: skip
            scored[method, kept] = energy_score(made.tails.prices(ladders[i], levels, u, 0.0), price[i])
        for pair, value in scored.items():
            total[pair] += value / max(scored[GAUSSIAN, KEPT], 1e-9) / days.size
    return total if days.size else {}


__all__ = ["FREE", "KEPT", "Generator", "Training", "fit_generator"]
