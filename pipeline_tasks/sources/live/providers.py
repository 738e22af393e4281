"""config/providers.yaml: where each provider is, how it wants to be asked, and what may be done with its data."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from config.settings import REPO_ROOT, get_settings


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Key(_Strict):
    """A provider's key.

    Attributes:
        setting: environment variable (or `<NAME>_FILE`) that holds it.
        sent_as: query parameter or header.
        name: its name there.
        required: whether nothing is answered without it.
        register_at: where a key is to be had.
    """

    setting: str
    sent_as: Literal["query", "header"]
    name: str
    required: bool = True
    register_at: str


class Retry(_Strict):
    """Exponential backoff with jitter and cap.

    Attributes:
        attempts: tries in all.
        first_s: first upper bound of the random pause, doubled each time.
        max_s: cap of the pause.
        longest_wait_s: cap of a pause the provider asks for (Retry-After).
    """

    attempts: int = Field(ge=1, le=20)
    first_s: float = Field(ge=0, le=600)
    max_s: float = Field(ge=0, le=3600)
    longest_wait_s: float = Field(ge=0, le=3600)


class BreakerSettings(_Strict):
    """Failed requests in a row that open the circuit, and how long it stays open."""

    failures: int = Field(ge=1, le=100)
    cooldown_s: float = Field(ge=0, le=86_400)


class Licence(_Strict):
    """What may be done with the data, as this project reads the provider's terms; the desk's own contract rules.

    Attributes:
        name: tag that travels with exports.
        url: where the terms stand.
        attribution: what to write beside the data; empty for nothing.
        redistribute: `yes` freely; `derived` for results made of it but not the values themselves; `no` for neither.
    """

    name: str
    url: str
    attribution: str = ""
    redistribute: Literal["yes", "derived", "no"]


class Provider(_Strict):
    """One provider.

    Attributes:
        name: key.
        label: name for people.
        base_url: where relative requests go.
        key: its key; None where none is wanted.
        rate_per_min: most requests a minute, all processes together.
        timeout_s: longest wait for an answer.
        retry: retries of a request.
        breaker: circuit breaker.
        refresh_min: an answer about a chunk that may still change is used again for so long.
        retention_days: how long raw answers are kept.
        licence: terms of its data.
    """

    name: str
    label: str
    base_url: str
    key: Key | None = None
    rate_per_min: float = Field(gt=0, le=100_000)
    timeout_s: float = Field(gt=0, le=600)
    retry: Retry
    breaker: BreakerSettings
    refresh_min: float = Field(ge=0, le=10_080)
    retention_days: int = Field(ge=1, le=10_000)
    licence: Licence


def providers_file() -> Path:
    """`DESK_PROVIDERS_FILE`, else config/providers.yaml."""
    return get_settings().providers_file or REPO_ROOT / "config" / "providers.yaml"


def load_providers(path: Path | None = None) -> dict[str, Provider]:
    """All providers by name; `defaults` of the file fill what an entry leaves out.

    Raises:
        ValueError: the file breaks its schema; the message names provider, field and value.
    """
    return _load(path or providers_file())


@lru_cache(maxsize=8)
def _load(path: Path) -> dict[str, Provider]:
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {name: Provider(name=name, **{**raw.get("defaults", {}), **fields}) for name, fields in raw["providers"].items()}


def key_of(provider: Provider) -> str:
    """The provider's key from the environment, `.env` or the file that `<NAME>_FILE` names; empty where it is not set."""
    return get_settings().provider_key(provider.key.setting) if provider.key else ""
