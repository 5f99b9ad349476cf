"""Messages as people can read them: HL7 by segment and field, DICOM JSON by tag, JSON indented.

For the eye only, and tolerant: what cannot be read is shown as it is. The protocols' own readers
stand in the edges, and lend one to the pages where a message is no text (``ris.services.peers``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ris.domain.exchange import Protocol
from ris.services import desk, peers

LIMIT = 200_000  # characters shown of one message
ROWS = 2000


@dataclass(frozen=True, slots=True)
class Item:
    """``path`` is the place (PID-3.1, (0008,0050)), ``name`` what it is, ``value`` what it says.

    ``depth`` is 1 for a component, 2 for a part of one.
    """

    path: str
    name: str
    value: str
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """A segment, a dataset or a resource."""

    title: str
    name: str
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Decoded:
    """``lines`` is the raw text with one segment a line; ``cut`` if not all of it is shown."""

    text: str
    parts: tuple[Part, ...]
    cut: bool = False


# Attributes of worklist and performed steps (PS3.6), for DICOM JSON.
ATTRIBUTES: Mapping[str, str] = {
    "00080005": "SpecificCharacterSet",
    "00080016": "SOPClassUID",
    "00080018": "SOPInstanceUID",
    "00080050": "AccessionNumber",
    "00080054": "RetrieveAETitle",
    "00080060": "Modality",
    "00080100": "CodeValue",
    "00080102": "CodingSchemeDesignator",
    "00080104": "CodeMeaning",
    "0008103E": "SeriesDescription",
    "00081032": "ProcedureCodeSequence",
    "00081050": "PerformingPhysicianName",
    "00081070": "OperatorsName",
    "00081110": "ReferencedStudySequence",
    "00081120": "ReferencedPatientSequence",
    "00081140": "ReferencedImageSequence",
    "00081150": "ReferencedSOPClassUID",
    "00081155": "ReferencedSOPInstanceUID",
    "00100010": "PatientName",
    "00100020": "PatientID",
    "00100021": "IssuerOfPatientID",
    "00100030": "PatientBirthDate",
    "00100040": "PatientSex",
    "00181030": "ProtocolName",
    "0020000D": "StudyInstanceUID",
    "0020000E": "SeriesInstanceUID",
    "00200010": "StudyID",
    "00321060": "RequestedProcedureDescription",
    "00400001": "ScheduledStationAETitle",
    "00400002": "ScheduledProcedureStepStartDate",
    "00400003": "ScheduledProcedureStepStartTime",
    "00400007": "ScheduledProcedureStepDescription",
    "00400008": "ScheduledProtocolCodeSequence",
    "00400009": "ScheduledProcedureStepID",
    "00400100": "ScheduledProcedureStepSequence",
    "00400241": "PerformedStationAETitle",
    "00400242": "PerformedStationName",
    "00400243": "PerformedLocation",
    "00400244": "PerformedProcedureStepStartDate",
    "00400245": "PerformedProcedureStepStartTime",
    "00400250": "PerformedProcedureStepEndDate",
    "00400251": "PerformedProcedureStepEndTime",
    "00400252": "PerformedProcedureStepStatus",
    "00400253": "PerformedProcedureStepID",
    "00400254": "PerformedProcedureStepDescription",
    "00400255": "PerformedProcedureTypeDescription",
    "00400260": "PerformedProtocolCodeSequence",
    "00400270": "ScheduledStepAttributesSequence",
    "00400280": "CommentsOnThePerformedProcedureStep",
    "00400281": "PerformedProcedureStepDiscontinuationReasonCodeSequence",
    "00400340": "PerformedSeriesSequence",
    "00401001": "RequestedProcedureID",
}


def decode(raw: bytes, protocol: str = "", character_set: str = "") -> Decoded:
    """What a stored message says, whatever it is.

    ``protocol`` is that of its endpoint: an edge may know how to read what is no text.
    ``character_set`` is in force where an HL7 message names none.
    """
    document = peers.readable(Protocol(protocol), raw) if protocol in set(Protocol) else None
    if document is not None:
        text = json.dumps(document, indent=2, ensure_ascii=False)
        return Decoded(text[:LIMIT], _json_parts(document), len(text) > LIMIT)
    text = _text(raw)
    cut = len(text) > LIMIT
    text = text[:LIMIT]
    is_hl7 = protocol == Protocol.HL7.value  # whose letters may be of two or four bytes
    if is_hl7 or text.lstrip("\x0b").startswith(("MSH", "FHS", "BHS")):
        return _hl7(raw, text, cut, character_set)
    parsed = _json(text) if not cut else None
    if parsed is not None:
        return Decoded(json.dumps(parsed, indent=2, ensure_ascii=False), _json_parts(parsed))
    return Decoded(text, (), cut)


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")  # every byte has a letter there; nothing is lost to the eye


# --- HL7


def _hl7(raw: bytes, text: str, cut: bool, character_set: str) -> Decoded:
    """By the reader of the edge; what it cannot read has its lines only."""
    read = desk.text(Protocol.HL7, raw, character_set)
    nodes = desk.tree(Protocol.HL7, raw, character_set) or ()
    lines = text.strip("\x0b\x1c\r\n").replace("\r\n", "\n").replace("\r", "\n")
    parts = tuple(Part(node.path, node.name, tuple(_items(node.parts))[:ROWS]) for node in nodes)
    shown = lines if read is None else read[:LIMIT]
    return Decoded(shown, parts, cut)


def _items(nodes: Iterable[desk.Node], depth: int = 0) -> Iterator[Item]:
    for node in nodes:
        yield Item(node.path, node.name, node.value, depth)
        yield from _items(node.parts, depth + 1)


# --- JSON


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _json_parts(document: Any) -> tuple[Part, ...]:
    if not isinstance(document, dict):
        return ()
    if _is_dataset(document):
        return (Part("Dataset", "DICOM", tuple(_dataset(document))[:ROWS]),)
    # A stored DIMSE request: its own facts, and the dataset beside them.
    found = []
    facts = []
    for key, value in document.items():
        if isinstance(value, dict) and _is_dataset(value):
            found.append(Part(key, "DICOM dataset", tuple(_dataset(value))[:ROWS]))
        else:
            facts += list(_flat(key, value))
    kind = str(document.get("resourceType", "")) or "Message"
    return (Part(kind, "", tuple(facts[:ROWS])), *found)


def _is_dataset(value: Mapping[str, Any]) -> bool:
    return bool(value) and all(
        len(key) == 8 and isinstance(item, dict) and "vr" in item for key, item in value.items()
    )


def _dataset(dataset: Mapping[str, Any], above: str = "") -> Iterator[Item]:
    for tag, element in sorted(dataset.items()):
        path = f"{above}({tag[:4]},{tag[4:]})"
        name = element.get("keyword", "") or ATTRIBUTES.get(tag, "")
        values = element.get("Value", [])
        if element["vr"] == "SQ":
            for number, item in enumerate(values, start=1):
                yield from _dataset(item or {}, f"{path}[{number}]")
            continue
        words = "\\".join(_value(value) for value in values) if isinstance(values, list) else ""
        yield Item(path, name, words)


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "=".join(
            str(value.get(key, "")) for key in ("Alphabetic", "Ideographic", "Phonetic")
        ).rstrip("=")
    return str(value)


def _flat(path: str, value: Any) -> Iterator[Item]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(f"{path}.{key}", inner)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _flat(f"{path}[{number}]", inner)
    else:
        yield Item(path, "", str(value))
