"""The registry: no lost update, exact history, rollback in seconds, backups that restore, artifacts of which one bit counts."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from config.settings import REPO_ROOT, get_settings
from models._kernel.artifacts import ArtifactError, save_json, seal, verify_artifact
from pipeline_tasks import tracking
from pipeline_tasks.tracking import promotion
from pipeline_tasks.tracking.exchange import back_up, backups, export_registry, import_registry, registry_document
from pipeline_tasks.tracking.registry import VersionRef, fetch
from pipeline_tasks.tracking.store import client
from pipeline_tasks.warehouse import Warehouse
from pipeline_tasks.warehouse.audit import verify

MODEL, MARKET = "curve_dist", "epf_np"


def _artifact(folder: Path, number: int) -> str:
    save_json(folder, "weights", {"number": number})
    return seal(folder, model=MODEL)


def _register(folder: Path, number: int) -> VersionRef:
    sha = _artifact(folder, number)
    tags = {"artifact_sha": sha, "cutoff": "2018-01-01T10:30:00+00:00", "data_version": f"d{number}", "code_sha": "c", "profile": "test"}
    return tracking.register(
        folder, model=MODEL, market=MARKET, tags={**tags, "seed": "7", "run_id": f"r{number}", "gate": "pass"}, params={"depth": number},
        metrics={"gate_loss": 1.5 * number, "seconds": 0.1},
    )  # fmt: skip


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A registry of its own; the warehouse stays the session's."""
    before = get_settings()
    monkeypatch.setattr("pipeline_tasks.tracking.store.get_settings", lambda: before.model_copy(update={"home": tmp_path}))
    for module in ("registry", "exchange"):
        monkeypatch.setattr(f"pipeline_tasks.tracking.{module}.get_settings", lambda: before.model_copy(update={"home": tmp_path}))
    return tmp_path


def _champion(warehouse: Warehouse, number: str, action: str = "promotion") -> datetime:
    """Make a version champion as the promote step does, without its gates."""
    ref = tracking.version(MODEL, MARKET, number)
    before = tracking.champion(MODEL, MARKET)
    extra = {"requester": "a", "approver": "b", "comment": "", "previous": before.version if before else ""}
    promotion._audit(warehouse, actor="b", action=action, ref=ref, extra=extra)
    promotion.set_champion(ref)
    return datetime.now(UTC)


