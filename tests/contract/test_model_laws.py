"""Every registered model obeys the laws of the kernel; each law is broken by a fake made to break it."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import polars as pl
import pytest

from models._kernel import artifacts, frames, laws, registry
from models._kernel.protocol import Contributions, Features, Prediction
from models._template.model import TemplateModel
from pipeline_tasks.contracts.columns import number
from pipeline_tasks.contracts.curated import companion_table

PRICE = "price_ccy_per_mwh"
POINT = TemplateModel.spec.point_column


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """Small matrices on many threads spend their time waiting for each other; a busy machine makes that minutes."""
    import lightgbm  # noqa: F401 - loaded first, so that its threads are limited too
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        yield


@lru_cache(maxsize=4)
def _subject(name: str) -> laws.Subject:
    if name == "_template":
        return laws.Subject(TemplateModel, {})
    return laws.Subject(registry.model_class(name), registry.params_of(name, "test"))


@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("name", [*registry.model_names(), "_template"])
def test_law(name, law):
    law(_subject(name))


@pytest.mark.parametrize("name", registry.model_names())
def test_registered_model_is_complete(name):
    spec = registry.spec_of(name)
    assert registry.model_class(name).spec == spec
    yardstick = registry.yardstick_of(name)
    assert yardstick.system == name
    assert yardstick.data_sets
    for profile in registry.PROFILES:
        registry.model_class(name)(registry.params_of(name, profile))
    card = registry.MODELS_ROOT / name / "README.md"
    assert card.is_file(), f"models/{name}/README.md (model card) is missing"


def _edited(prediction, **columns):
    return Prediction(prediction.frame.with_columns(**columns))


class ForgetsSeed(TemplateModel):
    fits = 0

    def fit(self, data, *, cutoff, seed):
        super().fit(data, cutoff=cutoff, seed=seed)
        type(self).fits += 1
        self._fallback = self._fallback + type(self).fits
        return self


class UsesGlobalState(TemplateModel):
    def fit(self, data, *, cutoff, seed):
        np.random.rand(3)  # noqa: NPY002 - what the law forbids
        return super().fit(data, cutoff=cutoff, seed=seed)


class EditsInput(TemplateModel):
    def fit(self, data, *, cutoff, seed):
        position = data.history.get_column_index(PRICE)
        data.history.replace_column(position, data.history[PRICE] * 2)
        return super().fit(data, cutoff=cutoff, seed=seed)


class TrustsOrder(TemplateModel):
    def fit(self, data, *, cutoff, seed):
        super().fit(data, cutoff=cutoff, seed=seed)
        self._fallback = self._fallback + data.history[PRICE][0]
        return self


class PeeksInFit(TemplateModel):
    def fit(self, data, *, cutoff, seed):
        super().fit(data, cutoff=cutoff, seed=seed)
        self._fallback = self._fallback + float(data.history[PRICE].mean())
        return self


class PeeksInPredict(TemplateModel):
    """Uses what is known at the call's as_of for rows that were decided earlier."""

    def predict(self, data, *, as_of):
        known = data.known_at(as_of)[PRICE].mean()
        return _edited(super().predict(data, as_of=as_of), **{POINT: pl.col(POINT) + known})


class LooksAtNeighbours(TemplateModel):
    def predict(self, data, *, as_of):
        return _edited(super().predict(data, as_of=as_of), **{POINT: pl.col(POINT) - pl.col(POINT).mean()})


class CountsAtTheCall(TemplateModel):
    """Takes in how many outcomes are known when it is called, not when the row was decided."""

    def predict(self, data, *, as_of):
        known = data.history.filter(pl.col("price_known_ts") <= as_of).height
        return _edited(super().predict(data, as_of=as_of), **{POINT: pl.col(POINT) + known})


class LosesState(TemplateModel):
    @classmethod
    def load(cls, directory):
        model = super().load(directory)
        model._errors = np.zeros_like(model._errors)
        return model


class AnswersInfinity(TemplateModel):
    def predict(self, data, *, as_of):
        return _edited(super().predict(data, as_of=as_of), **{POINT: pl.lit(float("inf"))})


class CrossesQuantiles(TemplateModel):
    def predict(self, data, *, as_of):
        low, high = TemplateModel.spec.quantile_columns[0.05], TemplateModel.spec.quantile_columns[0.95]
        return _edited(super().predict(data, as_of=as_of), **{low: pl.col(high), high: pl.col(low)})


