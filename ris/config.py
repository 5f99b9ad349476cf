"""Typed configuration: ``ris.toml``, then ``RIS_*`` in the environment, then ``RIS_SECRETS_DIR``.

Later sources win. ``__`` nests: ``RIS_DICOM__PORT`` is ``port`` in ``[dicom]``. A name that does
not exist is refused everywhere, because a misspelled security setting that is silently ignored is
worse than a start that fails. What operators change while running (endpoints, catalog, hours) is
data with audit, not configuration.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BaseModel,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_settings import (
    BaseSettings,
    NestedSecretsSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings.exceptions import SettingsError

from ris.config_sections import (
    Authorization,
    Delivery,
    Dicom,
    Fhir,
    Http,
    Images,
    Mllp,
    Names,
    Patients,
    Performing,
    Reports,
    Section,
    Session,
)

PREFIX = "RIS_"
CONFIG_FILE = "RIS_CONFIG_FILE"
SECRETS_DIR = "RIS_SECRETS_DIR"
# Read before or beside the configuration: where it is, what the supervisor tells its children, and
# what the test suite asks for.
OUTSIDE = frozenset({CONFIG_FILE, SECRETS_DIR, "RIS_PARENT_FD", "RIS_CHROMIUM"})
OUTSIDE_PREFIX = "RIS_TEST_"


class ConfigurationError(Exception):
    """A setting is unknown or has a value that cannot work; the text is one line."""


class Configuration(BaseSettings):
    """Every setting there is; ``docs/reference/settings.md`` is generated from here."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        validate_default=True,
    )

    data_dir: Path = Field(
        default=Path("var"), description="Folder of database, secret key, queue folder and backups."
    )
    database_url: SecretStr = Field(
        default=SecretStr(""), description="`postgresql://…`; empty: SQLite in the data directory."
    )
    broker_url: SecretStr = Field(
        default=SecretStr(""),
        description="`redis://…` or `amqp://…`; empty: a queue folder in the data directory.",
    )
    secret_key: SecretStr = Field(
        default=SecretStr(""),
        description="Signs sessions; empty: made once, in the data directory.",
    )
    base_url: str = Field(
        default="",
        description="Address users and peers see; empty: made from http.host and http.port.",
    )
    allowed_hosts: Names = Field(
        default=(), description="Further host names the pages are served under, comma-separated."
    )
    time_zone: str = Field(default="UTC", description="Time zone of the site, an IANA name.")
    site_name: str = Field(
        default="Radiology", max_length=64, description="Name shown on every page."
    )
    demo: bool = Field(default=False, description="The demo site; set by `ris up --demo`.")
    debug: bool = Field(default=False, description="Django's debug pages; for development only.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe log line written; debug may show patient data."
    )
    http: Http = Field(default_factory=Http)
    dicom: Dicom = Field(default_factory=Dicom)
    mllp: Mllp = Field(default_factory=Mllp)
    performing: Performing = Field(default_factory=Performing)
    authorization: Authorization = Field(default_factory=Authorization)
    fhir: Fhir = Field(default_factory=Fhir)
    images: Images = Field(default_factory=Images)
    session: Session = Field(default_factory=Session)
    reports: Reports = Field(default_factory=Reports)
    delivery: Delivery = Field(default_factory=Delivery)
    patients: Patients = Field(default_factory=Patients)

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("is no IANA time zone such as Europe/Vienna") from None
        return value

    @field_validator("database_url")
    @classmethod
    def _is_a_database(cls, value: SecretStr) -> SecretStr:
        return _with_scheme(value, "postgresql", "postgres", "sqlite")

    @field_validator("broker_url")
    @classmethod
    def _is_a_broker(cls, value: SecretStr) -> SecretStr:
        return _with_scheme(value, "redis", "rediss", "amqp", "amqps")

    @field_validator("base_url")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in {"http", "https"} or not parts.hostname):
            raise ValueError("must be http://host[:port] or https://host[:port]")
        return value.rstrip("/")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (
            init_settings,
            *(source for _, source in _files_first(settings_cls, env_settings)),
        )

    # What others ask for, computed from the stored settings.

    @property
    def home(self) -> Path:
        """The data directory, independent of later changes of the working directory."""
        return self.data_dir.expanduser().absolute()

    @property
    def database_is_sqlite(self) -> bool:
        return not self.database_url.get_secret_value().startswith("postgres")

    @property
    def sqlite_path(self) -> Path:
        return self.home / "ris.sqlite3"

    @property
    def broker_is_embedded(self) -> bool:
        return not self.broker_url.get_secret_value()

    @property
    def public_url(self) -> str:
        """Where users and peers reach the pages, without a trailing slash."""
        if self.base_url:
            return self.base_url
        scheme = "https" if self.http.tls_cert else "http"
        host = connectable(self.http.host)
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.http.port}"


