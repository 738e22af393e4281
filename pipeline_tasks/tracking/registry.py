"""Registry: versions of trained models per market, their artifacts checked by SHA-256 and loaded by our own loader."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from config.settings import get_settings
from models._kernel.artifacts import ArtifactError, verify_artifact
from models._kernel.registry import model_class
from pipeline_tasks.tracking.store import client, experiment_id, store_lock

if TYPE_CHECKING:
    from models._kernel.protocol import Model

CHAMPION = "champion"
CHALLENGER = "challenger"
ARTIFACT_PATH = "model"
REQUIREMENTS = ("numpy", "polars", "scipy", "scikit-learn", "lightgbm")


class NoChampionError(LookupError):
    """No champion yet for a model and market; the message says how to get one."""


@dataclass(frozen=True, slots=True)
class VersionRef:
    """One registered version.

    Attributes:
        model, market, version: identity in the registry.
        source: URI of the artifact.
        artifact_sha: SHA-256 of the artifact folder.
        cutoff: nothing known later was used in training.
        data_version, code_sha, profile, seed, run_id, mlflow_run_id: where it comes from.
        gate: pass, miss or not_run.
    """

    model: str
    market: str
    version: str
    source: str
    artifact_sha: str
    cutoff: datetime
    data_version: str
    code_sha: str
    profile: str
    seed: int
    run_id: str
    mlflow_run_id: str
    gate: str = "not_run"

    @property
    def name(self) -> str:
        """Registered model name."""
        return registered_name(self.model, self.market)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return {**asdict(self), "cutoff": self.cutoff.isoformat()}

    @classmethod
    def from_mlflow(cls, model: str, market: str, found: Any) -> Self:
        """Read a registry entry.

        Raises:
            ValueError: the entry lacks a tag that `register` writes; it was made by other hands.
        """
        tags = dict(found.tags)
        names = ("artifact_sha", "cutoff", "data_version", "code_sha", "profile", "seed", "run_id")
        missing = [n for n in names if n not in tags]
        if missing:
            raise ValueError(f"{found.name} version {found.version}: tags {missing} are missing; register versions through `desk train`")
        return cls(
            model=model,
            market=market,
            version=str(found.version),
            source=str(found.source),
            artifact_sha=tags["artifact_sha"],
            cutoff=datetime.fromisoformat(tags["cutoff"]),
            data_version=tags["data_version"],
            code_sha=tags["code_sha"],
            profile=tags["profile"],
            seed=int(tags["seed"]),
            run_id=tags["run_id"],
            mlflow_run_id=str(found.run_id),
            gate=tags.get("gate", "not_run"),
        )


def registered_name(model: str, market: str) -> str:
    """`<model>__<market key>`."""
    return f"{model}__{market}"


def champion(model: str, market: str) -> VersionRef | None:
    """The version that forecasts for the market; None before the first promotion."""
    return _by_alias(model, market, CHAMPION)


def challenger(model: str, market: str) -> VersionRef | None:
    """The newest trained version; None before the first training."""
    return _by_alias(model, market, CHALLENGER)


def version(model: str, market: str, number: str) -> VersionRef:
    """A version by number.

    Raises:
        ValueError: there is no such version.
    """
    from mlflow.exceptions import MlflowException

    try:
        found = client().get_model_version(registered_name(model, market), number)
    except MlflowException as error:
        raise ValueError(
            f"{registered_name(model, market)} has no version {number!r}; `desk train {model} --market {market}` makes one"
        ) from error
    return VersionRef.from_mlflow(model, market, found)


def newest_before(model: str, market: str, as_of: datetime) -> VersionRef | None:
    """The version with the latest cutoff that is not after `as_of`; None where there is none. Of the same cutoff the newest."""
    found = client().search_model_versions(f"name='{registered_name(model, market)}'")
    refs = [VersionRef.from_mlflow(model, market, one) for one in found]
    return max((r for r in refs if r.cutoff <= as_of), key=lambda r: (r.cutoff, int(r.version)), default=None)


def register(
    directory: Path,
    *,
    model: str,
    market: str,
    tags: Mapping[str, str],
    params: Mapping[str, Any],
    metrics: Mapping[str, float],
) -> VersionRef:
    """Log a training run and register its artifact as challenger; the same training registered again gives the same version.

    Args:
        directory: folder that `Model.save` wrote.
        model: model name.
        market: market selection key.
        tags: artifact_sha, cutoff (ISO), data_version, code_sha, profile, seed, run_id, gate.
        params: parameters of the model, flattened.
        metrics: finite numbers of the training and its gate.
    """
    mlflow, name = client(), registered_name(model, market)
    experiment_id()
    with store_lock(get_settings()):
        _ensure_registered(name)
        same = _same_training(model, market, tags) or add_version(
            directory, model=model, market=market, tags=tags, params=params, metrics=metrics
        )
        mlflow.set_registered_model_alias(name, CHALLENGER, same.version)
    return same


def add_version(
    directory: Path, *, model: str, market: str, tags: Mapping[str, str], params: Mapping[str, Any], metrics: Mapping[str, float]
) -> VersionRef:
    """Log a run with its artifact and make the next version of it; the caller holds `store_lock` and knows that it is new."""
    mlflow, name = client(), registered_name(model, market)
    run = mlflow.create_run(experiment_id(), run_name=f"{name}@{tags['cutoff'][:10]}", tags={**tags, "model": model, "market": market})
    for key, value in sorted(params.items()):
        mlflow.log_param(run.info.run_id, key, value)
    for key, number in sorted(metrics.items()):
        mlflow.log_metric(run.info.run_id, key, number)
    mlflow.log_artifacts(run.info.run_id, str(directory), ARTIFACT_PATH)
    mlflow.log_text(run.info.run_id, pip_requirements(), "requirements.txt")
    mlflow.set_terminated(run.info.run_id)
    source = f"{run.info.artifact_uri}/{ARTIFACT_PATH}"
    return VersionRef.from_mlflow(model, market, mlflow.create_model_version(name, source=source, run_id=run.info.run_id, tags=dict(tags)))


def set_champion(ref: VersionRef) -> None:
    """Point the champion alias at a version; only `promotion.promote` may."""
    client().set_registered_model_alias(ref.name, CHAMPION, ref.version)


def load(ref: VersionRef) -> Model:
    """The trained model of a version, its bytes checked first.

    Raises:
        ArtifactError: the artifact's bytes are not the registered ones.
    """
    return model_class(ref.model).load(fetch(ref))


def fetch(ref: VersionRef) -> Path:
    """Folder with the artifact's verified bytes, cached below the state folder by SHA-256.

    Raises:
        ArtifactError: the artifact's bytes are not the registered ones.
    """
    target = get_settings().home / "artifacts" / ref.artifact_sha
    if target.is_dir() and _intact(target, ref):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        from mlflow.artifacts import download_artifacts

        got = Path(download_artifacts(artifact_uri=ref.source, dst_path=scratch, tracking_uri=get_settings().mlflow_uri))
        verify_artifact(got, model=ref.model, expected_sha=ref.artifact_sha)
        shutil.rmtree(target, ignore_errors=True)
        got.rename(target)
    return target


def _intact(directory: Path, ref: VersionRef) -> bool:
    """Whether a cached copy still has the registered bytes; a spoilt one is fetched again."""
    try:
        verify_artifact(directory, model=ref.model, expected_sha=ref.artifact_sha)
    except ArtifactError:
        return False
    return True


def pip_requirements() -> str:
    """What the artifact needs to be read, pinned; written down so that MLflow does not guess."""
    return "".join(f"{package}=={installed(package)}\n" for package in REQUIREMENTS)


def _by_alias(model: str, market: str, alias: str) -> VersionRef | None:
    from mlflow.exceptions import MlflowException

    try:
        found = client().get_model_version_by_alias(registered_name(model, market), alias)
    except MlflowException as error:
        if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
            return None
        raise
    return VersionRef.from_mlflow(model, market, found)


def _ensure_registered(name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client().create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _same_training(model: str, market: str, tags: Mapping[str, str]) -> VersionRef | None:
    """The version made from the same artifact, data, code and cutoff, if there is one."""
    identity = ("artifact_sha", "cutoff", "data_version", "code_sha", "gate")
    for found in client().search_model_versions(f"name='{registered_name(model, market)}'"):
        if all(found.tags.get(key) == tags.get(key) for key in identity):
            return VersionRef.from_mlflow(model, market, found)
    return None
