"""Typed configuration: ``ris.toml``, then ``RIS_*`` in the environment, then ``RIS_SECRETS_DIR``.

Later sources win. ``__`` nests: ``RIS_DICOM__PORT`` is ``port`` in ``[dicom]``. A name that does
not exist is refused everywhere, because a misspelled security setting that is silently ignored is
worse than a start that fails. What operators change while running (endpoints, catalog, hours) is
data with audit, not configuration.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit, urlunsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    NestedSecretsSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings.exceptions import SettingsError

PREFIX = "RIS_"
CONFIG_FILE = "RIS_CONFIG_FILE"
SECRETS_DIR = "RIS_SECRETS_DIR"
# Read before or beside the configuration: where it is, what the supervisor tells its children, and
# what the test suite asks for.
OUTSIDE = frozenset({CONFIG_FILE, SECRETS_DIR, "RIS_PARENT_FD", "RIS_CHROMIUM"})
OUTSIDE_PREFIX = "RIS_TEST_"


class ConfigurationError(Exception):
    """A setting is unknown or has a value that cannot work; the text is one line."""


def _split(value: object) -> object:
    """Read a comma-separated list, as environment variables carry it."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Days = Annotated[tuple[int, ...], NoDecode, BeforeValidator(_split)]
Port = Annotated[int, Field(ge=1, le=65535)]


