"""The sections of the configuration: a class for each table of ``ris.toml``.

How they are read, and from where, is in ``ris.config``.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic_settings import NoDecode


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
    tls_crl: Path | None = Field(
        default=None,
        description="Revocation lists, PEM, one for each authority in tls_ca; client certificates "
        "on them are refused.",
    )

    @model_validator(mode="after")
    def _tls_is_complete(self) -> Self:
        if self.tls_port is not None and not (self.tls_cert and self.tls_key):
            raise ValueError("tls_port needs tls_cert and tls_key")
        if self.tls_port is None and (self.tls_cert or self.tls_key or self.tls_ca):
            raise ValueError("tls_cert, tls_key and tls_ca need tls_port")
        return self

    @model_validator(mode="after")
    def _revocations_have_an_authority(self) -> Self:
        if self.tls_crl is not None and self.tls_ca is None:
            raise ValueError("tls_crl needs tls_ca")
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
    connections: int = Field(default=2000, ge=1, description="Open connections, in all.")
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


def _viewers(value: dict[str, str]) -> dict[str, str]:
    for name, address in value.items():
        if not name or len(name) > 40:
            raise ValueError("a viewer has a name of at most 40 characters")
        if not address.startswith(("https://", "http://", "weasis://")):
            raise ValueError(f"{name}: begins with https://, http:// or weasis://")
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
    viewers: Annotated[dict[str, str], AfterValidator(_viewers)] = Field(
        default_factory=dict,
        description="More viewers, each a name and an address with the same placeholders (as JSON "
        "in the environment), such as `OHIF = "
        '"https://ohif.example/viewer?StudyInstanceUIDs={study}"`; besides web addresses, '
        "`weasis://` and a command of Weasis.",
    )


class Session(Section):
    """Sessions of the web pages."""

    idle_minutes: int = Field(
        default=15, ge=1, description="Without a click for this long: log in again."
    )
    absolute_hours: int = Field(
        default=12, ge=1, description="Log in again after this in any case."
    )


class Reports(Section):
    """Writing and signing."""

    sign_with: Literal["none", "password", "second-factor"] = Field(
        default="none",
        description="What whoever signs a report shows at that moment, beside the login: "
        "`password`, or `second-factor` (a code of the authenticator app).",
    )
    browser_speech: bool = Field(
        default=False,
        description="Dictation by the browser's own speech recognition, where it has one. Some "
        "browsers send what is said to their maker: ask your data protection officer first.",
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
