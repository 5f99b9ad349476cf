"""The settings of an HL7 endpoint: everything that peers differ in.

Endpoints carry address, version, character set and time zone as columns; the rest is said here.
Unknown names and bad values are refused when an endpoint is configured (:func:`check_settings`),
so nothing is silently ignored afterwards.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from integration.hl7 import hours
from integration.hl7.bindings import ARCHIVE_CONTROLS
from integration.hl7.paths import parse_path
from ris.domain.errors import InvalidValueError
from ris.domain.protocol import REFUSALS_BEFORE_PARKING

# A message is leased for 90 seconds (ris.services.outbox.LEASE).
MOST_SECONDS = 80

# Inbound values whose place a peer may change; the rows are in integration/hl7/fields.py.
MOVABLE = (
    "placer",
    "filler",
    "accession",
    "procedure_id",
    "step_id",
    "study_instance_uid",
    "modality",
    "station",
    "start",
    "reason",
    "requesting_service",
)


class Settings(BaseModel):
    """What an endpoint's ``settings`` may say; the description is the operator's documentation."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    # --- both ways
    application: str = Field(default="RIS", max_length=20, description="our name in MSH-3 / MSH-5")
    facility: str = Field(default="", max_length=20, description="our facility in MSH-4 / MSH-6")

    # --- what comes in
    addresses: tuple[str, ...] = Field(
        default=(), strict=False, description="networks it may send from; empty: any"
    )
    processing_ids: tuple[Literal["P", "T", "D"], ...] = Field(
        default=("P",), strict=False, description="values of MSH-11 that are taken"
    )
    accepts: tuple[str, ...] = Field(
        default=(), strict=False, description="messages taken, as ORM^O01; empty: all"
    )
    ignores: tuple[str, ...] = Field(
        default=(),
        strict=False,
        description="messages answered AA and left alone, as ADT^A10 or DFT: what comes along and "
        "nobody needs here",
    )
    reply: Literal["ack", "typed"] = Field(
        default="ack", description="answer orders with ACK, or with ORR, ORG, ORI"
    )
    acknowledgement: Literal["application", "accept"] = Field(
        default="application",
        description="answer a message whose MSH-15 is valued with AA/AE/AR, or with CA/CE/CR",
    )
    acknowledge_after: Literal["processed", "stored"] = Field(
        default="processed",
        description="answer when a message is applied, or as soon as it is stored; then what is "
        "wrong with it is found among the exceptions",
    )
    sequence_numbers: bool = Field(
        default=False, description="MSH-13 must count up; refused otherwise, MSA-4 tells the number"
    )
    continuation_minutes: int = Field(
        default=30,
        ge=0,
        le=1440,
        description="a message in parts (MSH-14, DSC) must be complete by then; 0: parts are "
        "refused",
    )
    certificates: tuple[str, ...] = Field(
        default=(),
        strict=False,
        description="client certificates it must show one of: SHA-256 fingerprint, subject or "
        "name; empty: none needed",
    )
    folder: str = Field(
        default="",
        pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,63})?$",
        description="its pick-up folder, below mllp.pickup_dir",
    )
    folder_pattern: str = Field(
        default="*.hl7",
        pattern=r"^[^/\\]{1,64}$",
        description="names of the files that are picked up there",
    )
    default_authority: str = Field(
        default="", max_length=200, description="assigning authority of patient ids without one"
    )
    visit_authority: str = Field(
        default="", max_length=200, description="the same of visits; empty: as for patients"
    )
    order_authority: str = Field(
        default="", max_length=200, description="the same of ORC-2; empty: the sender's MSH-3"
    )
    authoritative: tuple[str, ...] = Field(
        default=("ADT",),
        strict=False,
        description="messages (ADT, BAR, ORM ...) whose patient data are taken over; what others "
        "say otherwise of a known patient goes to a person",
    )
    snapshots: tuple[Literal["A08", "A28", "A31"], ...] = Field(
        default=(),
        strict=False,
        description="ADT events that tell all of a person: what they leave out is deleted",
    )
    strict_catalog: bool = Field(
        default=False, description="refuse procedure codes the catalog does not know"
    )
    validation: Literal["off", "key", "tables"] = Field(
        default="key",
        description="refuse what lacks its key fields, or what the standard's own tables do not "
        "allow; off: only what cannot be used",
    )
    strict_tables: bool = Field(
        default=False, description="the former name of validation = 'tables'"
    )
    wait_for_scheduler: bool = Field(
        default=False, description="a time that an order names is a wish, to be booked by a person"
    )
    changed_order: Literal["refuse", "revise"] = Field(
        default="refuse",
        description="a new order (NW) under a known number with other content: refused (205), or "
        "taken as a change (XO)",
    )
    early_cancel_minutes: int = Field(
        default=15,
        ge=0,
        le=1440,
        description="a cancellation of an order that is not known is refused (204), but the order "
        "is canceled if it comes within so many minutes; 0: it is not",
    )
    other_filler: bool = Field(
        default=False,
        description="take SC, XX and RU from it: what it did to orders that it fills too",
    )
    results: Literal["no", "draft", "preliminary", "final"] = Field(
        default="draft",
        description="what a report from it becomes at most: a draft that a radiologist signs "
        "here, or what it says it is; no: reports are refused",
    )
    withdraw_results: bool = Field(
        default=False, description="it may withdraw reports that it sent as signed"
    )
    addendum_in: Literal["whole", "group", "only"] = Field(
        default="whole",
        description="an addendum comes as the whole report again with C, as an addition to a "
        "repeated F, or alone",
    )
    document_megabytes: int = Field(
        default=20, ge=1, le=200, description="the largest document (ED, PDF) that is taken"
    )
    paths: dict[str, list[str]] = Field(
        default_factory=dict,
        strict=False,
        description="other places of a value, first first: {station = ['ORC-18']}; []: nowhere",
    )

    # --- what goes out
    orders: Literal["all", "own"] = Field(
        default="all", description="tell it of every order, or only of those it placed"
    )
    processing_id: Literal["P", "T", "D"] = Field(default="P", description="MSH-11 of our messages")
    order_message: Literal["auto", "ORM", "OMG"] = Field(
        default="auto", description="order status as ORM^O01 or OMG^O19; auto: by version"
    )
    procedure_message: Literal["auto", "ORM", "OMI"] = Field(
        default="auto", description="procedures scheduled as ORM^O01 or OMI^O23; auto: by version"
    )
    archive_groups: Literal["step", "order"] = Field(
        default="step",
        description="procedures scheduled: each step in a message of its own, for several archives "
        "read the first ORC and OBR only; or all steps that one change is about in one",
    )
    own_orders: Literal["none", "SN", "NW", "SN+NW"] = Field(
        default="SN",
        description="what it hears of an order without its number: a request for one (SN), the "
        "order itself (NW), or both, one after the other",
    )
    archive_controls: dict[str, str] = Field(
        default_factory=dict,
        strict=False,
        description="other ORC-1_ORC-5 towards an archive: {arrived = '', completed = 'SC_CM'}; "
        "'': not told",
    )
    complete_at: Literal["report", "exam"] = Field(
        default="report", description="ORC-5 CM with the final report, or when the exam is done"
    )
    performed_status: Literal["I", "N", "R"] = Field(
        default="I", description="OBR-25 of an exam that is done and not reported"
    )
    preliminary_results: bool = Field(default=True, description="send preliminary reports too")
    report_text: Literal["FT", "TX"] = Field(
        default="FT", description="lines of the report parted by \\.br\\ (FT) or ~ (TX)"
    )
    report_layout: Literal["sections", "suffix", "lines", "whole"] = Field(
        default="sections",
        description="one OBX a section (by LOINC or by code suffix), one a line, or one in all",
    )
    amended_status: Literal["C", "F"] = Field(
        default="C", description="OBR-25 and OBX-11 of an addendum; a correction is always C"
    )
    addendum: Literal["whole", "group", "only"] = Field(
        default="whole",
        description="tell an addendum with the whole report, with the whole report as final (F) "
        "and each addendum a part of its own, or alone",
    )
    documents: bool = Field(
        default=False, description="send what documents (PDF) came with a report along, as ED"
    )
    printed_report: bool = Field(
        default=False, description="send the report as it is printed (PDF) along, as ED"
    )
    document_content: Literal["pdf", "text", "both"] = Field(
        default="pdf", description="documents (MDM) as printed (PDF, ED), as text, or both"
    )
    document_type: str = Field(
        default="DI", max_length=30, description="TXA-2 of our documents (table 0270)"
    )
    document_signed: Literal["AU", "LA"] = Field(
        default="LA", description="TXA-17 of what is signed; what is preliminary is PA"
    )
    document_final: Literal["T04", "T08", "T10"] = Field(
        default="T10",
        description="the final document after a preliminary one: its status (T04) or content "
        "(T08) changes, or another takes its place (T10)",
    )
    document_addendum: Literal["T06", "T08", "T10"] = Field(
        default="T06",
        description="an addendum: a document of its own below the first (T06), or the first with "
        "it, edited (T08) or replaced (T10)",
    )
    document_correction: Literal["T08", "T10"] = Field(
        default="T10", description="a correction: the document edited (T08) or replaced (T10)"
    )
    study_uid_type: Literal["HD", "ST", "RP"] = Field(
        default="ST", description="OBX-2 of the Study Instance UID"
    )
    time_offset: bool = Field(default=True, description="write times with offset from UTC")
    timeout_seconds: float = Field(
        default=30, gt=0, le=60, strict=False, description="wait so long for an acknowledgement"
    )
    connect_seconds: float = Field(
        default=10, gt=0, le=60, strict=False, description="wait so long for a connection"
    )
    refusals: int = Field(
        default=REFUSALS_BEFORE_PARKING,
        ge=1,
        le=20,
        description="a message is offered so often in all before a refusal (AE, AR) counts",
    )
    on_refusal: Literal["park", "skip"] = Field(
        default="park",
        description="then its lane waits for a person, or passes over the message",
    )
    blackout: tuple[str, ...] = Field(
        default=(),
        strict=False,
        description="when nothing is sent to it, in its time zone: ['22:00-02:00', "
        "'Sun 01:00-05:30']",
    )
    unencodable: Literal["hold", "transliterate"] = Field(
        default="hold",
        description="what its character set lacks: the message is held and shown, or the character "
        "is written in others: É as E, a Japanese name in its Latin writing",
    )
    registrations: Literal["none", "A01", "A04", "A28"] = Field(
        default="none", description="tell it of new patients, as this event"
    )
    identifier_event: Literal["A47", "A40", "A08"] = Field(
        default="A47",
        description="tell it of a changed identifier as this event; A08 leaves out the former one",
    )
    charge_department: str = Field(
        default="RAD", max_length=20, description="our department in FT1-13 of charges"
    )
    charge_supplies: bool = Field(
        default=False,
        description="contrast, drugs and material that were recorded for an exam are charged as "
        "well, in a message of their own with an FT1 for each",
    )
    relay_adt: bool = Field(
        default=False,
        description="pass on every ADT message that was applied, with MSH-3 to 6 and MSH-10 of "
        "ours and all else byte for byte",
    )
    keep_open: bool = Field(
        default=True, description="send many messages over one connection, one after the other"
    )
    release_2: bool = Field(
        default=False,
        description="MLLP release 2: a COMMIT or NAK comes before each answer, theirs and ours",
    )
    tls: bool = Field(default=False, description="connect with TLS")
    tls_ca: str = Field(default="", description="authorities that may sign its certificate, PEM")
    tls_cert: str = Field(default="", description="our certificate chain, PEM")
    tls_key: str = Field(default="", description="our private key, PEM")
    tls_server_name: str = Field(default="", description="name in its certificate; empty: host")
    tls_fingerprint: str = Field(
        default="", description="SHA-256 of its certificate instead of a name"
    )

    @property
    def level(self) -> Literal["off", "key", "tables"]:
        """How closely a message is looked at before it is applied."""
        return "tables" if self.strict_tables else self.validation

    @field_validator("addresses")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            try:
                ipaddress.ip_network(network, strict=False)
            except ValueError:
                raise ValueError(f"{network} is no address or network") from None
        return value

    @field_validator("blackout")
    @classmethod
    def _are_hours(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for span in value:
            if (message := hours.fault(span)) is not None:
                raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _fits_a_lease(self) -> Settings:
        """A try that outlives its lease would be made twice at once."""
        if self.connect_seconds + self.timeout_seconds > MOST_SECONDS:
            raise ValueError(
                f"connect_seconds and timeout_seconds are {MOST_SECONDS} together at most"
            )
        return self

    @field_validator("paths")
    @classmethod
    def _are_paths(cls, value: dict[str, list[str]]) -> dict[str, list[str]]:
        for name, paths in value.items():
            if name not in MOVABLE:
                raise ValueError(f"{name} is none of {', '.join(MOVABLE)}")
            for path in paths:
                if not parse_path(path).segment:
                    raise ValueError(f"{path} lacks its segment")
        return value

    @field_validator("archive_controls")
    @classmethod
    def _are_pairs(cls, value: dict[str, str]) -> dict[str, str]:
        for name, pair in value.items():
            if name not in ARCHIVE_CONTROLS:
                raise ValueError(f"{name} is none of {', '.join(ARCHIVE_CONTROLS)}")
            if pair and not re.fullmatch("[A-Z]{2}_[A-Z]{1,2}", pair):
                raise ValueError(f"{pair} is no ORC-1_ORC-5, as NW_SC")
        return value

    @field_validator("tls_ca", "tls_cert", "tls_key")
    @classmethod
    def _is_a_file(cls, value: str) -> str:
        if value and not Path(value).is_file():
            raise ValueError(f"{value} is no file")
        return value


def check_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings, checked; what is not said stays unsaid, so that defaults can improve."""
    return read_settings(settings).model_dump(mode="json", exclude_unset=True)


def read_settings(settings: Mapping[str, Any]) -> Settings:
    """The settings with all defaults. Raises InvalidValueError for the first that is wrong."""
    try:
        return Settings.model_validate(dict(settings))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        unknown = first["type"] == "extra_forbidden"
        text = "no such setting" if unknown else str(first["msg"]).removeprefix("Value error, ")
        where = f"settings.{name}".rstrip(".")
        raise InvalidValueError(f"{name}: {text}".removeprefix(": "), path=where) from None
