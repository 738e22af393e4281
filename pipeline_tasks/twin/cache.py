"""Where generated days lie: one folder per configuration and code, one folder per day within it, each put there in one step.

A day's folder holds a Parquet file per part (contract rows) and `digests.json`, with the SHA-256 of each part's values. Beside the days lie
the commitments: what one day hands to the next, so that a broken or longer run goes on where the last one stopped.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl

from pipeline_tasks.twin.codec import from_bytes, to_bytes
from pipeline_tasks.twin.market_types import DayCommitment, FleetState


def frame_sha(frame: pl.DataFrame) -> str:
    """SHA-256 of the values of a frame, in row order; names and types count, the order of columns does not."""
    digest = hashlib.sha256(f"{frame.height}".encode())
    for name in sorted(frame.columns):
        series = frame.get_column(name)
        gaps = series.null_count() > 0
        digest.update(f"\x1e{name}\x1f{series.dtype}\x1f".encode())
        digest.update(np.packbits(series.is_null().to_numpy()).tobytes() if gaps else bytes(-(-frame.height // 8)))
        if series.dtype == pl.String:
            encoded = series.to_arrow().dictionary_encode()
            digest.update("\x1f".join(encoded.dictionary.to_pylist()).encode())
            codes = encoded.indices.fill_null(0) if gaps else encoded.indices
            digest.update(codes.to_numpy().astype(np.int64).tobytes())
        elif series.dtype.is_float():
            digest.update(((series.fill_null(0.0) if gaps else series).to_numpy() + 0.0).tobytes())
        else:
            whole = series.to_physical().cast(pl.Int64)
            digest.update((whole.fill_null(0) if gaps else whole).to_numpy().tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class PartDigest:
    """What a stored part holds: SHA-256 of its values, and its number of rows."""

    sha: str
    rows: int


@lru_cache(maxsize=4096)
def _digests(path: Path) -> dict[str, PartDigest]:
    """What a day's file says; days never change."""
    found = json.loads(path.read_text(encoding="utf-8"))
    return {name: PartDigest(str(d["sha"]), int(d["rows"])) for name, d in found.items()}


@dataclass(frozen=True)
class DayStore:
    """The generated days of one configuration.

    Attributes:
        folder: its folder; named by profile and digest.
    """

    folder: Path

    @classmethod
    def of(cls, root: Path, profile: str, digest: str) -> DayStore:
        """The store of a digest below the cache's root."""
        return cls(root / f"{profile}-{digest[:16]}")

    @property
    def lock(self) -> Path:
        """Held while days are made."""
        return self.folder / "making.lock"

    def day(self, delivery: date) -> Path:
        """Folder of a day."""
        return self.folder / "days" / delivery.isoformat()

    def has(self, delivery: date) -> bool:
        """Whether the day is there, whole."""
        return (self.day(delivery) / "digests.json").is_file()

    def write(self, delivery: date, parts: Mapping[str, pl.DataFrame]) -> None:
        """Put a day there in one step; parts without rows are left out. A day that is there already stays."""
        draft = self.folder / "days" / f".{delivery.isoformat()}.{os.getpid()}"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        digests = {}
        for name, frame in parts.items():
            if frame.height:
                frame.write_parquet(draft / f"{name}.parquet", compression="zstd", compression_level=1, statistics=False)
                digests[name] = {"sha": frame_sha(frame), "rows": frame.height}
        (draft / "digests.json").write_text(json.dumps(digests, indent=1, sort_keys=True), encoding="utf-8")
        try:
            draft.rename(self.day(delivery))
        except OSError:
            if not self.has(delivery):
                raise
            shutil.rmtree(draft, ignore_errors=True)

    def digests(self, delivery: date) -> dict[str, PartDigest]:
        """Digest and rows of each part of a day."""
        return _digests(self.day(delivery) / "digests.json")

    def read(self, part: str, days: Iterable[date]) -> pl.DataFrame | None:
        """Rows of a part over days, in their order; None where none of them has the part."""
        files = [f for d in days if (f := self.day(d) / f"{part}.parquet").is_file()]
        return pl.read_parquet(files) if files else None

    def write_commitment(self, delivery: date, commitment: DayCommitment, state: FleetState) -> None:
        """Keep what a day was committed to and what it hands on."""
        for name, content in (("commitment", to_bytes(commitment)), ("state", to_bytes(state))):
            target = self._chain(delivery, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            draft = target.with_name(f".{target.name}.{os.getpid()}")
            draft.write_bytes(content)
            draft.replace(target)

    def commitment(self, delivery: date) -> DayCommitment:
        """The commitment of a day."""
        return from_bytes(DayCommitment, self._chain(delivery, "commitment").read_bytes())

    def state(self, delivery: date) -> FleetState:
        """What a day hands on."""
        return from_bytes(FleetState, self._chain(delivery, "state").read_bytes())

    def committed(self, delivery: date) -> bool:
        """Whether the day's commitment and what it hands on are there (the state is written last)."""
        return self._chain(delivery, "state").is_file()

    def _chain(self, delivery: date, name: str) -> Path:
        return self.folder / "chain" / f"{delivery.isoformat()}.{name}.npz"