def test_history_is_exact_and_rollback_brings_the_one_before(warehouse: Warehouse, home: Path, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        _register(tmp_path / f"a{number}", number)
    start = datetime.now(UTC)
    times = [_champion(warehouse, str(n)) for n in (1, 2, 3)]
    back = tracking.rollback(warehouse, model=MODEL, market=MARKET, actor="trader", reason="prices went wild")
    assert back.version == "2"
    assert tracking.champion(MODEL, MARKET) == back

    def at(instant: datetime) -> str | None:
        found = tracking.champion_at(warehouse, model=MODEL, market=MARKET, instant=instant)
        return found["version"] if found else None

    assert at(start - timedelta(milliseconds=1)) is None
    assert [at(t) for t in times] == ["1", "2", "3"]
    assert at(datetime.now(UTC)) == "2"
    reigns = tracking.history(warehouse, model=MODEL, market=MARKET)
    assert [(r["version"], r["action"], r["previous"]) for r in reigns][-1] == ("2", "rollback", "3")
    assert all(a["until_ts"] == b["since_ts"] for a, b in itertools.pairwise(reigns))
    for row in reigns:  # at the very millisecond of a change the new champion holds
        assert at(row["since_ts"]) == row["version"]
    assert verify(warehouse).ok
    with pytest.raises(tracking.PromotionRefusedError, match="must both be said"):
        tracking.rollback(warehouse, model=MODEL, market=MARKET, actor="trader", reason=" ")
    with pytest.raises(tracking.PromotionRefusedError, match="was not champion"):
        tracking.rollback(warehouse, model=MODEL, market=MARKET, actor="trader", reason="r", to="9")
    demoted = tracking.demote(warehouse, model=MODEL, market=MARKET, reason="worse than naive_week")
    assert demoted is not None
    assert demoted.version == "3"
    again = tracking.demote(warehouse, model=MODEL, market=MARKET, reason="worse still")
    assert again is not None
    assert again.version == "1"  # 2 was demoted before and does not come back
    assert tracking.demote(warehouse, model=MODEL, market=MARKET, reason="worst") is None


def test_a_rollback_to_spoilt_bytes_is_refused_and_changes_nothing(warehouse: Warehouse, home: Path, tmp_path: Path) -> None:
    for number in (1, 2):
        _register(tmp_path / f"a{number}", number)
    _champion(warehouse, "1")
    _champion(warehouse, "2")
    ref = tracking.version(MODEL, MARKET, "1")
    stored = Path(ref.source.removeprefix("file://")) / "weights.json"
    data = bytearray(stored.read_bytes())
    data[3] ^= 1
    stored.write_bytes(data)
    with pytest.raises(ArtifactError, match="altered"):
        fetch(ref)
    with pytest.raises(ArtifactError, match="altered"):
        tracking.rollback(warehouse, model=MODEL, market=MARKET, actor="trader", reason="r", to="1")
    now = tracking.champion(MODEL, MARKET)
    assert now is not None
    assert now.version == "2"


def test_what_goes_out_comes_in_again(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (1, 2):
        _register(tmp_path / f"a{number}", number)
    promotion.set_champion(tracking.version(MODEL, MARKET, "1"))
    document = export_registry(tmp_path / "out")
    assert document["models"][0]["aliases"] == {"challenger": "2", "champion": "1"}
    with pytest.raises(ValueError, match="already"):
        import_registry(tmp_path / "out")
    made = [back_up(keep=5) for _ in range(7)]
    assert backups() == made[-5:]
    other = get_settings().model_copy(update={"home": tmp_path / "elsewhere"})
    for module in ("store", "registry", "exchange"):
        monkeypatch.setattr(f"pipeline_tasks.tracking.{module}.get_settings", lambda: other)
    for backup in made[-5:]:  # every one that was kept, each into an empty registry
        for found in client().search_registered_models():
            client().delete_registered_model(found.name)
        assert import_registry(backup) == document == registry_document()
        ref = tracking.champion(MODEL, MARKET)
        assert ref is not None
        assert verify_artifact(fetch(ref), model=MODEL) == ref.artifact_sha
    broken = next((made[-2] / "artifacts").iterdir()) / "weights.json"
    broken.write_bytes(broken.read_bytes()[:-2] + b"8\n")
    for found in client().search_registered_models():
        client().delete_registered_model(found.name)
    with pytest.raises(ArtifactError):
        import_registry(made[-2])
    assert not client().search_registered_models()  # all or nothing


RACE = """
import sys; from pathlib import Path
from models._kernel.artifacts import save_json, seal
from pipeline_tasks import tracking
n = sys.argv[1]; folder = Path(sys.argv[2]); save_json(folder, "weights", {"n": n})
tags = {"artifact_sha": seal(folder, model="curve_dist"), "cutoff": "2018-01-01T10:30:00+00:00", "data_version": n, "code_sha": "c",
        "profile": "test", "seed": "7", "run_id": n, "gate": "pass"}
print(tracking.register(folder, model="curve_dist", market="epf_np", tags=tags, params={}, metrics={}).version)
"""


def test_two_registrations_at_once_lose_nothing(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESK_HOME", str(home))
    runs = [
        subprocess.Popen([sys.executable, "-c", RACE, n, str(tmp_path / f"p{n}")], cwd=REPO_ROOT, stdout=subprocess.PIPE, text=True)
        for n in ("1", "2")
    ]
    versions = [run.communicate(timeout=240)[0].strip().splitlines()[-1] for run in runs]
    assert sorted(versions) == ["1", "2"]
    assert {tracking.version(MODEL, MARKET, v).data_version for v in versions} == {"1", "2"}
    newest = tracking.challenger(MODEL, MARKET)
    assert newest is not None
    assert newest.version in versions