class TrustsBytes(TemplateModel):
    @classmethod
    def load(cls, directory):
        return cls(artifacts.load_json(directory, "params"))


class HasTwentyFourHours(TemplateModel):
    def predict(self, data, *, as_of):
        once = data.target.unique(["hub", "delivery_date", "local_hour"], maintain_order=True)
        return super().predict(Features(data.history, once), as_of=as_of)


class HidesGaps(TemplateModel):
    def predict(self, data, *, as_of):
        return _edited(super().predict(data, as_of=as_of), status=pl.lit("OK"), status_reason=pl.lit(""))


class FailsOnGaps(TemplateModel):
    def predict(self, data, *, as_of):
        if data.target["price_lag_1d_ccy_per_mwh"].null_count() > data.target.height / 2:
            raise RuntimeError("no lag")
        return super().predict(data, as_of=as_of)


class ChecksNothing(TemplateModel):
    def fit(self, data, *, cutoff, seed):
        data.history.select("market", "local_hour")
        return super().fit(data, cutoff=cutoff, seed=seed)


class InventsRow(TemplateModel):
    def predict(self, data, *, as_of):
        target = data.history.head(1) if data.target.is_empty() else data.target
        return super().predict(Features(data.history, target), as_of=as_of)


class WorseThanNaive(TemplateModel):
    def predict(self, data, *, as_of):
        return _edited(super().predict(data, as_of=as_of), **{POINT: pl.col(POINT) + 50})


class ExplainsAnother(TemplateModel):
    def explain(self, data):
        told = super().explain(data)
        return Contributions(told.frame.with_columns(pl.col("contribution") + 1), told.output)


TOLD = companion_table("template_day_means", (number("mean_ccy_per_mwh", "Mean."),), "Means.", key=())


class TellsOfNeighbours(TemplateModel):
    """Its companion table depends on what else is asked."""

    spec = replace(TemplateModel.spec, companions=(TOLD,))

    def companions(self, data, *, as_of):
        target = frames.in_key_order(data.target)
        return {TOLD.name: frames.companion(TOLD, target.with_columns(mean_ccy_per_mwh=pl.col("price_lag_7d_ccy_per_mwh").mean()))}


class TellsNothing(TellsOfNeighbours):
    companions = None


BROKEN = {
    laws.same_seed_same_bytes: (ForgetsSeed, UsesGlobalState),
    laws.inputs_not_mutated: (EditsInput,),
    laws.row_order_irrelevant: (TrustsOrder,),
    laws.future_cannot_teach: (PeeksInFit,),
    laws.future_cannot_answer: (PeeksInPredict,),
    laws.chunks_equal_whole: (LooksAtNeighbours,),
    laws.block_equals_single_decisions: (CountsAtTheCall,),
    laws.round_trip: (LosesState,),
    laws.one_bit_is_refused: (TrustsBytes,),
    laws.answer_follows_contract: (AnswersInfinity,),
    laws.quantiles_sorted: (CrossesQuantiles,),
    laws.clock_changes: (HasTwentyFourHours,),
    laws.missing_optional_degrades: (HidesGaps, FailsOnGaps),
    laws.missing_required_is_said: (ChecksNothing,),
    laws.empty_in_empty_out: (InventsRow,),
    laws.beats_naive: (WorseThanNaive,),
    laws.contributions_add_up: (ExplainsAnother,),
    laws.companions_are_pure: (TellsOfNeighbours, TellsNothing),
}


def test_every_law_has_a_model_that_breaks_it():
    assert set(BROKEN) == set(laws.LAWS)


@pytest.mark.parametrize(("law", "fake"), [(law, fake) for law, fakes in BROKEN.items() for fake in fakes], ids=lambda x: x.__name__)
def test_law_catches_its_breaker(law, fake):
    with pytest.raises((laws.LawBrokenError, RuntimeError)):
        law(laws.Subject(fake, {}))


def test_unsealed_save_is_refused(tmp_path):
    class LeavesUnsealed(TemplateModel):
        def save(self, directory):
            artifacts.save_json(directory, "params", {"window_days": 90})

    with pytest.raises(artifacts.ArtifactError, match=r"manifest\.json is missing"):
        laws.artifact_of(LeavesUnsealed({}))


def test_answer_refuses_undeclared_outputs():
    target = frames.in_key_order(laws.golden_sample().target.head(2))
    with pytest.raises(ValueError, match="differ from those declared"):
        frames.answer(TemplateModel.spec, target, {"surprise": [1.0, 2.0]}, ["", ""])
