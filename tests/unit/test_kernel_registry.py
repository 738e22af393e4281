"""The registry finds models by their files, stays light, merges profiles, and says what is missing."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from models._kernel import registry
from models._kernel.spec import Decision, Kind, ModelSpec
from models._kernel.yardstick import Baseline, DataSetSpec, Direction, MetricTarget, Yardstick
from pipeline_tasks.contracts.columns import number
from pipeline_tasks.contracts.curated import companion_table
from pipeline_tasks.contracts.features import DAY_AHEAD

REPO = Path(__file__).resolve().parents[2]
HEAVY = "lightgbm sklearn scipy statsmodels mlflow airflow optuna pandas great_expectations clickhouse_connect dbt"


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A registry over an empty models root, with a helper that writes files of a model."""
    monkeypatch.setattr(registry, "MODELS_ROOT", tmp_path / "models")
    monkeypatch.setattr(registry, "PARAMS_ROOT", tmp_path / "config")
    registry.model_names.cache_clear()
    yield tmp_path
    registry.model_names.cache_clear()


def _file(root, path, text=""):
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)


def test_folders_with_a_spec_are_models(root):
    for folder in ("alpha", "beta", "_hidden"):
        _file(root, f"models/{folder}/spec.py")
    _file(root, "models/no_spec/model.py")
    assert registry.model_names() == ("alpha", "beta")


def test_specs_are_light():
    code = (
        "import sys; from models._kernel import registry; registry.specs();"
        f"print(sorted(set({HEAVY.split()!r}) & {{m.split('.')[0] for m in sys.modules}}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_registered_spec_names_its_folder():
    for name in registry.model_names():
        assert registry.spec_of(name).name == name


def test_profiles_are_laid_over_common(root):
    _file(root, "models/alpha/spec.py")
    _file(root, "config/alpha.yaml", "common: {a: 1, nested: {x: 1, y: 2}}\ndemo: {nested: {y: 3}}\nfull: {a: 5}\n")
    assert registry.params_of("alpha", "demo") == {"a": 1, "nested": {"x": 1, "y": 3}}
    assert registry.params_of("alpha", "full") == {"a": 5, "nested": {"x": 1, "y": 2}}
    assert registry.params_of("alpha", "test") == registry.params_of("alpha", "demo")


@pytest.mark.parametrize(
    ("text", "profile", "words"),
    [
        (None, "demo", r"alpha\.yaml is missing"),
        ("common: {}\nproduction: {}\n", "demo", r"unknown part\(s\) \['production'\]"),
        ("demo: 3\n", "demo", "make it a mapping"),
        ("demo: {}\n", "huge", "profile 'huge' is not known"),
    ],
)
def test_bad_parameter_files_are_said(root, text, profile, words):
    _file(root, "models/alpha/spec.py")
    if text is not None:
        _file(root, "config/alpha.yaml", text)
    with pytest.raises(registry.RegistryError, match=words):
        registry.params_of("alpha", profile)


def test_unknown_models_and_missing_parts_are_said(root):
    _file(root, "models/alpha/spec.py")
    with pytest.raises(registry.RegistryError, match=r"model 'beta' is not known; known: alpha; `desk new-model beta`"):
        registry.spec_of("beta")
    with pytest.raises(registry.RegistryError, match=r"models/alpha/model\.py is missing"):
        registry.model_class("alpha")
    assert registry.report_hook("alpha") is None


class _Module:
    """A stand-in for an imported part of a model."""

    def __init__(self, **attributes):
        self.__dict__.update(attributes)


def _spec(name: str = "alpha", **changes) -> ModelSpec:
    fields = {
        "name": name,
        "label": "Alpha",
        "kind": Kind.DISTRIBUTION,
        "inputs": DAY_AHEAD,
        "required": ("hub",),
        "output": (number("point", "Point."), number("low", "Low."), number("high", "High.")),
        "point_column": "point",
        "description": "For tests.",
        "owner": "nobody",
        "yardstick": "F6",
        "quantile_columns": {0.1: "low", 0.9: "high"},
    }
    return ModelSpec(**(fields | changes))


@pytest.mark.parametrize(
    ("part", "module", "call", "words"),
    [
        ("spec", _Module(), registry.spec_of, "defines no SPEC"),
        ("spec", _Module(SPEC=3), registry.spec_of, "make it a ModelSpec"),
        ("spec", _Module(SPEC=_spec("other")), registry.spec_of, "must be the folder's name 'alpha'"),
        ("model", _Module(MODEL=object), registry.model_class, "follows the Model protocol"),
        ("yardstick", _Module(), registry.yardstick_of, "defines no YARDSTICK"),
    ],
)
def test_parts_that_do_not_fit_are_said(root, monkeypatch, part, module, call, words):
    for name in ("spec", part):
        _file(root, f"models/alpha/{name}.py")
    monkeypatch.setattr(importlib, "import_module", lambda name: module)
    with pytest.raises(registry.RegistryError, match=words):
        call("alpha")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"point_column": "middle"}, "not in output"),
        ({"threshold_column": "limit"}, "not in output"),
        ({"required": ("moon_phase",)}, "moon_phase"),
        ({"quantile_columns": {0.9: "high", 0.1: "low"}}, "rise strictly"),
        ({"quantile_columns": {0.0: "low"}}, "rise strictly"),
        ({"companions": (DAY_AHEAD,)}, "must be a curated table of its own name"),
        ({"companions": (companion_table("alpha", (), "Same name.", key=()),)}, "must be a curated table of its own name"),
        ({"companions": (companion_table("beta", (), "Paths.", key=()),), "horizons_min": (15,)}, "once a day, at the gate"),
    ],
)
def test_specs_that_contradict_themselves_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        _spec(**changes)


