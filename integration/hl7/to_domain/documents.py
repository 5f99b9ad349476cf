"""MDM → documents kept with their order or patient (HL7 v2.5.1 9.4 and 9.6.1; spec 1.1).

A document is named by TXA-12, what it adds to or replaces by TXA-13. It belongs to the order that
TXA-14, TXA-15 or an ORC or OBR names, and without any to the patient, who has to be known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from integration.hl7 import datatypes
from integration.hl7.er7 import Message
from integration.hl7.er7_segment import Segment
from integration.hl7.faults import Faults
from integration.hl7.profiles import Profile
from integration.hl7.to_domain import contents, patient
from integration.hl7.to_domain.request import Request
from ris.domain.documents import CancelDocument, Completion, Content, FileDocument, Filing
from ris.domain.errors import InvalidValueError, MissingValueError
from ris.domain.orders import OrderReference
from ris.domain.patients import PatientReference
from ris.domain.values import Identifier, PersonName

MAX_CONTENTS = 20

# The trigger events that are served; the ones between them tell of a document without its content.
TRIGGERS: Mapping[str, Filing] = {
    "T02": Filing.ORIGINAL,
    "T04": Filing.STATUS,
    "T06": Filing.ADDENDUM,
    "T08": Filing.EDIT,
    "T10": Filing.REPLACEMENT,
}
CANCEL = "T11"
_DELETED = "CA"  # TXA-19 (table 0273)

FIELDS: Sequence[tuple[str, str]] = (
    ("document number", "`TXA-12.1`, else `TXA-12.3`"),
    ("document it adds to or replaces", "`TXA-13`"),
    (
        "placer and filler order number",
        "`TXA-14`, `TXA-15`, else `ORC-2`, `ORC-3`, `OBR-2`, `OBR-3`",
    ),
    ("accession number", "`OBR-18`"),
    ("type and title", "`TXA-2`; `OBX-3`, `TXA-16`"),
    ("author and time", "`TXA-9`, else `TXA-5`; `TXA-6`, else `TXA-4`"),
    ("completion status", "`TXA-17`; `TXA-19` CA cancels"),
    ("content", "`OBX-5`: ED, RP, or text"),
)


def from_mdm(message: Message, profile: Profile) -> list[Request]:
    """The commands of a document message. Raises every fault that reading finds, together."""
    txa = message.first("TXA")
    if txa is None:
        raise MissingValueError("the document's header is required", path="TXA")
    faults = Faults()
    number = faults.take(lambda: _number(txa, 12, profile, required=True))
    who = faults.take(lambda: _patient(message, profile))
    words = _words(message, txa)
    filing = TRIGGERS.get(message.header.trigger)
    if filing is None or (filing is Filing.STATUS and (txa.get("19") or "") == _DELETED):
        faults.raise_if_any()
        assert number is not None  # noqa: S101 - otherwise a fault was raised
        return [Request(commands=(CancelDocument(number=number, patient=who),), words=words)]
    parent = faults.take(lambda: _number(txa, 13, profile))
    order = faults.take(lambda: _order(message, txa, profile))
    completion = faults.take(lambda: _completion(txa))
    stamp = faults.take(
        lambda: datatypes.time(txa, "6", profile.zone) or datatypes.time(txa, "4", profile.zone)
    )
    found = _contents(message, profile, faults)
    faults.raise_if_any()
    assert number is not None and who is not None  # noqa: S101, PT018 - as above
    author = datatypes.clinician(txa.repeats("9") or txa.repeats("5")) or PersonName()
    return [
        Request(
            commands=(
                FileDocument(
                    filing=filing,
                    number=_of_part(number, at),
                    patient=who,
                    content=content,
                    order=order,
                    parent=_of_part(parent, at) if parent is not None else None,
                    kind=(txa.get("2") or "").strip(),
                    title=content.title or (txa.get("16") or "").strip(),
                    completion=completion,
                    author=author,
                    authored_at=stamp.utc if stamp else None,
                ),
            ),
            words=words,
        )
        for at, content in enumerate(found)
    ]


def _number(
    txa: Segment, field: int, profile: Profile, *, required: bool = False
) -> Identifier | None:
    """An EI of which some fill in the third component alone."""
    value = (txa.get(f"{field}.1") or txa.get(f"{field}.3") or "").strip()
    if not value:
        if required:
            raise MissingValueError("the document's number is required", path=txa.at(str(field)))
        return None
    return Identifier(
        datatypes.within(value, 60, txa.at(f"{field}.1")),
        datatypes.within(
            txa.get(f"{field}.2") or profile.order_authority, 200, txa.at(f"{field}.2")
        ),
    )


def _of_part(number: Identifier, at: int) -> Identifier:
    """What comes in several pieces has one number: the further ones are told apart by ours."""
    return number if at == 0 else replace(number, value=f"{number.value}#{at + 1}")


def _patient(message: Message, profile: Profile) -> PatientReference:
    found = patient.said(message, profile)
    if found is None or not found.identifiers:
        raise MissingValueError("the patient is required", path="PID-3")
    return found


def _order(message: Message, txa: Segment, profile: Profile) -> OrderReference | None:
    repeats = txa.repeats("14")
    if len(repeats) > 1:
        raise InvalidValueError("a document is about one order here", path=repeats[1].at())
    placer = datatypes.entity(txa, 14, profile.order_authority)
    filler = datatypes.entity(txa, 15)
    accession: Identifier | None = None
    for segment in message.segments("ORC", "OBR"):
        placer = placer or datatypes.entity(segment, 2, profile.order_authority)
        filler = filler or datatypes.entity(segment, 3)
        if segment.name == "OBR":
            accession = accession or datatypes.entity(segment, 18)
    if not (placer or filler or accession):
        return None
    return OrderReference(placer=placer, filler=filler, accession=accession)


def _completion(txa: Segment) -> Completion | None:
    text = (txa.get("17") or "").strip().upper()
    if not text:
        return None
    try:
        return Completion(text)
    except ValueError:
        raise InvalidValueError(
            "not in table 0271", path=txa.at("17"), details={"table": "0271"}
        ) from None


def _contents(message: Message, profile: Profile, faults: Faults) -> list[Content]:
    """Each ED and RP by itself, all texts together as one."""
    found: list[Content] = []
    lines: list[str] = []
    title = place = ""
    for obx in message.segments("OBX"):
        if (obx.get("2") or "").strip().upper() in contents.TYPES:
            content = faults.take(lambda obx=obx: contents.read(obx, profile))  # type: ignore[misc]
            found += [content] if content is not None else []
            continue
        text = obx.text("5")
        if text is not None:
            lines.append(text)
            title = title or (datatypes.words(obx, 3) or "").strip()[:200]
            place = place or obx.at("5")
    if lines:
        found.append(
            Content(
                media_type="text/plain", data="\n".join(lines).encode(), title=title, path=place
            )
        )
    if not found and not faults.errors:
        raise MissingValueError("the document has no content", path="OBX-5")
    if len(found) > MAX_CONTENTS:
        raise InvalidValueError(f"more than {MAX_CONTENTS} documents", path="OBX")
    return found


def _words(message: Message, txa: Segment) -> dict[str, str]:
    """The core's words for places, in those of this message."""

    def first(field: int, *others: tuple[str, int]) -> str:
        if txa.get(str(field)):
            return txa.at(str(field))
        for name, number in others:
            segment = message.first(name)
            if segment is not None and segment.get(str(number)):
                return segment.at(str(number))
        return txa.at(str(field))

    return {
        "": "TXA-12",
        "number": "TXA-12",
        "parent": "TXA-13",
        "placer": first(14, ("ORC", 2), ("OBR", 2)),
        "filler": first(15, ("ORC", 3), ("OBR", 3)),
        "accession": "OBR-18",
    }
