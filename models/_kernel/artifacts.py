"""Artifacts: models on disk as JSON, npz and LightGBM text; same model, same bytes; nothing is ever unpickled.

`save` of a model writes its parts and then calls `seal`; `load` calls `verify_artifact` first, so a flipped bit or a file that
nobody sealed is refused before anything is read.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

MANIFEST = "manifest.json"
KINDS = (".json", ".npz", ".txt")
FORMAT = 1
_EPOCH = (1980, 1, 1, 0, 0, 0)


class ArtifactError(ValueError):
    """An artifact is incomplete, altered, or holds a file of a kind we do not read."""


def canonical_json(value: Any) -> bytes:
    """JSON bytes that depend on the value only: sorted keys, no spaces, no NaN."""
    return (json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False) + "\n").encode()


def save_json(directory: Path, name: str, value: Any) -> None:
    """Write `<name>.json`.

    Raises:
        ValueError: the value holds NaN or infinity (write null, or an npz array).
    """
    _write(directory, f"{name}.json", canonical_json(value))


def load_json(directory: Path, name: str) -> Any:
    """Read `<name>.json`."""
    return json.loads(_read(directory, f"{name}.json"))


def save_arrays(directory: Path, name: str, arrays: Mapping[str, npt.ArrayLike]) -> None:
    """Write `<name>.npz`: uncompressed, members in key order, fixed time stamps, so that equal arrays give equal bytes.

    Raises:
        ArtifactError: an array holds Python objects.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for key in sorted(arrays):
            array = np.ascontiguousarray(arrays[key])
            if array.dtype.hasobject:
                raise ArtifactError(f"{name}.npz: array {key!r} holds Python objects; convert it to numbers or fixed-width text")
            member = io.BytesIO()
            np.lib.format.write_array(member, array.reshape(np.shape(arrays[key])), version=(1, 0), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{key}.npy", date_time=_EPOCH), member.getvalue())
    _write(directory, f"{name}.npz", buffer.getvalue())


def load_arrays(directory: Path, name: str) -> dict[str, npt.NDArray[Any]]:
    """Read `<name>.npz`; object arrays are refused."""
    with np.load(io.BytesIO(_read(directory, f"{name}.npz")), allow_pickle=False) as archive:
        return {key: archive[key] for key in sorted(archive.files)}


def save_booster(directory: Path, name: str, booster: Any) -> None:
    """Write a LightGBM `Booster` as `<name>.txt` in LightGBM's own text format."""
    _write(directory, f"{name}.txt", str(booster.model_to_string()).encode())


def load_booster(directory: Path, name: str) -> Any:
    """Read a LightGBM `Booster` from `<name>.txt`."""
    import lightgbm

    return lightgbm.Booster(model_str=_read(directory, f"{name}.txt").decode())


def seal(directory: Path, *, model: str) -> str:
    """Write manifest.json: format, model and the SHA-256 of every file; call it last in `save`.

    Returns:
        The artifact's SHA-256, see `artifact_sha`.
    """
    files = {path.name: _sha(path.read_bytes()) for path in _parts(directory)}
    if not files:
        raise ArtifactError(f"{directory} holds no part of a model; save its parts before sealing")
    _write(directory, MANIFEST, canonical_json({"format": FORMAT, "model": model, "files": files}))
    return artifact_sha(directory)


def artifact_sha(directory: Path) -> str:
    """SHA-256 over the sealed manifest, which names the SHA-256 of every file: one hash for the whole artifact.

    Raises:
        ArtifactError: the artifact was never sealed.
    """
    return _sha(_read(directory, MANIFEST))


def verify_artifact(directory: Path, *, model: str | None = None, expected_sha: str | None = None) -> str:
    """Check every file against the manifest, and the whole against the registry's hash.

    Args:
        directory: artifact.
        model: model the artifact must belong to, if given.
        expected_sha: artifact hash on record (registry, audit log), if given.

    Returns:
        The artifact's SHA-256.

    Raises:
        ArtifactError: altered, missing, unsealed or unknown files; another model or hash than expected.
    """
    try:
        manifest = json.loads(_read(directory, MANIFEST))
        listed, owner, version = dict(manifest["files"]), manifest["model"], manifest["format"]
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, ArtifactError):
            raise
        raise ArtifactError(f"{directory / MANIFEST} is not a manifest ({error}); fetch the artifact again") from error
    if version != FORMAT:
        raise ArtifactError(f"{directory}: manifest format is {version!r}, this code reads {FORMAT}; train the model again")
    if model is not None and owner != model:
        raise ArtifactError(f"{directory}: artifact belongs to model {owner!r}, not {model!r}")
    found = {path.name: _sha(path.read_bytes()) for path in _parts(directory)}
    for name in sorted(set(listed) | set(found)):
        if listed.get(name) != found.get(name):
            state = "is missing" if name not in found else "was never sealed" if name not in listed else "was altered"
            raise ArtifactError(f"{directory}: file {name} {state}; fetch the artifact again or train the model again")
    sha = artifact_sha(directory)
    if expected_sha is not None and sha != expected_sha:
        raise ArtifactError(f"{directory}: artifact hash is {sha}, on record is {expected_sha}; do not use it")
    return sha


def _parts(directory: Path) -> list[Path]:
    """Files of the artifact other than the manifest, in name order; anything but plain files of known kinds is refused."""
    parts = sorted(path for path in directory.iterdir() if path.name != MANIFEST)
    for path in parts:
        if path.is_symlink() or not path.is_file() or path.suffix not in KINDS:
            raise ArtifactError(f"{path}: only plain files {', '.join(KINDS)} belong in an artifact; remove it")
    return parts


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _write(directory: Path, name: str, data: bytes) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / name).write_bytes(data)


def _read(directory: Path, name: str) -> bytes:
    try:
        return (directory / name).read_bytes()
    except FileNotFoundError as error:
        raise ArtifactError(f"{directory / name} is missing; fetch the artifact again or train the model again") from error
