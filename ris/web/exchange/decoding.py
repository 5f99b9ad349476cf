"""Messages as people can read them: HL7 by segment and field, DICOM JSON by tag, JSON indented.

For the eye only, and tolerant: what cannot be read is shown as it is. The protocols' own readers
stand in the edges, and lend one to the pages where a message is no text (``ris.services.peers``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ris.domain.exchange import Protocol
from ris.services import peers

LIMIT = 200_000  # characters shown of one message
ROWS = 2000


@dataclass(frozen=True, slots=True)
class Item:
    """``path`` is the place (PID-3.1, (0008,0050)), ``name`` what it is, ``value`` what it says."""

    path: str
    name: str
    value: str


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


# Names of the segments and fields that turn up in radiology (HL7 v2.5.1 chapters 2 to 10).
SEGMENTS: Mapping[str, str] = {
    "MSH": "Message header",
    "MSA": "Acknowledgment",
    "ERR": "Error",
    "EVN": "Event",
    "PID": "Patient",
    "PD1": "Patient, additional",
    "PV1": "Visit",
    "PV2": "Visit, additional",
    "MRG": "Merge",
    "AL1": "Allergy",
    "OBX": "Observation",
    "ORC": "Common order",
    "OBR": "Order detail",
    "TQ1": "Timing",
    "IPC": "Imaging procedure control",
    "ZDS": "Study Instance UID",
    "NTE": "Note",
    "SCH": "Appointment",
    "RGS": "Resource group",
    "AIS": "Service of the appointment",
    "AIL": "Location of the appointment",
    "AIP": "Person of the appointment",
    "AIG": "Resource of the appointment",
    "DG1": "Diagnosis",
    "TXA": "Document",
}
FIELDS: Mapping[str, str] = {
    "MSH-1": "Field separator",
    "MSH-2": "Encoding characters",
    "MSH-3": "Sending application",
    "MSH-4": "Sending facility",
    "MSH-5": "Receiving application",
    "MSH-6": "Receiving facility",
    "MSH-7": "Time of the message",
    "MSH-9": "Message type",
    "MSH-10": "Control id",
    "MSH-11": "Processing id",
    "MSH-12": "Version",
    "MSH-15": "Accept acknowledgment",
    "MSH-16": "Application acknowledgment",
    "MSH-18": "Character set",
    "MSA-1": "Code",
    "MSA-2": "Control id of the message",
    "MSA-3": "Text",
    "ERR-2": "Place",
    "ERR-3": "Error code",
    "ERR-4": "Severity",
    "ERR-5": "Application error code",
    "ERR-7": "Diagnostic information",
    "ERR-8": "Message for people",
    "EVN-1": "Event",
    "EVN-2": "Recorded at",
    "PID-3": "Patient identifiers",
    "PID-5": "Name",
    "PID-7": "Birth date",
    "PID-8": "Sex",
    "PID-11": "Address",
    "PID-13": "Phone",
    "PID-18": "Account number",
    "PV1-2": "Patient class",
    "PV1-3": "Location",
    "PV1-7": "Attending",
    "PV1-8": "Referring",
    "PV1-19": "Visit number",
    "MRG-1": "Subsumed identifiers",
    "AL1-3": "Allergy",
    "ORC-1": "Order control",
    "ORC-2": "Placer order number",
    "ORC-3": "Filler order number",
    "ORC-4": "Placer group number",
    "ORC-5": "Order status",
    "ORC-7": "Quantity and timing",
    "ORC-9": "Entered at",
    "ORC-10": "Entered by",
    "ORC-12": "Ordering provider",
    "ORC-14": "Callback phone",
    "ORC-17": "Entering organization",
    "OBR-2": "Placer order number",
    "OBR-3": "Filler order number",
    "OBR-4": "Procedure",
    "OBR-5": "Priority",
    "OBR-7": "Observation began",
    "OBR-13": "Clinical information",
    "OBR-16": "Ordering provider",
    "OBR-18": "Accession number",
    "OBR-19": "Requested procedure id",
    "OBR-20": "Step id",
    "OBR-21": "Filler field",
    "OBR-22": "Results changed at",
    "OBR-24": "Section",
    "OBR-25": "Result status",
    "OBR-27": "Quantity and timing",
    "OBR-30": "Transport",
    "OBR-31": "Reason",
    "OBR-32": "Interpreter",
    "OBR-36": "Scheduled for",
    "OBR-44": "Procedure code",
    "OBX-2": "Value type",
    "OBX-3": "What",
    "OBX-4": "Sub-id",
    "OBX-5": "Value",
    "OBX-6": "Unit",
    "OBX-11": "Status",
    "OBX-14": "Observed at",
    "TQ1-7": "Start",
    "TQ1-8": "End",
    "TQ1-9": "Priority",
    "IPC-1": "Accession number",
    "IPC-2": "Requested procedure id",
    "IPC-3": "Study Instance UID",
    "IPC-4": "Step id",
    "IPC-5": "Modality",
    "IPC-6": "Protocol code",
    "IPC-7": "Station name",
    "IPC-8": "Location",
    "IPC-9": "Station AE title",
    "ZDS-1": "Study Instance UID",
    "SCH-1": "Placer appointment id",
    "SCH-2": "Filler appointment id",
    "SCH-6": "Event reason",
    "SCH-11": "Timing",
    "SCH-25": "Status",
    "AIS-3": "Service",
    "AIS-4": "Start",
    "AIS-7": "Duration",
    "AIL-3": "Location",
    "NTE-3": "Text",
}
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


def decode(raw: bytes, protocol: str = "") -> Decoded:
    """What a stored message says, whatever it is.

    ``protocol`` is that of its endpoint: an edge may know how to read what is no text.
    """
    document = peers.readable(Protocol(protocol), raw) if protocol in set(Protocol) else None
    if document is not None:
        text = json.dumps(document, indent=2, ensure_ascii=False)
        return Decoded(text[:LIMIT], _json_parts(document), len(text) > LIMIT)
    text = _text(raw)
    cut = len(text) > LIMIT
    text = text[:LIMIT]
    if text.lstrip("\x0b").startswith(("MSH", "FHS", "BHS")):
        return _hl7(text, cut)
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


def _hl7(text: str, cut: bool) -> Decoded:
    lines = text.strip("\x0b\x1c\r\n").replace("\r\n", "\r").replace("\n", "\r").split("\r")
    header = next((line for line in lines if line[:3] in {"MSH", "FHS", "BHS"}), "")
    separator = header[3:4] or "|"
    repeat = header[5:6] or "~"
    parts = tuple(_segment(line, separator, repeat) for line in lines if line.strip())
    return Decoded("\n".join(lines), parts[:ROWS], cut)


def _segment(line: str, separator: str, repeat: str) -> Part:
    name = line[:3]
    values = line.split(separator)[1:]
    is_header = name in {"MSH", "FHS", "BHS"}
    if is_header:
        values = [separator, *values]
    items = []
    for number, value in enumerate(values, start=1):
        if not value:
            continue
        path = f"{name}-{number}"
        # The header's second field is the encoding characters themselves.
        repeats = [value] if is_header and number == 2 else value.split(repeat)
        for index, single in enumerate(repeats, start=1):
            place = f"{path}({index})" if len(repeats) > 1 else path
            items.append(Item(place, FIELDS.get(path, ""), single))
    return Part(name, SEGMENTS.get(name, "Segment of the sender's own"), tuple(items))


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
