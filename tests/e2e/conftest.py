"""A fresh install after its first night, with the whole stack up."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from config.settings import get_settings

MARKET, DAY = "twin_hub_north", date(2026, 6, 15)


@pytest.fixture(scope="session")
def played_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """State folder after one nightly run with the smallest training settings."""
    from pipeline_tasks.steps.pipeline import run_nightly

    folder = tmp_path_factory.mktemp("e2e")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("DESK_HOME", str(folder)), ("DESK_PROFILE", "test"), ("DESK_CODE_SHA", "test")):
            patch.setenv(name, value)
        get_settings.cache_clear()
        done = run_nightly(source="twin", market=MARKET, delivery_date=DAY)
        assert done["status"] == "OK", done["status_reason"]
        yield folder
        from pipeline_tasks.stack import down

        down()
    get_settings.cache_clear()


@pytest.fixture(scope="session")
def challenger(played_home: Path) -> str:
    """A challenger of curve_dist; its gate is set to `pass` by hand, because this is a test of the approval, not of the model."""
    from pipeline_tasks import tracking
    from pipeline_tasks.steps.train import train
    from pipeline_tasks.tracking.store import client

    number = str(train(model="curve_dist", market=MARKET, cutoff_date=date(2026, 5, 29), profile="test")["version"])
    client().set_model_version_tag(f"curve_dist__{MARKET}", number, "gate", "pass")
    ref = tracking.challenger("curve_dist", MARKET)
    assert ref is not None
    assert ref.version == number
    return number


@pytest.fixture
def candidate(challenger: str) -> str:
    """A version that is not champion now, with a passed gate: tests that promote may come in any order."""
    from pipeline_tasks import tracking
    from pipeline_tasks.tracking.store import client

    ref = tracking.champion("curve_dist", MARKET)
    assert ref is not None
    if ref.version != challenger:
        return challenger
    client().set_model_version_tag(f"curve_dist__{MARKET}", "1", "gate", "pass")
    return "1"


@pytest.fixture(scope="session")
def stack(played_home: Path, challenger: str) -> dict[str, Any]:
    """The running stack."""
    from pipeline_tasks.stack import up

    return up()


Call = Callable[..., tuple[int, Any]]


@pytest.fixture(scope="session")
def call(stack: dict[str, Any]) -> Call:
    """Call Airflow's API as one of the accounts: `call("trader", "GET", "/api/v2/dags")` -> status, body."""
    passwords = json.loads(Path(stack["accounts_file"]).read_text())
    tokens: dict[str, str] = {}

    def plain(method: str, path: str, body: Any = None, token: str = "") -> tuple[int, Any]:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(stack["airflow_url"] + path, data=data, method=method, headers=headers)  # noqa: S310 - our own loopback address
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - see above
                status, raw = answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            status, raw = error.code, error.read().decode()
        try:
            return status, json.loads(raw)
        except ValueError:
            return status, raw

    def as_user(user: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        if user and user not in tokens:
            tokens[user] = plain("POST", "/auth/token", {"username": user, "password": passwords[user]})[1]["access_token"]
        return plain(method, path, body, tokens.get(user, ""))

    return as_user