def test_a_spec_makes_its_curated_table():
    spec = _spec()
    assert spec.levels == (0.1, 0.9)
    assert spec.curated.full_name == "curated.alpha"
    assert spec.curated.column_names[-3:] == ("point", "low", "high")


def _yardstick(**changes) -> Yardstick:
    fields = {
        "system": "alpha",
        "identifier": "F6",
        "claim": "Better.",
        "data_sets": (DataSetSpec("epf_de"),),
        "baselines": (Baseline("naive_week", "Week ago."),),
        "metrics": (MetricTarget("mae", Direction.AT_MOST, target=2.0, targets=(("epf_de", 3.0),), baseline="naive_week"),),
        "gate_metric": "mae",
        "gate_baseline": "naive_week",
    }
    return Yardstick(**(fields | changes))


def test_targets_by_data_set_and_direction():
    target = _yardstick().metrics[0]
    assert target.met(2.9, "epf_de")
    assert not target.met(2.9, "epf_np")
    assert MetricTarget("pr_auc", Direction.AT_LEAST, target=0.5).met(0.6, "x")
    assert not MetricTarget("pr_auc", Direction.AT_LEAST, target=0.5).met(0.4, "x")
    assert MetricTarget("mae", Direction.REPORT).met(9.0, "x")
    within = MetricTarget("coverage_90", Direction.WITHIN, target=0.9, band=(0.88, 0.92))
    assert [within.met(v, "x") for v in (0.87, 0.9, 0.93)] == [False, True, False]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"gate_baseline": "unknown"}, "are not declared"),
        ({"data_sets": (DataSetSpec("a"), DataSetSpec("a"))}, "declared twice"),
    ],
)
def test_yardsticks_that_contradict_themselves_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        _yardstick(**changes)
    with pytest.raises(KeyError, match="no data set 'b'"):
        _yardstick().data_set("b")


@pytest.mark.parametrize("changes", [{"test_days": 0}, {"refit_days": 0}, {"embargo_days": -1}, {"train_days": 0}])
def test_windows_that_cannot_be_walked_are_refused(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        DataSetSpec("epf_de", **changes)


def test_assets_that_a_model_names_come_with_its_parameters(root, monkeypatch):
    monkeypatch.setattr(registry, "ASSETS_ROOT", root / "assets")
    _file(root, "models/alpha/spec.py")
    _file(root, "config/alpha.yaml", "assets: [battery]\ncommon: {a: 1}\n")
    with pytest.raises(registry.RegistryError, match=r"config/assets/battery\.yaml is missing; config/models/alpha\.yaml names it"):
        registry.params_of("alpha", "demo")
    _file(root, "assets/battery.yaml", "power_mw: 1\n")
    assert registry.params_of("alpha", "demo") == {"a": 1, "assets": {"battery": {"power_mw": 1}}}


def test_a_decision_belongs_to_decision_models_alone():
    with pytest.raises(ValueError, match="a decision model, and no other, has one"):
        _spec(decision=Decision("imbalance", "point", "MW"))
    with pytest.raises(ValueError, match="a decision model, and no other, has one"):
        _spec(kind=Kind.DECISION)
