"""Airflow's API as the accounts of the local stack use it."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_exponential

OK = range(200, 300)
FAULT = 500  # from here on the server's own: the sqlite database of the local stack is locked now and then
ALREADY = 409  # there is such a run
ATTEMPTS = 6


class AirflowApiError(RuntimeError):
    """Airflow refused a request; the message has its answer."""


class AirflowBusyError(AirflowApiError):
    """Airflow failed by itself; asking again may help."""


class AirflowApi:
    """A client of the running stack; one token per account, renewed never: a soak is shorter than a token lives.

    Args:
        stack: what `stack.up` returned.
    """

    def __init__(self, stack: Mapping[str, Any]) -> None:
        """Read the passwords; nothing is asked yet."""
        self._passwords: dict[str, str] = json.loads(Path(stack["accounts_file"]).read_text(encoding="utf-8"))
        self._client = httpx.Client(base_url=str(stack["airflow_url"]), timeout=120)
        self._tokens: dict[str, str] = {}
        self._lock = threading.Lock()

    def unpause(self, dag: str) -> None:
        """Let a DAG run."""
        self._call("admin", "PATCH", f"/api/v2/dags/{dag}", {"is_paused": False})

    def trigger(self, user: str, dag: str, conf: Mapping[str, Any]) -> str:
        """Trigger a run with a form; its id, which is given here: asking again after a failure cannot make a second run."""
        run = f"api__{uuid.uuid4()}"
        try:
            self._call(user, "POST", f"/api/v2/dags/{dag}/dagRuns", {"conf": dict(conf), "logical_date": None, "dag_run_id": run})
        except AirflowApiError as error:
            if f": {ALREADY} " not in str(error):
                raise
        return run

    def run_state(self, dag: str, run: str) -> str:
        """State of a run."""
        return str(self._call("admin", "GET", f"/api/v2/dags/{dag}/dagRuns/{run}")["state"])

    def task_state(self, dag: str, run: str, task: str) -> str:
        """State of a task of a run."""
        return str(self._call("admin", "GET", f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}")["state"])

    def returned(self, dag: str, run: str, task: str) -> dict[str, Any]:
        """What a task returned.

        Raises:
            AirflowApiError: it returned nothing (it failed).
        """
        path = f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}/xcomEntries/return_value"
        value = self._call("admin", "GET", path)["value"]
        return dict(json.loads(value) if isinstance(value, str) else value)

    def answer(self, user: str, dag: str, run: str, task: str, option: str) -> None:
        """Answer a human-in-the-loop task."""
        body = {"chosen_options": [option], "params_input": {"comment": "soak"}}
        self._call(user, "PATCH", f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}/-1/hitlDetails", body)

    @retry(retry=retry_if_exception_type(AirflowBusyError), stop=stop_after_attempt(ATTEMPTS), wait=wait_exponential(max=8), reraise=True)
    def _call(self, user: str, method: str, path: str, body: Any = None) -> dict[str, Any]:
        answer = self._client.request(method, path, json=body, headers={"Authorization": f"Bearer {self._token(user)}"})
        if answer.status_code not in OK:
            kind = AirflowBusyError if answer.status_code >= FAULT else AirflowApiError
            raise kind(f"{method} {path} as {user}: {answer.status_code} {answer.text[:300]}")
        found: dict[str, Any] = answer.json()
        return found

    def _token(self, user: str) -> str:
        with self._lock:
            if user not in self._tokens:
                answer = self._client.post("/auth/token", json={"username": user, "password": self._passwords[user]})
                answer.raise_for_status()
                self._tokens[user] = str(answer.json()["access_token"])
            return self._tokens[user]


__all__ = ["AirflowApi", "AirflowApiError"]
