"""A synthetic law of day vectors that is known, and with it the lowest reachable energy score: that of paths drawn from the law.

Calm days are an autoregression over the hours; a stormy day, the likelier the higher the condition, has twice the spread and an evening
jump of exponential size. Marginal forecasts are the law's own, unconditional ones: what is left to a generator is the condition and the
dependence, nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models._kernel.registry import params_of
from models._kernel.scenarios import GAUSSIAN, SCHAAKE, Past, energy_score, joint_levels
from pipeline_tasks.scorecard.scenario_draws import PUBLISHED

Array = npt.NDArray[np.float64]
TRAIN, TEST, COUNT, LARGE = 730, 365, 200, 20_000
LEVEL, SCALE, PHI = 50.0, 10.0, 0.85
FLOOR = "true_law"


@dataclass(frozen=True, slots=True)
class Law:
    """The law."""

    hours: int = 24

    def drawn(self, rng: np.random.Generator, condition: Array) -> Array:
        """A day per condition, currency/MWh, shape (n, hours)."""
        n = condition.size
        noise = rng.standard_normal((n, self.hours))
        path = np.empty_like(noise)
        path[:, 0] = noise[:, 0]
        for hour in range(1, self.hours):
            path[:, hour] = PHI * path[:, hour - 1] + np.sqrt(1 - PHI**2) * noise[:, hour]
        stormy = rng.random(n) < 1 / (1 + np.exp(-(2 * condition - 1.5)))
        bump = np.exp(-0.5 * ((np.arange(self.hours) - 19) / 1.5) ** 2)
        jump = rng.exponential(4.0, n)
        return np.asarray(LEVEL + SCALE * np.where(stormy[:, None], 2 * path + jump[:, None] * bump, path))


def law_scores(seed: int) -> dict[str, Array]:
    """Energy scores of test days by method: the law itself, the copulas, and every generator, all on the law's own marginals."""
    from models.scenario_gen.conditions import CONDITIONS
    from models.scenario_gen.days import scores
    from models.scenario_gen.generator import Training, fit_generator
    from models.scenario_gen.params import Params
    from models.scenario_gen.spec import LEVELS
    from models.scenario_gen.tailed import Tails

    law, rng, levels = Law(), np.random.default_rng(seed), np.asarray(LEVELS)
    params = Params.of(params_of("scenario_gen", "full"))
    ladder = np.quantile(law.drawn(rng, rng.standard_normal(LARGE)), levels, axis=0).T
    told = rng.standard_normal(TRAIN + TEST)
    price = law.drawn(rng, told)
    whole = np.repeat(ladder[None], TRAIN, axis=0)
    flat = whole.reshape(-1, levels.size)
    score = scores(flat, levels, price[:TRAIN].ravel()).reshape(TRAIN, -1)
    condition = np.full((TRAIN + TEST, len(CONDITIONS)), np.nan)
    condition[:, 0] = told
    training = Training(np.zeros(TRAIN, dtype=np.int64), np.arange(TRAIN), score, condition[:TRAIN])
    tails = Tails.of(flat, levels, price[:TRAIN].ravel())
    made = fit_generator(training, whole, levels, price[:TRAIN], tails, params, seed=seed)
    past, found = Past(np.arange(TRAIN), score), dict[str, list[float]]()
    for day in range(TRAIN, TRAIN + TEST):
        u = {m: joint_levels(m, past, day, COUNT, shared_seed=day, own_seed=day + 1) for m in (SCHAAKE, GAUSSIAN)}
        for method in made.methods:
            for marginals in ("kept", "free"):
                u[f"{method}_{marginals}"] = made.levels(
                    0, condition[day], seed=day, count=COUNT, method=method, marginals=marginals, sample_steps=params.sample_steps
                )
        paths = {method: tails.prices(ladder, levels, v, 0.0) for method, v in u.items()}
        paths |= {
            PUBLISHED: paths[f"{made.method}_{made.marginals}"],
            FLOOR: law.drawn(np.random.default_rng([seed, day]), told[[day] * COUNT]),
        }
        for method, values in paths.items():
            found.setdefault(method, []).append(energy_score(values, price[day]))
    return {method: np.asarray(values) for method, values in found.items()}
