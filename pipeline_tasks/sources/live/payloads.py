"""Raw answers on disk: compressed, named by the hash of their content, with an index of which request brought them and when.

An answer is kept before it is parsed, so a run that is killed afterwards, or a parse that is mended, needs no second request.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa


@dataclass(frozen=True)
class Kept:
    """One answer of one request.

    Attributes:
        sha: SHA-256 of the body.
        fetched_ts: when it came, UTC, ISO 8601.
        url: what was asked, without keys.
        bytes: length of the body.
        absent: the provider had nothing (the body says so, or is empty).
    """

    sha: str
    fetched_ts: str
    url: str
    bytes: int
    absent: bool = False

    @property
    def at(self) -> datetime:
        """`fetched_ts` as an instant."""
        return datetime.fromisoformat(self.fetched_ts)


class PayloadStore:
    """Bodies in `<folder>/bodies/ab/<sha>.zst`, answers of a request in `<folder>/index/<provider>/<hash of the request>.json`.

    Args:
        folder: where it lives; made when needed.
    """

    def __init__(self, folder: Path) -> None:
        """Nothing is read or written yet."""
        self._folder = folder

    def put(self, provider: str, request: str, body: bytes, *, at: datetime, url: str, absent: bool = False) -> Kept:
        """Keep an answer; the body is on disk before the index names it."""
        sha = hashlib.sha256(body).hexdigest()
        path = self._body(sha)
        if not path.exists():
            _write(path, pa.compress(body, codec="zstd", asbytes=True))
        kept = Kept(sha, at.astimezone(UTC).isoformat(), url, len(body), absent)
        before = self.answers(provider, request)
        index = self._index(provider, request)
        _write(index, json.dumps({"request": request, "answers": [asdict(k) for k in (*before, kept)]}, indent=1).encode())
        return kept

    def answers(self, provider: str, request: str) -> tuple[Kept, ...]:
        """All kept answers of a request, oldest first."""
        path = self._index(provider, request)
        if not path.exists():
            return ()
        return tuple(Kept(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))["answers"])

    def body(self, kept: Kept) -> bytes:
        """The body of an answer, checked against its hash.

        Raises:
            ValueError: the file was changed or cut off; the message names it.
        """
        path = self._body(kept.sha)
        body: bytes = pa.decompress(path.read_bytes(), decompressed_size=kept.bytes, codec="zstd", asbytes=True)
        if hashlib.sha256(body).hexdigest() != kept.sha:
            raise ValueError(f"payload {path} is not what was kept; delete it and fetch again")
        return body

    def prune(self, retention_days: dict[str, int], *, now: datetime) -> dict[str, int]:
        """Forget answers older than their provider's retention, and bodies that no answer names any more.

        Returns:
            answers and bodies removed, bodies and bytes left.
        """
        gone, used = 0, set[str]()
        for path in self._indices():
            entry = json.loads(path.read_text(encoding="utf-8"))
            answers = [Kept(**a) for a in entry["answers"]]
            days = retention_days.get(path.parent.name)
            kept = [a for a in answers if days is None or a.at >= now - timedelta(days=days)]
            gone += len(answers) - len(kept)
            used |= {a.sha for a in kept}
            if not kept:
                path.unlink()
            elif len(kept) < len(answers):
                _write(path, json.dumps({"request": entry["request"], "answers": [asdict(k) for k in kept]}, indent=1).encode())
        bodies = sorted((self._folder / "bodies").glob("*/*.zst"))
        stale = [p for p in bodies if p.stem not in used and p.stat().st_mtime < (now - timedelta(hours=1)).timestamp()]
        for path in stale:
            path.unlink()
        left = [p for p in bodies if p.exists()]
        return {"answers_removed": gone, "bodies_removed": len(stale), "bodies": len(left), "bytes": sum(p.stat().st_size for p in left)}

    def _indices(self) -> Iterator[Path]:
        yield from sorted((self._folder / "index").glob("*/*.json"))

    def _body(self, sha: str) -> Path:
        return self._folder / "bodies" / sha[:2] / f"{sha}.zst"

    def _index(self, provider: str, request: str) -> Path:
        return self._folder / "index" / provider / f"{hashlib.sha256(request.encode()).hexdigest()[:32]}.json"


def _write(path: Path, body: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as handle:
        handle.write(body)
        handle.flush()
        os.fsync(handle.fileno())
    Path(handle.name).replace(path)