class Section(BaseModel):
    """A table of ris.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class Listener(Section):
    """A listener with a plain port and, once a certificate is named, a TLS port beside it."""

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    tls_port: Port | None = Field(default=None, description="Adds a TLS listener on this port.")
    tls_cert: Path | None = Field(
        default=None, description="Certificate chain of the TLS listener, PEM."
    )
    tls_key: Path | None = Field(default=None, description="Private key of the TLS listener, PEM.")
    tls_ca: Path | None = Field(
        default=None, description="Client certificates must be signed by this authority, PEM."
    )

    @model_validator(mode="after")
    def _tls_is_complete(self) -> Self:
        if self.tls_port is not None and not (self.tls_cert and self.tls_key):
            raise ValueError("tls_port needs tls_cert and tls_key")
        if self.tls_port is None and (self.tls_cert or self.tls_key or self.tls_ca):
            raise ValueError("tls_cert, tls_key and tls_ca need tls_port")
        return self


class Http(Section):
    """Web pages, REST and FHIR."""

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: Port = Field(default=8000, description="Port of web pages, REST and FHIR.")
    workers: int = Field(default=1, ge=1, le=64, description="Web processes.")
    threads: int = Field(
        default=8, ge=1, le=256, description="Requests served at once, per process."
    )
    streams: int = Field(
        default=200,
        ge=0,
        le=2000,
        description="Open pages that hear of changes at once, per process. Others, and all of "
        "them with 0, ask every 15 to 30 seconds.",
    )
    tls_cert: Path | None = Field(
        default=None, description="Certificate chain, PEM; turns HTTPS on."
    )
    tls_key: Path | None = Field(default=None, description="Private key of tls_cert, PEM.")
    behind_proxy: bool = Field(
        default=False,
        description="A reverse proxy on this host ends TLS and sets X-Forwarded-Proto and -For.",
    )
    metrics_from: Names = Field(
        default=("127.0.0.0/8", "::1/128"),
        description="Networks that may read /metrics, comma-separated.",
    )
    allow_plain: bool = Field(
        default=False, description="Serve plain HTTP on an address other machines can reach."
    )

    @field_validator("metrics_from")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            try:
                ipaddress.ip_network(network)
            except ValueError:
                raise ValueError(f"{network} is no network such as 10.1.0.0/16") from None
        return value

    @model_validator(mode="after")
    def _tls_is_complete(self) -> Self:
        if bool(self.tls_cert) != bool(self.tls_key):
            raise ValueError("tls_cert and tls_key go together")
        return self


class Worklist(Section):
    """A named worklist: what a device sees that calls us by its name; empty parts show all."""

    stations: Names = Field(default=(), description="AE titles of stations, wildcards allowed.")
    modalities: Names = Field(default=(), description="Modalities.")
    sites: Names = Field(default=(), description="Names of sites: the stations in their rooms.")


class Dicom(Listener):
    """The DICOM listener: worklist and MPPS."""

    port: Port = Field(default=11112, description="Port of the DICOM listener.")
    ae_title: str = Field(default="RIS", description="AE title, at most 16 characters (PS3.5 6.2).")
    unknown_ae: Literal["refuse", "accept"] = Field(
        default="refuse", description="What happens to calling AE titles that are not registered."
    )
    tls_crl: Path | None = Field(
        default=None,
        description="Revocation lists, PEM, one for each authority in tls_ca; client certificates "
        "on them are refused.",
    )
    tls_profile: Literal["bcp195", "modified"] = Field(
        default="bcp195",
        description="Secure transport profile: bcp195 (PS3.15 B.12) or modified (B.13).",
    )
    processes: int = Field(
        default=1, ge=1, le=64,
        description="Processes that share the port; the limits below hold for each of them.",
    )  # fmt: skip
    threads: int = Field(default=8, ge=1, le=256, description="DIMSE requests answered at once.")
    associations: int = Field(default=2000, ge=1, description="Open associations, in all.")
    associations_per_address: int = Field(
        default=64, ge=1, description="Open associations per peer."
    )
    associations_per_ae: int = Field(
        default=32, ge=1,
        description="Open associations per calling AE title; a device may have its own.",
    )  # fmt: skip
    queries_per_minute: int = Field(
        default=0, ge=0,
        description="Worklist queries per calling AE title above which A700 is answered; 0 for "
        "any number. A device may have its own.",
    )  # fmt: skip
    idle_seconds: float = Field(
        default=60, gt=0, description="An idle association is released after this."
    )
    associate_seconds: float = Field(
        default=5,
        gt=0,
        description="A new connection must have asked for an association by then; with TLS it "
        "has the same again for the handshake before.",
    )
    pdu_seconds: float = Field(
        default=10, gt=0, description="A begun PDU must be complete by then."
    )
    write_seconds: float = Field(
        default=30, gt=0, description="A peer that reads nothing for so long is cut off."
    )
    matches: int = Field(default=500, ge=1, description="Most worklist answers to one query.")
    statement_seconds: float = Field(
        default=5, ge=0,
        description="PostgreSQL ends a statement that takes longer; the query is answered A700. "
        "0 for no end.",
    )  # fmt: skip
    window_days: Days = Field(
        default=(1, 7),
        description="Days before and after today that a worklist query gets which names no day, "
        "patient or number; empty for all. A device may have its own.",
    )
    query_days: int = Field(
        default=90, ge=0,
        description="Days for which worklist queries are kept to be explained; 0: for ever. The "
        "audit trail and the timeline of an order keep theirs.",
    )  # fmt: skip
    worklists: dict[str, Worklist] = Field(
        default={},
        description="Named worklists, by the AE title they are called by beside ours: tables of "
        "`stations`, `modalities` and `sites`.",
    )

    @model_validator(mode="after")
    def _revocations_have_an_authority(self) -> Self:
        if self.tls_crl is not None and self.tls_ca is None:
            raise ValueError("tls_crl needs tls_ca")
        return self

    @field_validator("window_days")
    @classmethod
    def _is_a_window(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(value) not in {0, 2} or not all(0 <= days <= 3660 for days in value):
            raise ValueError("must be two numbers of days, before and after today, or empty")
        return value

    @field_validator("worklists")
    @classmethod
    def _are_called(cls, value: dict[str, Worklist]) -> dict[str, Worklist]:
        for title in value:
            cls._is_an_ae_title(title)
        return value

    @field_validator("ae_title")
    @classmethod
    def _is_an_ae_title(cls, value: str) -> str:
        if not value.strip() or len(value) > 16:
            raise ValueError("must be 1 to 16 characters")
        if "\\" in value or not value.isascii() or not value.isprintable():
            raise ValueError("must be printable ASCII without backslash")
        return value


class Mllp(Listener):
    """The HL7 v2 listener."""

    port: Port = Field(default=2575, description="Port of the MLLP listener.")
    unknown_senders: Literal["refuse", "accept"] = Field(
        default="refuse", description="What happens to HL7 senders that are not registered."
    )
    threads: int = Field(default=8, ge=1, le=256, description="Messages applied at once.")
    connections: int = Field(default=256, ge=1, description="Open connections, in all.")
    frame_bytes: int = Field(default=16 * 1024 * 1024, ge=1024, description="Longest message.")
    frame_seconds: float = Field(
        default=5,
        gt=0,
        description="A begun message must be complete by then; a second more for every 128 KiB.",
    )
    pickup_dir: Path | None = Field(
        default=None,
        description="Folder with the pick-up folders of HL7 endpoints; empty: `hl7` in the data "
        "directory.",
    )
    idle_seconds: float = Field(
        default=3600, gt=0, description="An idle connection is closed after this."
    )


class Performing(Section):
    """Exams as modalities report them (MPPS)."""

    rematch_minutes: int = Field(
        default=720,
        ge=0,
        description="An exam that fits no order is tried again for this long: orders come late.",
    )
    close_hours: int = Field(
        default=24,
        ge=0,
        description="An exam whose modality has told nothing for this long is ended by the system; "
        "0: never. A device may have its own.",
    )


class Authorization(Section):
    """The payers' agreement to orders."""

    before_booking: bool = Field(
        default=False,
        description="An order whose rules require the payer's agreement can be booked only once it "
        "is approved. Times that a placer or another scheduler names are taken all the same.",
    )


