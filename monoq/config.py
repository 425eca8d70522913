"""Every setting, once: its name, default, bounds and meaning. A wrong value must stop the start
with one line, never later."""

import base64
import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AliasChoices,
    DirectoryPath,
    Field,
    IPvAnyNetwork,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from monoq.errors import ConfigError

# of the command line, of its children, and of tests
OTHERS = {"MONOQ_URL", "MONOQ_RELOADER", "MONOQ_FAILPOINT"}

Role = Literal["api", "worker", "all"]
CommaSeparated = Annotated[tuple[str, ...], NoDecode]
Secrets = Annotated[tuple[SecretStr, ...], NoDecode]
Networks = Annotated[tuple[IPvAnyNetwork, ...], NoDecode]


def _env(*names: str) -> AliasChoices:
    """The environment names of a setting, the first of those present wins; the field's own name is
    for flags and tests."""
    return AliasChoices(*names)


class Settings(BaseSettings):
    """Read from flags, then MONOQ_… in the environment, then these defaults."""

    model_config = SettingsConfigDict(
        env_prefix="MONOQ_", extra="ignore", frozen=True, populate_by_name=True
    )

    role: Role = Field("all", description="what this process does: api, worker or all")
    app: str | None = Field(
        None,
        description="your handlers, as package.module:app; the built-in job types are always there",
    )
    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(
        8000,
        ge=0,
        le=65535,
        validation_alias=_env("MONOQ_PORT", "PORT"),
        description="port to listen on; 0: any free one",
    )
    server: Literal["hypercorn", "uvicorn"] = Field(
        "hypercorn", description="HTTP server; uvicorn, if installed, is several times as fast"
    )
    allowed_hosts: CommaSeparated = Field(
        (),
        description="Host names served besides localhost and the bound address, comma-separated;"
        " `*` serves any",
    )
    trusted_proxies: Networks = Field(
        (), description="addresses and networks of proxies whose X-Forwarded-* headers are trusted"
    )
    allowed_networks: Networks = Field(
        (),
        description="internal addresses and networks that webhooks may call, comma-separated;"
        " unset: only the public network",
    )
    webhook_secrets: Secrets = Field(
        (),
        description="one or two secrets, `whsec_…`, comma-separated, that sign webhooks; the first"
        " signs first; without one they are not signed",
    )
    database_url: str | None = Field(
        None,
        validation_alias=_env("MONOQ_DATABASE_URL", "DATABASE_URL"),
        description="PostgreSQL 15+; unset: embedded",
    )
    redis_url: str | None = Field(
        None,
        validation_alias=_env("MONOQ_REDIS_URL", "REDIS_URL"),
        description="Redis 6.2+ or Valkey; unset: embedded",
    )
    data_dir: Path = Field(Path(".monoq"), description="where the embedded engines keep their data")
    database_connections: int = Field(
        10,
        ge=4,
        le=200,
        description="PostgreSQL connections per role of a process; an API reserves two for"
        " submits and one for its health check",
    )
    accept_unknown_types: bool = Field(
        False, description="accept jobs of types that no worker has registered"
    )
    batch_size: int = Field(
        500,
        ge=1,
        le=10_000,
        validation_alias=_env("MONOQ_BATCH_SIZE", "BATCH_SIZE"),
        description="maximum of jobs claimed at once",
    )
    slots: int = Field(
        2000, ge=1, le=100_000, description="maximum of async jobs that a worker runs at once"
    )
    threads: int = Field(
        16, ge=1, le=1000, description="threads for handlers that are plain functions"
    )
    children: int = Field(
        32,
        ge=1,
        le=1000,
        description="maximum of jobs at once in processes of their own: isolated, and suspects",
    )
    max_share: float = Field(
        0.9,
        ge=0.5,
        le=1.0,
        description="part of a worker's slots, threads and children that one tenant may hold, in"
        " whole ones; the rest is for the others. 1: all",
    )
    child_memory: int = Field(
        2048, ge=0, description="megabytes that a child process may use; 0: no limit"
    )
    max_result: int = Field(
        1_048_576,
        ge=1000,
        le=100_000_000,
        description="maximum bytes of a result, as JSON; a job with a larger one has FAILED",
    )
    lease: float = Field(
        10.0,
        gt=0,
        le=3600,
        description="seconds for which a worker's claims are valid without a heartbeat",
    )
    beat: float = Field(
        0.5, gt=0, le=600, description="seconds between heartbeats; at most a third of the lease"
    )
    watchdog: float = Field(
        8.0,
        ge=0,
        le=3600,
        description="seconds that C code may block the process before it is ended, at least three"
        " beats; 0: no limit",
    )
    start_timeout: float = Field(
        10.0,
        ge=0,
        le=3600,
        description="seconds that a start waits for PostgreSQL to answer",
    )
    shutdown_timeout: float = Field(
        10.0, ge=0, le=3600, description="maximum seconds of a stop, then it is forced"
    )
    drain: float = Field(
        0.0,
        ge=0,
        le=600,
        description="seconds that a stopping API still serves while its health returns 503",
    )
    smtp_url: SecretStr | None = Field(
        None,
        description="the mail server of `email` jobs: smtp://user:password@host:587 or smtps://…",
    )
    smtp_from: str | None = Field(
        None, description="the sender of `email` jobs without a `from`: Shop <shop@example.com>"
    )
    smtp_connections: int = Field(
        8, ge=1, le=200, description="maximum of connections from a worker to the mail server"
    )
    files_dir: DirectoryPath | None = Field(
        None, description="folder whose files `csv_profile` jobs may read; unset: none"
    )
    csv_max_bytes: int = Field(
        4_294_967_296,
        ge=1,
        description="maximum bytes of a file that a `csv_profile` job reads or downloads",
    )
    keep_completed_days: float = Field(
        7.0,
        ge=0,
        le=36_500,
        description="days for which COMPLETED jobs are kept; 0: until viewers have their end",
    )
    keep_failed_days: float = Field(
        30.0,
        ge=0,
        le=36_500,
        description="days for which FAILED and CANCELLED jobs are kept; 0: as above",
    )
    keep_keys_days: float = Field(
        7.0,
        gt=0,
        le=36_500,
        description="minimum days for which an idempotency key returns its first job",
    )
    metrics_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="port that serves only GET /metrics; 0: any free one",
    )
    metrics_host: str = Field("127.0.0.1", description="address that the metrics port listens on")
    log: Literal["console", "json"] = Field(
        "console", description="log format: for people, or one JSON object a line"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least severe level that is logged"
    )

    @model_validator(mode="before")
    @classmethod
    def _split_lists(cls, values: dict[str, Any]) -> dict[str, Any]:
        for name in ("allowed_hosts", "trusted_proxies", "allowed_networks", "webhook_secrets"):
            if isinstance(listed := values.get(name), str):
                values[name] = tuple(filter(None, re.split(r"[\s,]+", listed)))
        return values

    @field_validator("webhook_secrets", mode="after")
    @classmethod
    def _secrets_sign(cls, secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if len(secrets) > 2:
            raise ValueError("at most two secrets: the new one and the previous one")
        for secret in secrets:
            if not is_webhook_secret(secret.get_secret_value()):
                raise ValueError("a secret must be whsec_ and the base64 of 24 to 64 random bytes")
        return secrets

    @model_validator(mode="after")
    def _lease_outlives_missed_beats(self) -> "Settings":
        if self.lease < 3 * self.beat:
            raise ValueError("MONOQ_LEASE must be at least three times MONOQ_BEAT")
        # it is fed at each beat: a shorter one would end a process that is well
        if 0 < self.watchdog < 3 * self.beat:
            raise ValueError("MONOQ_WATCHDOG must be 0 or at least three times MONOQ_BEAT")
        return self

    @model_validator(mode="after")
    def _drain_leaves_time_to_stop(self) -> "Settings":
        if self.drain > self.shutdown_timeout / 2:
            raise ValueError("MONOQ_DRAIN must be at most half of MONOQ_SHUTDOWN_TIMEOUT")
        return self


def is_webhook_secret(text: str) -> bool:
    """Whether this is a secret as Standard Webhooks has it."""
    try:
        key = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except ValueError:
        return False
    return text.startswith("whsec_") and 24 <= len(key) <= 64


def env_names(name: str) -> list[str]:
    """The environment variables that set a field, the strongest first."""
    alias = Settings.model_fields[name].validation_alias
    return (
        [str(choice) for choice in alias.choices]
        if isinstance(alias, AliasChoices)
        else [f"MONOQ_{name.upper()}"]
    )


def unknown_variables(names: Iterable[str]) -> list[str]:
    """Variables that begin like a setting but are none, each with the setting that may be meant."""
    known = {name for field in Settings.model_fields for name in env_names(field)} | OTHERS
    strangers = sorted(name for name in names if name.startswith("MONOQ_") and name not in known)
    return [
        f"{name} is no setting" + (f"; is {meant[0]} meant?" if meant else "")
        for name in strangers
        for meant in [get_close_matches(name, known, n=1)]
    ]


def load_settings(**flags: Any) -> Settings:
    """Settings from flags (None: not given) and the environment; raises ConfigError with one line
    that names the variable."""
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        problem = error.errors()[0]
        where = str(problem["loc"][0]) if problem["loc"] else ""
        name = env_names(where)[0] if where in Settings.model_fields else where
        is_secret = where == "webhook_secrets"
        got = f" (got {problem['input']!r})" if where and not is_secret else ""
        raise ConfigError(
            f"{name}{': ' if name else ''}{problem['msg'].removeprefix('Value error, ')}{got}"
        ) from None
