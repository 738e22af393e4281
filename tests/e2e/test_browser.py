"""The UI in Chromium: log in, start a run from its form, approve a promotion, read the report only after log-in."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config.settings import REPO_ROOT
from tests.e2e.test_stack import MARKET, _state, _trigger, _until, _waiting

pytestmark = pytest.mark.slow
Call = Callable[..., tuple[int, Any]]


@pytest.fixture(scope="session")
def node_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Folder with playwright-core; the test is skipped where there is no chromium, no node or no npm registry."""
    for program in ("chromium", "node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed (Debian: apt-get install chromium nodejs npm)")
    folder = tmp_path_factory.mktemp("node")
    done = subprocess.run(
        ["npm", "i", "--no-audit", "--no-fund", "playwright-core"], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"playwright-core cannot be installed: {done.stderr[-200:]}")
    return str(folder / "node_modules")


def _tour(script: str, stack: dict[str, Any], shots: Path, node_path: str, *, said: str = "") -> dict[str, Any]:
    done = subprocess.run(
        ["node", str(REPO_ROOT / "tests" / "e2e" / script), stack["airflow_url"], stack["accounts_file"], MARKET, str(shots)],
        env={**os.environ, "NODE_PATH": node_path},
        input=said,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.timeout(900)
def test_a_trader_asks_for_a_plan_another_person_approves_and_a_switch_stops_it(
    stack: dict[str, Any], call: Call, node_path: str, tmp_path: Path
) -> None:
    shots = Path(os.environ.get("DESK_SCREENSHOTS", str(tmp_path)))
    shots.mkdir(parents=True, exist_ok=True)
    for dag in ("scenario", "kill_switch"):
        _until(lambda dag=dag: call("admin", "PATCH", f"/api/v2/dags/{dag}", {"is_paused": False})[0] == 200)
    found = _tour("plan_tour.cjs", stack, shots, node_path)
    assert "gas_pct" in found["form_text"]
    assert _state(call, "scenario", found["run"]) == "success"
    assert "approved by" in found["plan_text"]
    assert "+25 %" in found["plan_text"]
    assert "drill of the desk" in found["desk_text"]
    lift = {"scope": "model", "target": "curve_dist", "active": False, "reason": "drill is over"}
    run = _trigger(call, "risk", "kill_switch", lift)
    _until(lambda: _state(call, "kill_switch", run) == "success")


def test_a_person_finds_the_way(stack: dict[str, Any], call: Call, candidate: str, node_path: str, tmp_path: Path) -> None:
    from pipeline_tasks import tracking

    run = _trigger(call, "trader", "promote", {"market": MARKET, "model": "curve_dist", "version": candidate, "reason": "smaller error"})
    _until(lambda: call("admin", "PATCH", "/api/v2/dags/nightly", {"is_paused": False})[0] == 200)
    _until(lambda: _waiting(call, run))
    shots = Path(os.environ.get("DESK_SCREENSHOTS", str(tmp_path)))
    shots.mkdir(parents=True, exist_ok=True)
    found = _tour("tour.cjs", stack, shots, node_path, said=run)
    assert found["stranger_status"] == 401
    assert "market" in found["form_text"].lower()
    assert "/runs/" in found["after_trigger"]
    assert MARKET.upper() in found["report_text"].upper() or "HUB_NORTH" in found["report_text"]
    _until(lambda: _state(call, "promote", run) == "success")
    now = tracking.champion("curve_dist", MARKET)
    assert now is not None
    assert now.version == candidate
    assert {p.name for p in shots.glob("*.png")} >= {
        "airflow-dags.png",
        "airflow-nightly-form.png",
        "airflow-approval.png",
        "airflow-report.png",
    }
