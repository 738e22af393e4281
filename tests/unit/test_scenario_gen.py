"""Scenario factory: exact nesting of the Gaussian copula, inverse flow, tails and their dial, conditions, seeds, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest

from models._kernel import laws, registry
from models._kernel.protocol import Features
from models._kernel.scenarios import quantile_at
from models.scenario_gen import diffusion, flow, report
from models.scenario_gen.conditions import CONDITIONS, Standard, overlaid
from models.scenario_gen.days import HOURS, Days, days_of, recent
from models.scenario_gen.generator import Generator, Training
from models.scenario_gen.latent import Latent, hub_root, shared_noise
from models.scenario_gen.learning import Sample, learn
from models.scenario_gen.params import Params
from models.scenario_gen.tailed import Tails

LEVELS = np.array([0.01, 0.1, 0.5, 0.9, 0.99])


def _noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def test_untrained_networks_draw_the_gaussian_copula():
    noise, given = _noise(50, 24), _noise(50, 3, seed=1)
    rng = np.random.default_rng(2)
    first = diffusion.first_weights(rng, size=24, conditions=3, width=8)
    np.testing.assert_allclose(diffusion.sampled(first, noise, given, 5), noise, atol=1e-12)
    first = flow.first_weights(rng, size=24, conditions=3, width=8, layers=3)
    np.testing.assert_array_equal(flow.sampled(first, noise, given), noise)


@pytest.mark.parametrize("size", [24, 5])
def test_flow_is_inverted_and_its_volume_is_the_jacobian(size):
    rng = np.random.default_rng(0)
    weights = flow.first_weights(rng, size=size, conditions=2, width=6, layers=3)
    weights = {k: v + 0.3 * rng.standard_normal(v.shape) for k, v in weights.items()}
    noise, given = _noise(4, size), _noise(4, 2, seed=3)
    made = flow.sampled(weights, noise, given)
    back, volume = flow.to_noise(np, weights, made, given)
    np.testing.assert_allclose(back, noise, atol=1e-10)
    step = 1e-6
    jacobian = np.array([(flow.to_noise(np, weights, made + step * e, given)[0] - back) / step for e in np.eye(size)])
    for row in range(4):
        assert np.linalg.slogdet(jacobian[:, row])[1] == pytest.approx(float(volume[row]), abs=1e-3)


def test_diffusion_reaches_another_gaussian():
    """For data of variance v the exact answer of the network is known; fed with it, the sampler must return that variance."""
    v, noise = 0.25, _noise(4000, 1)

    class Exact(dict):
        pass

    def exact(xp, weights, noisy, sigma, given):
        del xp, weights, given
        return (v * noisy / (v + sigma**2) - noisy / (1 + sigma**2)) * np.sqrt(1 + sigma**2) / sigma

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diffusion, "corrections", exact)
        made = diffusion.sampled(Exact(), noise, np.zeros((4000, 0)), 40)
    assert float(made.std()) == pytest.approx(np.sqrt(v), rel=0.03)


def test_learning_finds_a_conditional_shift_and_stops_where_there_is_none():
    given = _noise(600, 1)
    held = np.arange(600) % 5 == 0
    shifted = Sample(1.5 * given + 0.5 * _noise(600, 4, seed=5), given, held)
    first = flow.first_weights(np.random.default_rng(1), size=4, conditions=1, width=16, layers=2)
    told = learn("flow", first, shifted, steps=400, batch=64, rate=5e-3, decay=1e-4, seed=3)
    assert told.loss < 0.6 * told.gaussian_loss
    drawn = flow.sampled(told.weights, np.zeros((2, 4)), np.array([[-1.0], [1.0]]))
    assert drawn[1].mean() - drawn[0].mean() > 2
    plain = Sample(_noise(600, 4, seed=7), given, held)
    told = learn("flow", first, plain, steps=400, batch=64, rate=5e-3, decay=1e-4, seed=3)
    assert told.loss <= told.gaussian_loss


def test_latent_vectors_are_white_and_come_back():
    score = _noise(500, 24) @ _noise(24, 24, seed=1) + 3
    latent = Latent.of(score)
    x = latent.encode(score)
    np.testing.assert_allclose(np.cov(x, rowvar=False), np.eye(24), atol=1e-8)
    np.testing.assert_allclose(latent.decode(x), score, atol=1e-9)


def test_hubs_move_together_as_their_days_did():
    common, own = _noise(400, 24), _noise(400, 24, seed=1)
    latent = np.concatenate((common, 0.8 * common + 0.6 * own))
    root = hub_root(latent, np.repeat([0, 1], 400), np.tile(np.arange(400), 2), 2)
    noise = shared_noise(root, 4000, 24, 3)
    found = np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]
    assert found == pytest.approx(0.8 * 400 / 460, abs=0.03)


def test_tails_continue_the_ladder_and_the_dial_fattens_them():
    ladder = np.array([[0.0, 10.0, 20.0, 30.0, 60.0]])
    u = np.array([[1e-4], [0.5], [0.9999]])
    plain = Tails().prices(ladder, LEVELS, u, 0.0)
    np.testing.assert_allclose(plain, quantile_at(ladder, LEVELS, u), rtol=1e-9)
    fat = Tails().prices(ladder, LEVELS, u, 0.4)
    assert fat[0, 0] < plain[0, 0]
    assert fat[1, 0] == plain[1, 0]
    assert fat[2, 0] > plain[2, 0]
    inside = np.linspace(0.02, 0.98, 9)[:, None]
    np.testing.assert_array_equal(Tails().prices(ladder, LEVELS, inside, 0.4), Tails().prices(ladder, LEVELS, inside, 0.0))


def test_tails_are_fitted_to_the_excesses():
    n = 40_000
    ladder = np.repeat(quantile_at(np.array([[0.0, 1.0, 2.0, 3.0, 5.0]]), LEVELS, LEVELS[:, None]).T, n, axis=0)
    u = np.random.default_rng(0).uniform(size=(n, 1))
    price = Tails((1.0, 2.0), (0.0, 0.3)).prices(ladder[:1], LEVELS, u, 0.0)[:, 0]
    fitted = Tails.of(ladder, LEVELS, price)
    assert fitted.shape[1] == pytest.approx(0.3, abs=0.15)
    assert fitted.scale[1] == pytest.approx(2.0, rel=0.25)
    assert fitted.shape[0] < 0.15


def test_recent_errors_are_those_known_at_the_decision():
    days = Days(np.arange(10), np.arange(10) * 100, np.arange(10) * 100 + 150, np.arange(10.0)[:, None] * np.ones((1, HOURS)))
    bias, log_scale = recent(days, 9, 850, window=2)
    assert bias == pytest.approx(6.5)  # days 6 and 7: day 8 becomes known at 950
    assert log_scale == pytest.approx(0.5 * np.log((36 + 49) / 2 + 0.01))
    assert np.isnan(recent(days, 0, 0)).all()


def test_a_day_of_which_a_price_is_unknown_is_never_known():
    rows = pl.DataFrame(
        {
            "market": ["m"] * 24, "hub": ["h"] * 24, "product": ["da"] * 24, "delivery_date": [date(2024, 1, 1)] * 24,
            "local_hour": list(range(24)), "as_of": [date(2023, 12, 31)] * 24, "price_known_ts": [date(2024, 1, 1)] * 24,
        }
    ).with_columns(pl.col("as_of", "price_known_ts").cast(pl.Datetime("ms", "UTC")))  # fmt: skip
    score = np.zeros(24)
    score[3] = np.nan
    days = days_of(rows, score)["m", "h", "da"]
    assert days.count == 1
    assert days.score[0, 3] == 0.0
    assert recent(days, 10**6, 2**60) != recent(days_of(rows, np.zeros(24))["m", "h", "da"], 10**6, 2**60)


def _generator(score, condition, **more):
    n = len(score)
    training = Training(np.zeros(n, dtype=np.int64), np.arange(n), score, condition)
    return Generator(training, Standard.of(condition), Latent.of(score), np.eye(1), {}, Tails(), "analogues", "free", {}, **more)


def test_analogues_come_from_days_like_the_one_asked_for():
    condition = np.zeros((400, len(CONDITIONS)))
    condition[:200, 0] = 1.0
    score = np.where(condition[:, :1] > 0, 1.0, -1.0) + 0.05 * _noise(400, 24)
    made = _generator(score, condition)
    asked = overlaid(np.zeros(len(CONDITIONS)), {CONDITIONS[0]: 1.0})
    told = {"seed": 1, "count": 200, "method": "analogues", "marginals": "free", "sample_steps": 4}
    assert made.levels(0, asked, **told).mean() > 0.75
    assert made.levels(0, np.zeros(len(CONDITIONS)), **told).mean() < 0.25


def test_kept_marginals_are_the_forecasts_own():
    made = _generator(_noise(200, 24) + 1.5, np.zeros((200, len(CONDITIONS))))
    told = {"seed": 1, "count": 50, "method": "gaussian", "sample_steps": 4}
    kept = made.levels(0, np.zeros(len(CONDITIONS)), marginals="kept", **told)
    np.testing.assert_allclose(np.sort(kept, axis=0), np.tile(((np.arange(50) + 0.5) / 50)[:, None], 24))
    assert made.levels(0, np.zeros(len(CONDITIONS)), marginals="free", **told).mean() > 0.8


@pytest.fixture(scope="module")
def fitted():
    subject = laws.Subject(registry.model_class("scenario_gen"), registry.params_of("scenario_gen", "test"))
    model, sample = subject.fitted, subject.sample
    day = sample.first_target
    return model, Features(sample.rows, sample.target.filter(pl.col("delivery_date") == day))


def test_paths_are_a_pure_function_of_conditions_seed_and_dial(fitted):
    model, data = fitted
    asked = {"conditions": {"stressed_probability": 1.0}, "seed": 5, "tail_dial": 0.2, "count": 12}
    made = model.paths(data, **asked)
    assert made.values.shape == (12, 24, 2)
    assert [hub[1] for hub in made.hubs] == ["HUB_A", "HUB_B"]
    np.testing.assert_array_equal(model.paths(data, **asked).values, made.values)
    for other in ({"seed": 6}, {"tail_dial": 1.0, "count": 400}):
        assert not np.array_equal(model.paths(data, **(asked | other)).values[:12], made.values)


def test_conditions_and_dial_move_paths_whatever_marginals_were_chosen(fitted):
    model, data = fitted
    kept = type(model)(registry.params_of("scenario_gen", "test"))
    kept._fitted, kept._cutoff = (
        replace(model._fitted, generator=replace(model.generator, marginals="kept", method="analogues")),
        model._cutoff,
    )
    plain = kept.paths(data, seed=3, count=400).values
    assert abs(kept.paths(data, seed=3, count=400, conditions={"stressed_probability": 1.0}).values.mean() - plain.mean()) > 0.01
    dialled = [kept.paths(data, seed=3, count=400, tail_dial=dial).values for dial in (0.01, 0.6)]
    assert dialled[1].max() > dialled[0].max()
    sets = (
        kept.companions(data, as_of=data.target["as_of"].max())["scenario_bank"].group_by("scenario_set").agg(pl.col("marginals").first())
    )
    assert dict(sets.iter_rows()) == {"base": "kept", "stressed": "free", "low_renewables": "free", "fat_tails": "free"}


def test_what_cannot_be_drawn_is_refused_with_its_name(fitted):
    model, data = fitted
    with pytest.raises(ValueError, match=r"no_such.*renewables_share"):
        model.paths(data, conditions={"no_such": 1.0})
    with pytest.raises(ValueError, match="tail_dial is 3"):
        model.paths(data, tail_dial=3.0)
    with pytest.raises(ValueError, match="one at a time"):
        model.paths(Features(data.history, data.target.clear()))
    with pytest.raises(ValueError, match="not fitted"):
        model.draw(model.hub_days(data)[0], seed=1, count=4, method="nonsense")


def test_an_unknown_condition_degrades_and_still_draws(fitted):
    model, data = fitted
    bare = data.target.with_columns(pl.lit(None, pl.Float64).alias("load_forecast_mw"))
    told = model.predict(Features(data.history, bare), as_of=bare["as_of"].max()).frame
    assert told["status"].unique().to_list() == ["DEGRADED"]
    assert "renewables_share" in told["status_reason"][0]
    assert np.isfinite(model.paths(Features(data.history, bare)).values).all()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"steps": -1}, "steps is -1"),
        ({"generator": "copula"}, "generator is 'copula'"),
        ({"learned": ["flow"], "generator": "diffusion"}, "must be learned"),
        ({"sets": [{"name": "a"}, {"name": "a"}]}, "name of its own"),
        ({"sets": [{"name": "a", "tail_dial": 2}]}, "tail_dial of set a is 2"),
        ({"sets": [{"conditions": {}}]}, "no name"),
        ({"nonsense": 1}, "unknown parameter"),
    ],
)
def test_settings_that_cannot_be_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Params.of(values)


def test_bank_tells_conditions_set_and_seed(fitted):
    model, data = fitted
    bank = model.companions(data, as_of=data.target["as_of"].max())["scenario_bank"]
    sets = {s.name for s in model.params.sets}
    assert set(bank["scenario_set"]) == sets
    assert bank.height == len(sets) * model.params.paths * 24 * 2
    stressed = bank.filter(pl.col("scenario_set") == "stressed")
    assert stressed["stressed_probability"].unique().to_list() == [1.0]
    seeds = bank.group_by("scenario_set").agg(pl.col("seed").unique())
    assert seeds["seed"].list.len().to_list() == [1] * len(sets)
    assert replace(model.params.sets[0]).name == "base"


def test_page_shows_paths_and_sets(fitted):
    model, data = fitted
    told = model.companions(data, as_of=data.target["as_of"].max())
    outcomes = data.target.select("hub", "product", "delivery_ts", "price_ccy_per_mwh")
    sections = report.sections(data.target, outcomes, told)
    assert [s["title"] for s in sections] == ["Paths of the day", "Sets"]
    assert {row["scenario_set"] for row in sections[1]["rows"]} == {s.name for s in model.params.sets}
    assert all(row["paths"] == model.params.paths for row in sections[1]["rows"])
    assert report.sections(data.target, outcomes, {}) == []
