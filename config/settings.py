"""Settings: environment variables and `.env`, read once; secrets also from files (`<NAME>_FILE`)."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

REPO_ROOT = Path(__file__).resolve().parent.parent
DEFAULT_DATA_DIR = REPO_ROOT.parent / "shared" / "data"


class Settings(BaseSettings):
    """All settings of the product.

    Attributes:
        home: state folder (`DESK_HOME`): warehouse files, Airflow home, MLflow store, reports, passwords.
        data_dir: folder that the `files` source reads (`DESK_DATA_DIR`); may be absent.
        profile: `demo` uses the small training settings of config/models, `full` the real ones, `test` the smallest.
        code_sha: overrides the code version written with every row.
        host, port, user, password, secure: ClickHouse (`CLICKHOUSE_*`); no host means the embedded server.
        mlflow_tracking_uri: MLflow server; unset means sqlite and files below `home`.
    """

    model_config = SettingsConfigDict(env_file=REPO_ROOT / ".env", env_prefix="DESK_", extra="ignore", populate_by_name=True)

    home: Path = REPO_ROOT / ".desk"
    data_dir: Path = DEFAULT_DATA_DIR
    profile: Literal["demo", "full", "test"] = "demo"
    code_sha: str = ""
    actor: str = Field(default_factory=lambda: os.environ.get("USER", "desk"))
    clickhouse_host: str = Field(default="", validation_alias="CLICKHOUSE_HOST")
    clickhouse_port: int = Field(default=8123, validation_alias="CLICKHOUSE_PORT")
    clickhouse_user: str = Field(default="pipeline", validation_alias="CLICKHOUSE_USER")
    clickhouse_password: SecretStr = Field(default=SecretStr(""), validation_alias="CLICKHOUSE_PASSWORD")
    clickhouse_secure: bool = Field(default=False, validation_alias="CLICKHOUSE_SECURE")
    mlflow_tracking_uri: str = Field(default="", validation_alias="MLFLOW_TRACKING_URI")

    @model_validator(mode="before")
    @classmethod
    def _secrets_from_files(cls, values: dict[str, object]) -> dict[str, object]:
        """Fill `CLICKHOUSE_PASSWORD` from the file that `CLICKHOUSE_PASSWORD_FILE` names."""
        path = os.environ.get("CLICKHOUSE_PASSWORD_FILE")
        if path and not os.environ.get("CLICKHOUSE_PASSWORD"):
            values["CLICKHOUSE_PASSWORD"] = Path(path).read_text(encoding="utf-8").strip()
        return values

    @property
    def embedded(self) -> bool:
        """True when no ClickHouse host is configured; only `warehouse/` may ask."""
        return not self.clickhouse_host

    @property
    def mlflow_uri(self) -> str:
        """Tracking URI: the configured server, or sqlite below `home`."""
        return self.mlflow_tracking_uri or f"sqlite:///{(self.home / 'mlflow' / 'mlflow.db').resolve()}"


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The process-wide settings; tests clear the cache with `get_settings.cache_clear()`."""
    settings = Settings()
    return settings.model_copy(update={"home": settings.home.expanduser().resolve(), "data_dir": settings.data_dir.expanduser().resolve()})
