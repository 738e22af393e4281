"""Settings: environment variables and `.env`, read once; secrets also from files (`<NAME>_FILE`)."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Literal

from dotenv import dotenv_values
from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

REPO_ROOT = Path(__file__).resolve().parent.parent
DEFAULT_DATA_DIR = REPO_ROOT.parent / "shared" / "data"


class Settings(BaseSettings):
    """All settings of the product.

    Attributes:
        home: state folder (`DESK_HOME`): warehouse files, Airflow home, MLflow store, reports, passwords.
        data_dir: folder that the `files` source reads (`DESK_DATA_DIR`); may be absent.
        twin_profile: profile of config/twin.yaml that the `twin` source serves (`DESK_TWIN_PROFILE`); unset means the one that goes
            with `profile`: demo, test, or year for full.
        twin_cache: folder of generated twin data (`DESK_TWIN_CACHE`); unset means `twin` below `home`. May be shared by several homes.
        profile: `demo` uses the small training settings of config/models, `full` the real ones, `test` the smallest.
        shadow_required: whether a promotion needs the verdict `promote` of a shadow run (`DESK_SHADOW_REQUIRED`); unset: with `full` only.
        providers_file: providers of live data (`DESK_PROVIDERS_FILE`); unset means config/providers.yaml.
        payloads: folder of the raw answers of live feeds (`DESK_PAYLOADS`); unset means `payloads` below `home`.
        live_dir: folder of live markets, one file each (`DESK_LIVE_DIR`), written by `desk init market`.
        code_sha: overrides the code version written with every row.
        host, port, user, password, secure: ClickHouse (`CLICKHOUSE_*`); no host means the embedded server.
        yardstick_user, steward_user and passwords: accounts of a configured server that may read and load the database `truth`.
        shadow_user and password: account of a configured server as which challengers answer; without it there is no shadow run.
        mlflow_tracking_uri: MLflow server; unset means sqlite and files below `home`.
    """

    model_config = SettingsConfigDict(env_file=REPO_ROOT / ".env", env_prefix="DESK_", extra="ignore", populate_by_name=True)

    home: Path = REPO_ROOT / ".desk"
    data_dir: Path = DEFAULT_DATA_DIR
    profile: Literal["demo", "full", "test"] = "demo"
    twin_profile: str = ""
    twin_cache: Path | None = None
    shadow_verdict: bool | None = Field(default=None, validation_alias="DESK_SHADOW_REQUIRED")
    providers_file: Path | None = None
    payloads: Path | None = None
    live_dir: Path = REPO_ROOT / "config" / "live"
    code_sha: str = ""
    actor: str = Field(default_factory=lambda: os.environ.get("USER", "desk"))
    clickhouse_host: str = Field(default="", validation_alias="CLICKHOUSE_HOST")
    clickhouse_port: int = Field(default=8123, validation_alias="CLICKHOUSE_PORT")
    clickhouse_user: str = Field(default="pipeline", validation_alias="CLICKHOUSE_USER")
    clickhouse_password: SecretStr = Field(default=SecretStr(""), validation_alias="CLICKHOUSE_PASSWORD")
    clickhouse_secure: bool = Field(default=False, validation_alias="CLICKHOUSE_SECURE")
    clickhouse_yardstick_user: str = Field(default="", validation_alias="CLICKHOUSE_YARDSTICK_USER")
    clickhouse_yardstick_password: SecretStr = Field(default=SecretStr(""), validation_alias="CLICKHOUSE_YARDSTICK_PASSWORD")
    clickhouse_steward_user: str = Field(default="", validation_alias="CLICKHOUSE_STEWARD_USER")
    clickhouse_steward_password: SecretStr = Field(default=SecretStr(""), validation_alias="CLICKHOUSE_STEWARD_PASSWORD")
    clickhouse_shadow_user: str = Field(default="", validation_alias="CLICKHOUSE_SHADOW_USER")
    clickhouse_shadow_password: SecretStr = Field(default=SecretStr(""), validation_alias="CLICKHOUSE_SHADOW_PASSWORD")
    mlflow_tracking_uri: str = Field(default="", validation_alias="MLFLOW_TRACKING_URI")

    @model_validator(mode="before")
    @classmethod
    def _secrets_from_files(cls, values: dict[str, object]) -> dict[str, object]:
        """Fill `CLICKHOUSE_PASSWORD` (and those of other accounts) from the file that `CLICKHOUSE_PASSWORD_FILE` names."""
        for name in ("CLICKHOUSE_PASSWORD", "CLICKHOUSE_YARDSTICK_PASSWORD", "CLICKHOUSE_STEWARD_PASSWORD", "CLICKHOUSE_SHADOW_PASSWORD"):
            path = os.environ.get(f"{name}_FILE")
            if path and not os.environ.get(name):
                values[name] = Path(path).read_text(encoding="utf-8").strip()
        return values

    @property
    def shadow_required(self) -> bool:
        """Whether a promotion needs a won shadow run: as set, else with the full profile only."""
        return self.profile == "full" if self.shadow_verdict is None else self.shadow_verdict

    @property
    def embedded(self) -> bool:
        """True when no ClickHouse host is configured; only `warehouse/` may ask."""
        return not self.clickhouse_host

    def account(self, role: str) -> tuple[str, str]:
        """User and password of a role on a configured server; the user is empty where the role has no account."""
        if role == "yardstick":
            return self.clickhouse_yardstick_user, self.clickhouse_yardstick_password.get_secret_value()
        if role == "steward":
            return self.clickhouse_steward_user, self.clickhouse_steward_password.get_secret_value()
        if role == "shadow":
            return self.clickhouse_shadow_user, self.clickhouse_shadow_password.get_secret_value()
        return self.clickhouse_user, self.clickhouse_password.get_secret_value()

    def provider_key(self, name: str) -> str:
        """Key of a data provider: the variable, the file that `<NAME>_FILE` names, or the line of `.env`; empty where none is set.

        Raises:
            ValueError: the file cannot be read; the message names variable and file.
        """
        beside = _dotenv()
        if value := os.environ.get(name):
            return value
        if path := os.environ.get(f"{name}_FILE") or beside.get(f"{name}_FILE"):
            try:
                return Path(path).expanduser().read_text(encoding="utf-8").strip()
            except OSError as error:
                raise ValueError(f"{name}_FILE={path} cannot be read: {error.strerror}; correct the path or its mode") from error
        return beside.get(name) or ""

    @property
    def twin_profile_name(self) -> str:
        """Profile of the twin: the configured one, or the one that goes with `profile`."""
        return self.twin_profile or {"demo": "demo", "full": "year", "test": "test"}[self.profile]

    @property
    def twin_cache_folder(self) -> Path:
        """Folder of generated twin data."""
        return (self.twin_cache or self.home / "twin").expanduser().resolve()

    @property
    def payload_folder(self) -> Path:
        """Folder of the raw answers of live feeds."""
        return (self.payloads or self.home / "payloads").expanduser().resolve()

    @property
    def mlflow_uri(self) -> str:
        """Tracking URI: the configured server, or sqlite below `home`."""
        return self.mlflow_tracking_uri or f"sqlite:///{(self.home / 'mlflow' / 'mlflow.db').resolve()}"


def _dotenv() -> dict[str, str | None]:
    """Lines of `.env`."""
    path = REPO_ROOT / ".env"
    return dict(dotenv_values(path)) if path.exists() else {}


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The process-wide settings; tests clear the cache with `get_settings.cache_clear()`."""
    settings = Settings()
    return settings.model_copy(update={"home": settings.home.expanduser().resolve(), "data_dir": settings.data_dir.expanduser().resolve()})
