"""The HL7 v2 profile of this system, printed from the tables that do the work (DESIGN rule 10)."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, get_args

from integration.hl7 import acks, bindings, mapping
from integration.hl7 import charset as charsets
from integration.hl7 import conformance_intake as intake
from integration.hl7.fields import (
    CLINICAL,
    COMMENTS,
    DEMOGRAPHICS,
    DETAILS,
    DIAGNOSIS,
    HAZARD,
    NUMBERS,
    OBSERVATION,
    PROCEDURE,
    REASON,
    STEP,
    VISIT,
    Field,
)
from integration.hl7.from_domain import charges, results, scheduling, segments, supplies
from integration.hl7.from_domain import documents as documents_out
from integration.hl7.from_domain.archive import ARCHIVE
from integration.hl7.from_domain.orders import OF_OURS, STATUS, Say
from integration.hl7.outbound import ROUTES as OUTBOUND
from integration.hl7.profiles import MOVABLE, Settings
from integration.hl7.routes import ROUTES as INBOUND
from integration.hl7.to_domain import closures, documents, reactions, schedule
from integration.hl7.to_domain import results as results_in
from ris.domain.errors import ErrorCode
from ris.markdown import table

_NOTE = "<!-- Made from the code by docs/generate.py; edit the code. -->"

_MEANINGS = {
    "ORM^O01": "order; several in one message",
    "OMG^O19": "general clinical order",
    "OMI^O23": "imaging order",
    "ORR^O02": "answer to an order of ours",
    "ORG^O20": "answer to a general order of ours",
    "ORI^O24": "answer to an imaging order of ours",
    "ADT^A01": "admit",
    "ADT^A02": "transfer",
    "ADT^A03": "discharge; open orders stay, for a person to decide",
    "ADT^A04": "register",
    "ADT^A05": "pre-admit",
    "ADT^A06": "outpatient becomes inpatient; the visit's prior number in MRG",
    "ADT^A07": "inpatient becomes outpatient",
    "ADT^A08": "update patient",
    "ADT^A11": "cancel admit; its orders stay, for a person to decide",
    "ADT^A12": "cancel transfer",
    "ADT^A13": "cancel discharge",
    "ADT^A18": "merge patients (before 2.3.1)",
    "ADT^A24": "link patients, which stay apart",
    "ADT^A28": "add person",
    "ADT^A29": "delete person: marked, refused while orders are open",
    "ADT^A31": "update person",
    "ADT^A34": "merge patients (before 2.3.1)",
    "ADT^A35": "merge accounts (before 2.3.1)",
    "ADT^A36": "merge patients and accounts (before 2.3.1)",
    "ADT^A37": "unlink patients",
    "ADT^A38": "cancel pre-admit; its orders stay, for a person to decide",
    "ADT^A40": "merge patients; several pairs in one message",
    "ADT^A41": "merge accounts",
    "ADT^A42": "merge visits",
    "ADT^A43": "move identifiers to another patient",
    "ADT^A44": "move an account's visits to another patient",
    "ADT^A45": "move visits to another patient",
    "ADT^A47": "change identifiers; no merge",
    "ADT^A50": "change a visit's number",
    "ADT^A60": "allergies added, changed, taken away one by one",
    "BAR^P01": "open an account",
    "BAR^P05": "update an account",
    "BAR^P06": "end an account",
    "SIU^S12": "appointment booked",
    "SIU^S13": "appointment moved",
    "SIU^S14": "appointment changed; by `SCH-25` also arrived, canceled or missed",
    "SIU^S15": "appointment canceled",
    "SIU^S16": "appointment discontinued: canceled, if the patient has not come",
    "SIU^S17": "appointment deleted: canceled, and marked as an error",
    "SIU^S18": "service or resource added to an appointment, which comes whole",
    "SIU^S19": "service or resource of an appointment changed",
    "SIU^S20": "service or resource canceled; a device that the exam needs is not (207)",
    "SIU^S21": "service or resource discontinued: as S20",
    "SIU^S22": "service or resource deleted: as S20, and the service marked as an error",
    "SIU^S23": "time of a device or room blocked: closed",
    "SIU^S24": "blocked time opened; what was closed here stays closed (207)",
    "SIU^S26": "patient did not come",
    "SIU^S27": "what is booked, told again: booked if it was not; `SCH-25` as in S14",
    "ORU^R01": "report from dictation, an algorithm or another system",
    "MDM^T02": "document",
    "MDM^T04": "document with another status; `TXA-19` CA cancels it",
    "MDM^T06": "addendum to a document",
    "MDM^T08": "document edited",
    "MDM^T10": "document that replaces another",
    "MDM^T11": "document canceled",
}


def statement() -> str:
    """The whole document, Markdown."""
    parts = [
        _cover(), intake.transport(), _messages_in(), intake.key_fields(), _fields_in(),
        _controls(), _answers(),
        _messages_out(), _statuses(), _fields_out(), _tables(), _charsets(), _mapping(),
        _settings(),
    ]  # fmt: skip
    return "\n\n".join("\n".join(part).strip() for part in parts) + "\n"


def _cover() -> list[str]:
    return [
        "# HL7 v2 conformance",
        "",
        _NOTE,
        "",
        "What this system receives and sends over HL7 v2, field by field. `ris hl7 check FILE`",
        "tells what is wrong with a message; `ris conformance hl7` prints this page.",
    ]


def _messages_in() -> list[str]:
    rows = [
        (f"`{code}^{trigger}`", _MEANINGS[f"{code}^{trigger}"], _reply(route.reply))
        for (code, trigger), route in INBOUND.items()
    ]
    return ["## Messages received", "", *table(("message", "meaning", "answer"), rows)]


def _reply(reply: tuple[str, ...]) -> str:
    return f"`ACK`, by setting `{reply[0]}^{reply[1]}`" if reply else "`ACK`"


def _field_rows(fields: Iterable[Field]) -> list[tuple[str, str, str]]:
    return [
        (
            field.title,
            ", else ".join(f"`{path}`" for path in field.paths),
            f"`{field.name}`" if field.name in MOVABLE else "",
        )
        for field in fields
    ]


def _extras() -> list[str]:
    rows = (*DEMOGRAPHICS, *VISIT, *DETAILS, DIAGNOSIS)
    return list(dict.fromkeys(f"`{row.paths[0]}`" for row in rows if row.extra))


def _fields_in() -> list[str]:
    heads = ("value", "read from", "can be moved as")
    patient: list[tuple[str, str, str]] = [
        ("patient identifiers with authority and type", "`PID-3`, `PID-2`, `PID-4`", ""),
        ("allergies", "`AL1-3`", ""),
        ("weight, height, pregnancy status", "`OBX-5` by `OBX-3`, unit `OBX-6`", ""),
        ("patient that is merged", "`MRG-1`, else `MRG-4`", ""),
        ("prior account, prior visit", "`MRG-3`, `MRG-5`", ""),
    ]
    return [
        "## Fields received",
        "",
        'What is absent leaves the stored value, `""` deletes it. Identifiers are never deleted',
        "but by ADT^A47 or a merge, after which the old ones still find the patient. Of several",
        "places the first that says anything counts. A value outside of its table is refused",
        "(ERR 103), never guessed.",
        "",
        "Patients are matched by identifier and assigning authority; an identifier without one",
        "gets the peer's default if it is of a kind that only this authority gives out, else it",
        "matches nobody. Identifiers of two patients are refused with both places (ERR 205). Who a",
        "known patient is, only messages of the setting `authoritative` say; what others say",
        "otherwise waits for a person, and an order whose name and birth date both contradict is",
        "refused (ERR 207). Allergies from others are added and take none away. Our own A08 tells",
        'what is gone as `""`, and a death that was not one as `PID-30` N.',
        "",
        *textwrap.wrap(
            "A message does not hang on what is an extra: "
            + ", ".join([*_extras(), "weight, height"])
            + ". What of them cannot be read, or is longer than can be kept, is left out; the"
            " comments of an order tell it as it was sent, and the message's page tells why. With"
            " `validation = tables` it is refused.",
            100,
        ),
        "",
        "### Patient and visit",
        "",
        *table(
            heads,
            [
                *patient,
                *_field_rows(DEMOGRAPHICS),
                ("visit number", "`PV1-19`, else `PID-18`", ""),
                ("account", "`PID-18`", ""),
                *_field_rows(VISIT),
            ],
        ),
        "### Order",
        "",
        "Groups with the same order control and placer order number are one order. Within it,",
        "groups with the same Study Instance UID or requested procedure id, and each IPC, are",
        "steps of one procedure.",
        "",
        *table(
            heads,
            _field_rows(
                [*NUMBERS, *DETAILS, DIAGNOSIS, COMMENTS, CLINICAL, HAZARD, OBSERVATION, REASON]
            ),
        ),
        "### Procedure and step",
        "",
        *table(heads, _field_rows([*PROCEDURE, *STEP])),
        *_other_fields_in(),
    ]


def _other_fields_in() -> list[str]:
    """Appointments, reports and documents, and what their statuses stand for."""
    lines: list[str] = []
    for title, fields in (
        ("Allergy (ADT A60)", reactions.FIELDS),
        ("Appointment (SIU)", schedule.FIELDS),
        ("Blocked time (SIU S23, S24)", closures.FIELDS),
        ("Report (ORU)", results_in.FIELDS),
        ("Document (MDM)", documents.FIELDS),
    ):
        lines += [f"### {title}", "", *table(("value", "read from"), fields)]
    statuses = [(f"`{code}`", status.meaning) for code, status in schedule.STATUSES.items()]
    levels = [(f"`{code}`", level.name.lower()) for code, level in results_in.LEVELS.items()]
    return [
        *lines,
        "### Status of an appointment (SCH-25, table 0278)",
        "",
        "In an S14 it says what became of the appointment; case and blanks do not count.",
        "",
        *table(("status", "taken as"), statuses),
        "### Status of a report (OBR-25, table 0123)",
        "",
        "At most what `results` allows the sender; C replaces what its sender signed.",
        "",
        *table(("status", "taken as"), levels),
    ]


def _controls() -> list[str]:
    heads = ("ORC-1", "meaning", "accepted", "refused")
    return [
        "## Order controls",
        "",
        "Any other ORC-1 is refused: AE, 103. Accepted and refused are ORC-1 of an ORR, ORG, ORI,",
        "which also has our number (ORC-3), the status (ORC-5) of what is not active, and why it",
        "was refused (ORC-16); an ORI has OBR and IPC with our UIDs. SS is answered so always. A",
        "message is done as a whole or refused as a whole.",
        "",
        "A number of a requisition (PA, ORC-8) stands for all orders under it. A cancellation of",
        "an order that is not known is refused (204) and remembered (`early_cancel_minutes`): if",
        "the order comes, it is accepted and canceled at once.",
        "",
        *table(heads, _control_rows(bindings.CONTROLS)),
        "From a peer that fills orders too (`other_filler`):",
        "",
        *table(heads, _control_rows(bindings.FILLER_CONTROLS)),
        "In an ORR, ORG or ORI to us, on the connection we sent over or as a message of its own:",
        "",
        *table(
            ("ORC-1", "meaning"), [(f"`{code}`", text) for code, text in bindings.ANSWERS.items()]
        ),
    ]


def _control_rows(controls: Mapping[str, bindings.Control]) -> list[tuple[str, ...]]:
    return [
        (f"`{code}`", control.meaning, f"`{control.accepted}`", f"`{control.refused}`")
        for code, control in controls.items()
    ]


def _answers() -> list[str]:
    rows = [
        (code.value, f"A{acks.TABLE[code].outcome}", acks.TABLE[code].code) for code in ErrorCode
    ]
    return [
        "## Refusals",
        "",
        "ERR names the place of each fault. `invalid-value` is 103 where a table is named,",
        "`unsupported` 200 to 203 by its place in MSH.",
        "",
        *table(("what is wrong", "MSA-1", "ERR (table 0357)"), rows),
    ]


def _messages_out() -> list[str]:
    rows = [
        (f"`{subscription.value}`", route.messages, ", ".join(sorted(route.events)))
        for subscription, route in OUTBOUND.items()
    ]
    return [
        "## Messages sent",
        "",
        "An endpoint's `sends` names what it wants. Orders up to version 2.4 go as ORM^O01, with",
        "ZDS for archives; from 2.5 on as OMG^O19 and, with IPC, OMI^O23. Messages about an order",
        "leave one after the other, as do the versions of a report and the changes of a patient.",
        "An answer counts only if its MSA-2 is our MSH-10. AE and AR stop the lane after three",
        "tries (`refusals`), until a person resends or skips, or pass the message over",
        "(`on_refusal`). 206, AR with 207 and faults of the line are repeated with back-off, from",
        "a second to five minutes; after five faults of the line a peer is probed every 15 s.",
        "",
        "What the peer's character set lacks is never replaced: the message is kept and shown with",
        "the place, or the character is transliterated (`unencodable`). With `relay_adt` every ADT",
        "message that was applied is passed on byte for byte, but for MSH-3 to MSH-6 and MSH-10.",
        "A charge is told once for each part of a procedure, and credited with what was charged.",
        "Of a report that is told as documents (`documents`), `document_*` settings choose the",
        "event; which version is told as what stands in results.md.",
        "",
        *table(("subscription", "messages", "events"), rows),
    ]


def _statuses() -> list[str]:
    status = [(event, f"`{say.control}`", *_progress(say)) for event, say in STATUS.items()]
    versions = [
        (kind.value.lower(), told.orc_5, told.obr_25, told.obx_11)
        for kind, told in bindings.RESULT_STATUS.items()
    ]
    pairs = [(happened, f"`{pair}`") for happened, pair in bindings.ARCHIVE_CONTROLS.items()]
    stages = [
        (order.value, stage.value, told.orc_5, told.obr_25)
        for (order, stage), told in bindings.PROGRESS.items()
    ]
    return [
        "## What is said of an order",
        "",
        "To the placer; `stage` stands for the last table of this chapter. A placer is not told",
        "what it asked for itself. Held, released, canceled or discontinued on another system's",
        "request it is `SC`.",
        "",
        *table(("event", "ORC-1", "ORC-5", "OBR-25"), status),
        "Of an order that was born here, and has no number of the placer, it hears by setting",
        "(`own_orders`): `SN` with our number only, then how far it is (`SC`) once the answer `NA`",
        "brought its number; or `NW`; or `SN`, and `NW` after the answer. An order that stands for",
        f"others is `RU` of these and `RO`. Events: {', '.join(OF_OURS)}.",
        "",
        f"To an archive, of {len(ARCHIVE)} events, only with these ORC-1 and ORC-5, which the",
        "endpoint's `archive_controls` may change:",
        "",
        *table(("what happened to a step", "ORC-1 and ORC-5"), pairs),
        "### Reports",
        "",
        *table(("version", "ORC-5", "OBR-25", "OBX-11"), versions),
        "### Order and stage",
        "",
        *table(("order", "stage", "ORC-5", "OBR-25"), stages),
    ]


def _progress(say: Say) -> tuple[str, str]:
    if say.progress is None:
        return "stage", "stage"
    return say.progress.orc_5, say.progress.obr_25


def _fields_out() -> list[str]:
    lines = ["## Fields sent", ""]
    tables = {
        **segments.TABLES,
        **scheduling.TABLES,
        **charges.TABLES,
        "FT1 about what was used": supplies.FT1,
        "OBX": results.OBX,
        "TXA": documents_out.TXA,
    }
    for name, columns in tables.items():
        segment = name.partition(" ")[0]
        rows = [
            (f"`{segment}-{column.number}`", column.title, column.since or "all")
            for column in columns
        ]
        lines += [f"### {name}", "", *table(("field", "value", "since"), rows)]
    return lines


def _tables() -> list[str]:
    lines = ["## Code tables", ""]
    for codes in bindings.TABLES:
        lines += [f"### {codes.number} {codes.name}", ""]
        lines += table(
            ("code", "taken as"),
            [(f"`{code}`", _meaning(value)) for code, value in codes.values.items()],
        )
    return lines


def _meaning(value: object) -> str:
    if isinstance(value, Enum):
        return value.name.lower()
    return str(value) or "nothing to tell"


def _charsets() -> list[str]:
    names = ", ".join(f"`{name}`" for name in charsets.names())
    return [
        "## Character sets",
        "",
        "MSH-18 decides; without it the endpoint's setting, else UTF-8. Bytes that a set does not",
        "have are refused with their place (AE, 102), and a text that the receiver's set cannot",
        "hold is not sent: the delivery stops, visibly. Nothing is ever replaced by `?`.",
        "",
        f"Known: {names}.",
    ]


def _mapping() -> list[str]:
    return [
        "## Mapping without code",
        "",
        "Each peer can have value maps and rules of its own (page *Interfaces*, *Mapping*; the",
        "table `mapping` of an endpoint in a site file). What comes in: the rules in their order,",
        "then the maps, then it is read as above. What goes out: it is written as above, then the",
        "maps, then the rules. A rule and a map never take a value from another order or another",
        "patient. Of what comes in, `MSH` stays as it is; Z segments can be read at any place.",
        "",
        *table(
            ("map", "is", "where", "gives, of what comes in"),
            (
                (
                    f"`{kind.name}`",
                    kind.title,
                    ", ".join(f"`{path}`" for path in kind.paths),
                    _given(kind),
                )
                for kind in mapping.KINDS.values()
            ),
        ),
        *table(("rule", "does"), ((f"`{rule}`", words) for rule, words in mapping.FORMS)),
    ]


def _given(kind: mapping.Kind) -> str:
    if kind.parts > 1:
        return "code, text and scheme"
    if kind.allowed is None:
        return "any text"
    return f"a code of table {kind.table} above" if kind.table else "a known code"


def _settings() -> list[str]:
    rows = [
        (f"`{name}`", _kind(field.annotation), _default(field), field.description or "")
        for name, field in Settings.model_fields.items()
    ]
    return [
        "## Settings of an endpoint",
        "",
        "Under `[endpoint.settings]` of a site file, or on the endpoint's page.",
        "",
        *table(("setting", "value", "default", "meaning"), rows),
    ]


def _kind(annotation: Any) -> str:
    choices = get_args(annotation)
    if choices and all(isinstance(choice, str) for choice in choices):
        return ", ".join(f"`{choice}`" for choice in choices)
    if choices:
        return "table" if "dict" in str(annotation) else "list"
    words = {bool: "`true`, `false`", str: "text", int: "whole number", float: "number"}
    return words[annotation]


def _default(field: Any) -> str:
    value = field.get_default(call_default_factory=True)
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if value in ("", (), {}):
        return ""
    return f"`{', '.join(value) if isinstance(value, tuple) else value}`"
