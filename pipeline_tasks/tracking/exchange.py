"""The registry as files: export, import, backups. What goes out and in again is the same registry, number by number.

A folder holds `registry.json` (models, versions with tags, parameters and metrics, aliases) and `artifacts/<sha>/` with the bytes
of every version, checked by SHA-256 on the way out and in.
"""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from config.settings import get_settings
from models._kernel.artifacts import verify_artifact
from pipeline_tasks.tracking.registry import VersionRef, add_version, fetch, registered_name
from pipeline_tasks.tracking.store import client, experiment_id, store_lock

REGISTRY_FILE = "registry.json"
FORMAT = 1
STAMP = "%Y%m%dT%H%M%S%fZ"


def registry_document() -> dict[str, Any]:
    """Everything the registry knows, JSON-able, the same bytes for the same registry: models by name, versions by number."""
    mlflow = client()
    models = []
    for found in sorted(mlflow.search_registered_models(), key=lambda m: m.name):
        model, market = found.name.split("__", 1)
        versions = sorted(mlflow.search_model_versions(f"name='{found.name}'"), key=lambda v: int(v.version))
        models.append(
            {
                "model": model,
                "market": market,
                "aliases": {k: str(v) for k, v in sorted(mlflow.get_registered_model(found.name).aliases.items())},
                "versions": [_version_document(model, market, version) for version in versions],
            }
        )
    return {"format": FORMAT, "models": models}


def _version_document(model: str, market: str, found: Any) -> dict[str, Any]:
    ref = VersionRef.from_mlflow(model, market, found)
    run = client().get_run(ref.mlflow_run_id).data
    return {
        "version": ref.version,
        "artifact_sha": ref.artifact_sha,
        "tags": dict(sorted(found.tags.items())),
        "params": dict(sorted(run.params.items())),
        "metrics": dict(sorted(run.metrics.items())),
    }


def export_registry(folder: Path) -> dict[str, Any]:
    """Write the registry to a new folder and return its document.

    Raises:
        FileExistsError: the folder exists already.
        ArtifactError: a version's bytes are not the registered ones.
    """
    folder.mkdir(parents=True)
    document = registry_document()
    for entry in document["models"]:
        for found in client().search_model_versions(f"name='{registered_name(entry['model'], entry['market'])}'"):
            ref = VersionRef.from_mlflow(entry["model"], entry["market"], found)
            target = folder / "artifacts" / ref.artifact_sha
            if not target.exists():
                shutil.copytree(fetch(ref), target)
    (folder / REGISTRY_FILE).write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return document


def import_registry(folder: Path) -> dict[str, Any]:
    """Make an empty registry the one that was exported to a folder, and return its document.

    Raises:
        FileNotFoundError: the folder holds no export.
        ValueError: the format is another one, the registry is not empty, or version numbers have gaps.
        ArtifactError: the bytes of a version are missing or were altered; nothing is imported then.
    """
    document = json.loads((folder / REGISTRY_FILE).read_text(encoding="utf-8"))
    if document.get("format") != FORMAT:
        raise ValueError(f"{folder / REGISTRY_FILE}: format is {document.get('format')!r}, this code reads {FORMAT}")
    present = [m.name for m in client().search_registered_models()]
    if present:
        raise ValueError(f"the registry holds {', '.join(present[:3])} already; import into an empty one (another DESK_HOME)")
    _check(folder, document)
    experiment_id()
    with store_lock(get_settings()):
        for entry in document["models"]:
            _import_model(folder, entry)
    return registry_document()


def _check(folder: Path, document: dict[str, Any]) -> None:
    for entry in document["models"]:
        numbers = [int(v["version"]) for v in entry["versions"]]
        if numbers != list(range(1, len(numbers) + 1)):
            raise ValueError(f"{entry['model']} for {entry['market']}: versions {numbers} have gaps; numbers could not be kept")
        for version in entry["versions"]:
            verify_artifact(folder / "artifacts" / version["artifact_sha"], model=entry["model"], expected_sha=version["artifact_sha"])


def _import_model(folder: Path, entry: dict[str, Any]) -> None:
    name = registered_name(entry["model"], entry["market"])
    client().create_registered_model(name)
    for version in entry["versions"]:
        add_version(
            folder / "artifacts" / version["artifact_sha"],
            model=entry["model"],
            market=entry["market"],
            tags=version["tags"],
            params=version["params"],
            metrics=version["metrics"],
        )
    for alias, number in entry["aliases"].items():
        client().set_registered_model_alias(name, alias, number)


def backups_folder() -> Path:
    """Where backups of the registry lie, one folder each, named by time."""
    return get_settings().home / "backups" / "registry"


def backups() -> list[Path]:
    """Finished backups, oldest first."""
    root = backups_folder()
    return sorted(p.parent for p in root.glob(f"*/{REGISTRY_FILE}")) if root.is_dir() else []


def back_up(keep: int) -> Path:
    """Export the registry to a new backup and drop the oldest beyond `keep`; a backup that was interrupted counts as none."""
    made = backups_folder() / datetime.now(UTC).strftime(STAMP)
    export_registry(made)
    for old in backups()[:-keep]:
        shutil.rmtree(old)
    return made
