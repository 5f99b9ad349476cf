"""Invented dose reports: a short notation for content trees, made into datasets by pydicom.

A node is a dictionary: ``is`` names its concept as ``value scheme meaning`` (DCM if no scheme is
there), and one of ``num`` with ``unit``, ``code``, ``text``, ``uid``, ``at`` or
nothing (a container) is its value. ``has`` are the nodes below.
"""

from __future__ import annotations

from typing import Any

from pydicom.config import IGNORE
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset

from tests.worklist.entries import SYNTAXES, encoded
from worklist.elements import tag_of, vr_of
from worklist.sop_classes import X_RAY_RADIATION_DOSE_SR

Node = dict[str, Any]

SCHEMES = ("DCM", "SCT", "SRT", "UCUM", "99SITE", "LN")


def split(text: str) -> tuple[str, str, str]:
    """``113813 DLP total`` and ``7771000 SCT Left`` as value, scheme and meaning."""
    value, _, rest = text.partition(" ")
    scheme, _, meaning = rest.partition(" ")
    return (value, scheme, meaning or value) if scheme in SCHEMES else (value, "DCM", rest or value)


def code(text: str) -> Dataset:
    value, scheme, meaning = split(text)
    item = Dataset()
    put(item, "CodeValue", value)
    put(item, "CodingSchemeDesignator", scheme)
    put(item, "CodeMeaning", meaning)
    return item


def put(dataset: Dataset, keyword: str, value: Any) -> None:
    """Set an attribute as it is, also where pydicom would object."""
    tag = tag_of(keyword)
    dataset.add(DataElement(tag, vr_of(tag), value, validation_mode=IGNORE))


def item_of(node: Node) -> Dataset:
    item = Dataset()
    kind = next(
        (
            words
            for key, words in (
                ("num", "NUM"),
                ("code", "CODE"),
                ("text", "TEXT"),
                ("uid", "UIDREF"),
                ("at", "DATETIME"),
            )
            if key in node
        ),
        "CONTAINER",
    )
    item.RelationshipType = node.get("as", "CONTAINS")
    item.ValueType = kind
    item.ConceptNameCodeSequence = [code(node["is"])]
    if kind == "NUM":
        measured = Dataset()
        put(measured, "NumericValue", node["num"])
        if node.get("unit"):
            unit = node["unit"] if " " in node["unit"] else f"{node['unit']} UCUM {node['unit']}"
            measured.MeasurementUnitsCodeSequence = [code(unit)]
        item.MeasuredValueSequence = [measured]
    elif kind == "CODE":
        item.ConceptCodeSequence = [code(node["code"])]
    elif kind == "TEXT":
        put(item, "TextValue", node["text"])
    elif kind == "UIDREF":
        put(item, "UID", node["uid"])
    elif kind == "DATETIME":
        put(item, "DateTime", node["at"])
    else:
        item.ContinuityOfContent = "SEPARATE"
    if node.get("has"):
        item.ContentSequence = [item_of(below) for below in node["has"]]
    return item


def report(
    content: list[Node],
    *,
    uid: str = "2.25.7001",
    title: str = "113701 X-Ray Radiation Dose Report",
    sop_class: str = X_RAY_RADIATION_DOSE_SR,
    **attributes: Any,
) -> Dataset:
    """A whole document; None as a value leaves an attribute out."""
    fields: dict[str, Any] = {
        "SpecificCharacterSet": "ISO_IR 192",
        "SOPClassUID": sop_class,
        "SOPInstanceUID": uid,
        "StudyDate": "20260302",
        "ContentDate": "20260302",
        "StudyTime": "130000",
        "ContentTime": "133500",
        "AccessionNumber": "",
        "Modality": "SR",
        "Manufacturer": "Invented Devices",
        "ReferringPhysicianName": "",
        "StationName": "CT 1",
        "SeriesDescription": "Dose report",
        "ManufacturerModelName": "Ring 64",
        "ReferencedPerformedProcedureStepSequence": [],
        "PatientName": "Berg^Anna",
        "PatientID": "P1",
        "IssuerOfPatientID": "HOSP",
        "PatientBirthDate": "19700503",
        "PatientSex": "F",
        "DeviceSerialNumber": "SN-1",
        "SoftwareVersions": "1.0",
        "StudyInstanceUID": "2.25.1001",
        "SeriesInstanceUID": "2.25.2999",
        "StudyID": "1",
        "SeriesNumber": "99",
        "InstanceNumber": "1",
        "ValueType": "CONTAINER",
        "ContinuityOfContent": "SEPARATE",
        "CompletionFlag": "COMPLETE",
        "VerificationFlag": "UNVERIFIED",
        "PerformedProcedureCodeSequence": [],
    }
    dataset = Dataset()
    for keyword, value in (fields | attributes).items():
        if value is not None:
            put(dataset, keyword, _items(value))
    dataset.ConceptNameCodeSequence = [code(title)]
    dataset.ContentSequence = [item_of(node) for node in content]
    return dataset


