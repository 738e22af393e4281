"""The import rules hold, and each of them catches a breach."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
PACKAGES = ("config", "dags", "models", "pipeline_tasks")
BREACHES = {
    "models/_kernel/psi.py": "import mlflow",
    "models/_kernel/gate.py": "from pipeline_tasks import catalog",
    "models/_kernel/bootstrap.py": "from models._template import spec",
    "dags/nightly.py": "from models._kernel import metrics",
    "pipeline_tasks/contracts/raw.py": "from pipeline_tasks import catalog",
    "config/markets.py": "from pipeline_tasks.contracts import Table",
}


def _lint(root: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(root), "COLUMNS": "200"}
    command = [sys.executable, "-c", "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(is_debug_mode=False))"]
    return subprocess.run([*command], cwd=root, env=environment, capture_output=True, text=True, check=False, timeout=120)


def _copy(root: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(REPO / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPO / ".importlinter", root)
    return root


def test_import_rules_hold():
    done = _lint(REPO)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


def test_every_rule_catches_a_breach(tmp_path):
    root = _copy(tmp_path)
    for name, line in BREACHES.items():
        with (root / name).open("a") as module:
            module.write(f"\n{line}\n")
    done = _lint(root)
    assert done.returncode == 1
    assert "0 kept, 6 broken" in done.stdout, done.stdout
