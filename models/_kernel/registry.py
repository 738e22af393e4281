"""Registry: models are found, not listed. A folder of `models/` with a `spec.py` that does not start with `_` is a model."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

import yaml

import models
from models._kernel.spec import ModelSpec

if TYPE_CHECKING:
    from models._kernel.protocol import Model
    from models._kernel.yardstick import Yardstick

NAME_PATTERN = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
PROFILES = ("demo", "full", "test")
MODELS_ROOT = Path(str(models.__file__)).resolve().parent
PARAMS_ROOT = MODELS_ROOT.parent / "config" / "models"
ASSETS_ROOT = PARAMS_ROOT.parent / "assets"


class RegistryError(LookupError):
    """A model, or a part of it that the pipeline asked for, is not there; the message says what to add."""


@lru_cache(maxsize=1)
def model_names() -> tuple[str, ...]:
    """Names of all models, sorted; looks at file names only, imports nothing."""
    return tuple(sorted(p.parent.name for p in MODELS_ROOT.glob("*/spec.py") if not p.parent.name.startswith("_")))


def spec_of(name: str) -> ModelSpec:
    """The `SPEC` of models/<name>/spec.py. Light: contracts only, no model library is imported.

    Raises:
        RegistryError: no such model, no `SPEC` in it, or a spec under another name than its folder's.
    """
    spec = _attribute(name, "spec", "SPEC")
    if not isinstance(spec, ModelSpec):
        raise RegistryError(f"models/{name}/spec.py: SPEC is a {type(spec).__name__}; make it a ModelSpec")
    if spec.name != name:
        raise RegistryError(f"models/{name}/spec.py: SPEC.name is {spec.name!r}; it must be the folder's name {name!r}")
    return spec


def specs() -> tuple[ModelSpec, ...]:
    """Specs of all models, in name order."""
    return tuple(spec_of(name) for name in model_names())


def model_class(name: str) -> type[Model]:
    """The class that models/<name>/model.py offers as `MODEL`; imports the model's libraries.

    Raises:
        RegistryError: no such model, no `MODEL`, or a class that lacks a method of the protocol.
    """
    cls = _attribute(name, "model", "MODEL")
    lacking = [m for m in ("spec", "fit", "predict", "save", "load", "explain") if not hasattr(cls, m)]
    if not isinstance(cls, type) or lacking:
        raise RegistryError(
            f"models/{name}/model.py: MODEL must be a class that follows the Model protocol; it lacks {lacking or 'being a class'}"
        )
    return cast("type[Model]", cls)


def yardstick_of(name: str) -> Yardstick:
    """The `YARDSTICK` of models/<name>/yardstick.py.

    Raises:
        RegistryError: no such model or no `YARDSTICK` in it.
    """
    return cast("Yardstick", _attribute(name, "yardstick", "YARDSTICK"))


def report_hook(name: str) -> ModuleType | None:
    """Module models/<name>/report.py, or None where the model is content with the standard page."""
    _require(name)
    return _module(name, "report") if (MODELS_ROOT / name / "report.py").is_file() else None


def params_of(name: str, profile: str = "full") -> dict[str, Any]:
    """Parameters of config/models/<name>.yaml: `common`, then the profile's own merged key by key, and the `assets` it names.

    Args:
        name: model.
        profile: `demo`, `full` or `test`; `test` falls back to `demo` where the file has no such part.

    Raises:
        RegistryError: no such model, no file, an unknown part, or a part that is not a mapping.
    """
    _require(name)
    if profile not in PROFILES:
        raise RegistryError(f"profile {profile!r} is not known; use one of {', '.join(PROFILES)}")
    path = PARAMS_ROOT / f"{name}.yaml"
    if not path.is_file():
        raise RegistryError(f"config/models/{name}.yaml is missing; add it with the keys common, demo and full")
    parts = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    unknown = sorted(set(parts) - {"common", "assets", *PROFILES})
    if unknown:
        raise RegistryError(f"config/models/{name}.yaml: unknown part(s) {unknown}; known: common, assets, {', '.join(PROFILES)}")
    chosen = "demo" if profile == "test" and "test" not in parts else profile
    merged: dict[str, Any] = {}
    for part in ("common", chosen):
        values = parts.get(part) or {}
        if not isinstance(values, Mapping):
            raise RegistryError(f"config/models/{name}.yaml: {part} is {values!r}; make it a mapping of parameter to value")
        merged = _merged(merged, values)
    assets = {asset: _asset(asset, name) for asset in parts.get("assets") or ()}
    return merged | ({"assets": assets} if assets else {})


def _asset(asset: str, name: str) -> dict[str, Any]:
    """config/assets/<asset>.yaml, or a file of config/ itself (`markets`)."""
    path = next((p for p in (ASSETS_ROOT / f"{asset}.yaml", ASSETS_ROOT.parent / f"{asset}.yaml") if p.is_file()), None)
    if path is None:
        raise RegistryError(f"config/assets/{asset}.yaml is missing; config/models/{name}.yaml names it in `assets`")
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `over` laid on it, nested mappings merged key by key."""
    result = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = _merged(result[key], value) if both else value
    return result


def _require(name: str) -> None:
    if name not in model_names():
        raise RegistryError(
            f"model {name!r} is not known; known: {', '.join(model_names()) or '(none)'}; `desk new-model {name}` makes one"
        )


def _module(name: str, part: str) -> ModuleType:
    """Import models.<name>.<part>; a missing file is our error, a failing import is shown as it is."""
    _require(name)
    if not (MODELS_ROOT / name / f"{part}.py").is_file():
        raise RegistryError(f"models/{name}/{part}.py is missing; copy it from models/_template and fill it")
    return importlib.import_module(f"models.{name}.{part}")


def _attribute(name: str, part: str, attribute: str) -> object:
    module = _module(name, part)
    if not hasattr(module, attribute):
        raise RegistryError(f"models/{name}/{part}.py defines no {attribute}; add it (see models/_template/{part}.py)")
    return getattr(module, attribute)