def _with_scheme(value: SecretStr, *schemes: str) -> SecretStr:
    text = value.get_secret_value()
    if text and urlsplit(text).scheme not in schemes:
        raise ValueError(f"must begin with {', '.join(f'{scheme}://' for scheme in schemes)}")
    return value


def connectable(host: str) -> str:
    """A listening address as one can connect to it from this machine."""
    return {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104


def config_file() -> Path:
    return Path(os.environ.get(CONFIG_FILE) or "ris.toml")


def _files_first(
    settings_cls: type[BaseSettings], env_settings: PydanticBaseSettingsSource
) -> Iterator[tuple[str, PydanticBaseSettingsSource]]:
    """The sources with the names shown to the operator, strongest first."""
    folder = os.environ.get(SECRETS_DIR)
    if folder:
        if not Path(folder).is_dir():
            raise ConfigurationError(f"{SECRETS_DIR}: {folder} is not a folder")
        from pydantic_settings.sources import SecretsSettingsSource

        yield (
            "secrets folder",
            NestedSecretsSettingsSource(
                SecretsSettingsSource(settings_cls, folder), secrets_nested_delimiter="__"
            ),
        )
    yield "environment", env_settings
    yield "ris.toml", TomlConfigSettingsSource(settings_cls, config_file())


def env_name(path: tuple[str, ...]) -> str:
    """The environment variable of a setting: ``("dicom", "port")`` is ``RIS_DICOM__PORT``."""
    return PREFIX + "__".join(path).upper()


def leaves(model: type[BaseModel] = Configuration) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every setting as (path, pydantic field), in the order of declaration."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            for path, inner in leaves(kind):
                yield (name, *path), inner
        else:
            yield (name,), field


def _refuse_unknown_names(environment: Mapping[str, str]) -> None:
    """pydantic-settings ignores an unknown top-level variable; a typo must not pass."""
    sections = {
        name
        for name, field in Configuration.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
    }
    known = {env_name(path) for path, _ in leaves()}
    for name in sorted(environment):
        if not name.startswith(PREFIX) or name in OUTSIDE or name.startswith(OUTSIDE_PREFIX):
            continue
        if name not in known:
            section = name.removeprefix(PREFIX).split("__")[0].lower()
            hint = f" in the section [{section}]" if section in sections else ""
            raise ConfigurationError(f"{name}: no such setting{hint}")


@cache
def load() -> Configuration:
    """Read the configuration once per process."""
    _refuse_unknown_names(os.environ)
    try:
        return Configuration()
    except ValidationError as error:
        raise ConfigurationError(
            "; ".join(
                f"{env_name(tuple(str(part) for part in problem['loc']))}: {_words(problem)}"
                for problem in error.errors()
            )
        ) from None
    except (SettingsError, OSError, ValueError) as error:
        # SettingsError: a section given as one value; ValueError: ris.toml is no TOML.
        raise ConfigurationError(f"{config_file()}: {error}") from None


def _words(problem: Any) -> str:
    if problem["type"] == "extra_forbidden":
        return "no such setting"
    return str(problem["msg"]).removeprefix("Value error, ")


def origins() -> dict[tuple[str, ...], str]:
    """Where each setting that is not at its default comes from."""
    from pydantic_settings import EnvSettingsSource

    found: dict[tuple[str, ...], str] = {}
    for name, source in _files_first(Configuration, EnvSettingsSource(Configuration)):
        for path in _paths(source()):
            found.setdefault(path, name)
    return found


def _paths(values: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _paths(value, (*above, name))
        else:
            yield (*above, name)


def value_of(configuration: BaseModel, path: tuple[str, ...]) -> Any:
    value: Any = configuration
    for name in path:
        value = getattr(value, name)
    return value


def masked(value: Any) -> str:
    """A setting as it may be shown: passwords and keys hidden."""
    if not isinstance(value, SecretStr):
        if isinstance(value, tuple):
            return ", ".join(map(str, value))
        return str("" if value is None else value)
    text = value.get_secret_value()
    parts = urlsplit(text)
    if not text or not parts.scheme or not parts.hostname:
        return "********" if text else ""
    port = f":{parts.port}" if parts.port else ""
    who = f"{parts.username or ''}:********@" if parts.password else ""
    return urlunsplit((parts.scheme, f"{who}{parts.hostname}{port}", parts.path, "", ""))