class Fhir(Section):
    """The FHIR interface."""

    body_bytes: int = Field(default=4 * 1024 * 1024, ge=1024, description="Longest request body.")
    bundle_bytes: int = Field(
        default=50 * 1024 * 1024, ge=1024, description="Longest transaction or batch, unpacked."
    )
    bundle_entries: int = Field(
        default=5_000, ge=1, description="Most entries of one transaction or batch."
    )
    cors_origins: Names = Field(
        default=(),
        description="Origins whose scripts may use the interface (CORS), such as "
        "`https://viewer.example`, comma-separated; `*`: all. What needs no token is open to all.",
    )
    requests_per_minute: int = Field(
        default=0,
        ge=0,
        description="Most requests of one client in a minute to one web process, then 429; "
        "0: no limit.",
    )
    subscription_hosts: Names = Field(
        default=(),
        description="Hosts that notifications may be sent to although they are in a private "
        "network or without TLS: names, `name:port` or networks, comma-separated.",
    )
    subscription_ca: Path | None = Field(
        default=None,
        description="Authorities that sign the certificates of those who are notified, PEM; "
        "empty: those of the operating system.",
    )
    jwks_hosts: Names = Field(
        default=(),
        description="Hosts that keys of API clients may be fetched from (`jwks_uri`), "
        "comma-separated; empty: keys are registered only.",
    )


def _web_address(value: str) -> str:
    if value and not value.startswith(("https://", "http://")):
        raise ValueError("an address begins with https:// or http://")
    return value


class Images(Section):
    """Where the images of an exam are: told to FHIR clients as Endpoint, to readers as a link."""

    wado_rs: Annotated[str, AfterValidator(_web_address)] = Field(
        default="",
        description="Address of the archive's DICOMweb service (WADO-RS), such as "
        "`https://pacs.example/dicom-web`; empty: none is told.",
    )
    viewer_url: Annotated[str, AfterValidator(_web_address)] = Field(
        default="",
        description="Address of a viewer that shows a study, with `{study}` for the Study Instance "
        "UID and, if it wants them, `{accession}` and `{patient}` (the patient's number), such as "
        "`https://viewer.example/?studyUID={study}`; empty: there is no link to images.",
    )


class Session(Section):
    """Sessions of the web pages."""

    idle_minutes: int = Field(
        default=15, ge=1, description="Without a click for this long: log in again."
    )
    absolute_hours: int = Field(
        default=12, ge=1, description="Log in again after this in any case."
    )


class Delivery(Section):
    """The outbox."""

    threads: int = Field(default=4, ge=1, le=64, description="Deliveries under way at once.")


class Patients(Section):
    """What is sent to patients: secrets of the carriers; who they are is data (Interfaces)."""

    mail_password: SecretStr = Field(
        default=SecretStr(""), description="Password at the mail server that carries messages."
    )
    mail_ca: Path | None = Field(
        default=None,
        description="Authorities that sign the mail server's certificate, PEM; empty: those of "
        "the operating system.",
    )
    sms_key: SecretStr = Field(
        default=SecretStr(""),
        description="Key that requests to the SMS gateway are signed with (HMAC-SHA256).",
    )
    sms_hosts: Names = Field(
        default=(),
        description="Gateways that may be reached although they are in a private network or "
        "without TLS: names, `name:port` or networks, comma-separated.",
    )


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
