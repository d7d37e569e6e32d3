"""The desk's settings: the environment, read once, into one frozen and checked object."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class SettingsError(Exception):
    """A setting is missing or wrong; the message is one sentence that names it."""


def _address(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError("must be host:port")
    return value


def _folder(value: Path) -> Path:
    if not value.is_dir():
        raise ValueError(f"{value} is no folder")
    return value


def _file_in_writable_folder(value: Path) -> Path:
    if value.is_dir():
        raise ValueError(f"{value} is a folder, not a file")
    if not value.parent.is_dir():
        raise ValueError(f"the folder {value.parent} does not exist")
    if not os.access(value.parent, os.W_OK):
        raise ValueError(f"the folder {value.parent} cannot be written to")
    return value


class Settings(BaseSettings):
    """All settings of the desk, each ``FIREWATCH_DESK_<FIELD>`` but for the folder of runbooks.

    Durations are in seconds or days and say so in their names.
    """

    model_config = SettingsConfigDict(env_prefix="FIREWATCH_DESK_", frozen=True, extra="ignore")

    bind: Annotated[str, AfterValidator(_address)] = "127.0.0.1:8090"
    threads: Annotated[int, Field(ge=1, le=32)] = 4
    db: Annotated[Path, AfterValidator(_file_in_writable_folder)]
    runbooks_dir: Annotated[
        Path,
        Field(validation_alias="FIREWATCH_RUNBOOKS_DIR", validate_default=True),
        AfterValidator(_folder),
    ] = Path("runbooks")
    token: SecretStr | None = None
    token_file: Path | None = None

    deadman_seconds: Annotated[int, Field(ge=1)] = 180
    refresh_seconds: Annotated[int, Field(ge=2)] = 15
    # Longer than Alertmanager's longest repeat_interval, so that a page still open was heard since.
    stale_seconds: Annotated[int, Field(ge=60)] = 5 * 3600
    keep_days: Annotated[int, Field(ge=1)] = 90
    keep_alerts: Annotated[int, Field(ge=1)] = 5000
    # Alertmanager never retries a notification answered 4xx: room for a very bad day.
    max_body_bytes: Annotated[int, Field(ge=1024)] = 16 * 1024 * 1024

    @model_validator(mode="after")
    def _one_readable_token(self) -> Self:
        if self.token is not None and self.token_file is not None:
            raise ValueError(
                "FIREWATCH_DESK_TOKEN and FIREWATCH_DESK_TOKEN_FILE are both set; choose one"
            )
        if (self.token is not None or self.token_file is not None) and not self.bearer_token:
            raise ValueError("the token of FIREWATCH_DESK_TOKEN or its file is empty or unreadable")
        return self

    @property
    def bearer_token(self) -> str | None:
        """The token that the webhook demands; None when it demands none."""
        if self.token is not None:
            return self.token.get_secret_value().strip()
        if self.token_file is None:
            return None
        try:
            return self.token_file.read_text().strip()
        except (OSError, UnicodeDecodeError):
            return ""


def load_settings() -> Settings:
    """Read the environment.

    Raises:
        SettingsError: naming the first setting that is missing or wrong.
    """
    try:
        return Settings()  # type: ignore[call-arg]
    except ValidationError as error:
        raise SettingsError(_sentence(error)) from None


def _sentence(error: ValidationError) -> str:
    # Never the value given: it may be a secret.
    first = error.errors(include_input=False, include_url=False)[0]
    reason = first["msg"].removeprefix("Value error, ")
    where = str(first["loc"][0]) if first["loc"] else ""
    if not where:
        return f"The desk's settings are wrong: {reason}."
    name = where if where.isupper() else f"FIREWATCH_DESK_{where.upper()}"
    return f"{name} is not set." if first["type"] == "missing" else f"{name} is wrong: {reason}."
