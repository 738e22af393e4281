"""docker-compose.yml: judged by compose itself where it is installed, and by the rules of the project everywhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

REPO = Path(__file__).resolve().parents[2]
COMPOSE = REPO / "docker-compose.yml"
NEEDED = {
    "clickhouse", "postgres", "redis", "mlflow", "airflow-init", "airflow-api-server", "airflow-scheduler",
    "airflow-dag-processor", "airflow-triggerer", "airflow-worker",
}  # fmt: skip


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    return yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]


def _compose() -> list[str] | None:
    if shutil.which("docker") and subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0:
        return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else None


def _filled_env(tmp_path: Path) -> Path:
    text = (REPO / ".env.example").read_text(encoding="utf-8")
    path = tmp_path / "env"
    path.write_text(re.sub(r"(?m)^([A-Z_]+)=$", r"\1=example", text), encoding="utf-8")
    return path


@pytest.mark.parametrize("profile", [[], ["--profile", "celery"]])
def test_compose_accepts_the_file_with_a_filled_env(tmp_path: Path, profile: list[str]) -> None:
    compose = _compose()
    if compose is None:
        pytest.skip("neither `docker compose` nor docker-compose is installed")
    done = subprocess.run(
        [*compose, "-f", str(COMPOSE), "--env-file", str(_filled_env(tmp_path)), *profile, "config", "-q"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_compose_refuses_to_start_without_secrets(tmp_path: Path) -> None:
    compose = _compose()
    if compose is None:
        pytest.skip("neither `docker compose` nor docker-compose is installed")
    bare = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME")}
    empty = tmp_path / "empty"
    empty.touch()
    done = subprocess.run(
        [*compose, "-f", str(COMPOSE), "--env-file", str(empty), "config", "-q"], capture_output=True, text=True, check=False, env=bare
    )
    assert done.returncode != 0
    assert "set " in done.stderr


def test_every_secret_must_be_given(services: dict[str, Any]) -> None:
    text = COMPOSE.read_text(encoding="utf-8")
    secret = re.compile(r"\$\{([A-Z_]*(?:PASSWORD|SECRET|KEY)[A-Z_]*)([^}]*)\}")
    found = secret.findall(text)
    assert {name for name, _ in found} >= {"POSTGRES_PASSWORD", "REDIS_PASSWORD", "AIRFLOW_FERNET_KEY", "AIRFLOW_JWT_SECRET"}
    # an empty default leaves out what a stack need not have: keys of data providers
    assert all(rest.startswith(":?") or rest == ":-" for _, rest in found), "a secret has a default"
    documented = (REPO / ".env.example").read_text(encoding="utf-8")
    assert all(f"{name}=\n" in documented for name, _ in found)


def test_all_services_are_there_healthy_loopback_and_non_root(services: dict[str, Any]) -> None:
    assert set(services) == NEEDED
    for name, service in services.items():
        assert not str(service["user"]).startswith("0"), f"{name} runs as root"
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert name == "airflow-init" or service["healthcheck"]["test"], f"{name} has no healthcheck"
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), f"{name} publishes {port} beyond loopback"


def test_airflow_services_share_one_image_and_the_lock_file(services: dict[str, Any]) -> None:
    images = {s["image"] for n, s in services.items() if n.startswith("airflow") or n == "mlflow"}
    assert len(images) == 1
    assert "uv sync --frozen" in (REPO / "Dockerfile").read_text(encoding="utf-8")
