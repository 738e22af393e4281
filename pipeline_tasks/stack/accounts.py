"""Accounts and secrets of the local Airflow: random, kept in 0600 files below the state folder, made once."""

from __future__ import annotations

import base64
import json
import os
import secrets
from pathlib import Path

ACCOUNTS: dict[str, str] = {"admin": "ADMIN", "trader": "USER", "risk": "USER", "viewer": "VIEWER"}
"""User -> role: traders ask for promotions, risk approves them, viewers read. The promote DAG keeps asker and approver apart."""


def ensure_accounts(home: Path) -> dict[str, str]:
    """Passwords by user; made on first use.

    Args:
        home: AIRFLOW_HOME.
    """
    path = accounts_file(home)
    known: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if set(ACCOUNTS) - set(known):
        known = {user: known.get(user) or secrets.token_urlsafe(12) for user in ACCOUNTS}
        write_private(path, json.dumps(known) + "\n")
    return known


def accounts_file(home: Path) -> Path:
    """Where the passwords are; Airflow's SimpleAuthManager reads the same file."""
    return home / "accounts.json"


def ensure_secrets(home: Path) -> dict[str, str]:
    """Keys that all Airflow components must share, as environment variables; made on first use."""
    path = home / "secrets.json"
    if not path.is_file():
        made = {
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
            "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        }
        write_private(path, json.dumps(made) + "\n")
    found: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return found


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read; it never exists with wider rights."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    temporary.replace(path)