def _items(value: Any) -> Any:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        items = []
        for one in value:
            item = Dataset()
            for keyword, inner in one.items():
                put(item, keyword, _items(inner))
            items.append(item)
        return items
    return value


def encode(dataset: Dataset, syntax: str = "explicit") -> bytes:
    return encoded(dataset, syntax)


def as_file(dataset: Dataset, syntax: str = "explicit") -> Dataset:
    """The same with file meta information, for tools that read files."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = SYNTAXES[syntax]
    return dataset


# --- pieces


def scope(kind: str = "113014 Study", uid: str = "2.25.1001") -> Node:
    name = {
        "113014": "110180 Study Instance UID",
        "113016": "121126 Performed Procedure Step SOP Instance UID",
    }[split(kind)[0]]
    return {
        "is": "113705 Scope of Accumulation",
        "as": "HAS OBS CONTEXT",
        "code": kind,
        "has": [{"is": name, "as": "HAS PROPERTIES", "uid": uid}],
    }


def ct_event(
    uid: str | None,
    dlp: str,
    *,
    ctdi: str = "10",
    phantom: str = "113691 IEC Body Dosimetry Phantom",
    unit: str = "mGy.cm",
    at: str = "",
) -> Node:
    """A CT Acquisition (TID 10013)."""
    has: list[Node] = [
        {"is": "125203 Acquisition Protocol", "text": "Abdomen portal venous"},
        {"is": "123014 Target Region", "code": "818981001 SCT Abdomen"},
        {"is": "113820 CT Acquisition Type", "code": "116152004 SCT Spiral Acquisition"},
        {
            "is": "113822 CT Acquisition Parameters",
            "has": [
                {"is": "113824 Exposure Time", "num": "8.5", "unit": "s"},
                {
                    "is": "113831 CT X-Ray Source Parameters",
                    "has": [
                        {"is": "113733 KVP", "num": "120", "unit": "kV"},
                        {"is": "113734 X-Ray Tube Current", "num": "212", "unit": "mA"},
                    ],
                },
            ],
        },
        {
            "is": "113829 CT Dose",
            "has": [
                {"is": "113830 Mean CTDIvol", "num": ctdi, "unit": "mGy"},
                {"is": "113835 CTDIw Phantom Type", "code": phantom},
                {"is": "113838 DLP", "num": dlp, "unit": unit},
            ],
        },
    ]
    if uid is not None:
        has.insert(3, {"is": "113769 Irradiation Event UID", "uid": uid})
    if at:
        has.append({"is": "111526 DateTime Started", "at": at})
    return {"is": "113819 CT Acquisition", "has": has}


def ct(
    events: dict[str, str],
    *,
    total: str | None = None,
    uid: str = "2.25.7001",
    scope_of: Node | None = None,
    **attributes: Any,
) -> Dataset:
    """A CT report (TID 10011) of events with their DLP; the total is their sum if not given."""
    whole = total if total is not None else str(sum(float(dlp) for dlp in events.values()))
    content: list[Node] = [
        {
            "is": "121058 Procedure reported",
            "as": "HAS CONCEPT MOD",
            "code": "77477000 SCT Computed Tomography",
        },
        {"is": "113809 Start of X-Ray Irradiation", "at": "20260302131000"},
        {"is": "113810 End of X-Ray Irradiation", "at": "20260302133000"},
        scope_of or scope(),
        {
            "is": "113811 CT Accumulated Dose Data",
            "has": [
                {"is": "113812 Irradiation Events", "num": str(len(events)), "unit": "{events}"},
                {"is": "113813 CT DLP Total", "num": whole, "unit": "mGy.cm"},
            ],
        },
        *(ct_event(event, dlp) for event, dlp in events.items()),
    ]
    return report(content, uid=uid, **attributes)
