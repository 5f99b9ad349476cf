"""The dose reports of the demo's devices (PS3.16 TID 10011 and 10001), and what MPPS says instead.

The numbers are made up from the step's own, so that the demo is the same each time; they are of the
size that such exams have, and of no more meaning.
"""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from ris.demo.cast import ISSUER, Person
from ris.demo.dicom_json import Json, code_item, element
from ris.domain.performing import ScheduledReference
from ris.models import ScheduledProcedureStep

SOP_CLASS = "1.2.840.10008.5.1.4.1.1.88.67"
MPPS = "1.2.840.10008.3.1.2.3.3"
# The dose length product of a CT by region, roughly, in mGy.cm.
_DLP = {"HEAD": 800, "ABDOMEN": 520, "CHEST": 260}
_COMMON = 400
# Reference levels by procedure of the demo's catalog, in mGy.cm.
SCHEME = "RISDEMO"
LEVELS = {"CTHEAD": Decimal(850), "CTSINUS": Decimal(900), "CTCHEST": Decimal(350)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What a device knows of an exam it began, as somebody typed or picked it."""

    uid: str
    reference: ScheduledReference
    person: Person
    station_name: str


def uid_of(*names: str) -> str:
    """A UID that is the same each time (PS3.5 B.2)."""
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, ':'.join(names)).int}"


def _dice(step: ScheduledProcedureStep) -> random.Random:
    """The step's own, so that what else happens in the demo does not change with it."""
    return random.Random(step.step_id)  # noqa: S311 - a demo is to be the same each time


def attributes(step: ScheduledProcedureStep) -> Json:
    """What an older X-ray device says with its last N-SET: dGy.cm2 and exposures (DOSE-04)."""
    if step.modality != "DX":
        return {}
    dice = _dice(step)
    return {
        "0018115E": element("DS", f"{dice.uniform(0.4, 24):.2f}"),
        "00400301": {"vr": "US", "Value": [2]},
    }


def report(step: ScheduledProcedureStep, begun: Begun, at: datetime) -> tuple[str, Json] | None:
    """The report's UID and dataset, if the device is one that makes reports."""
    content = {"CT": _ct, "MG": _mammography}.get(step.modality)
    if content is None:
        return None
    uid = uid_of(begun.uid, "dose")
    reference, person = begun.reference, begun.person
    data = {
        "00080016": element("UI", SOP_CLASS),
        "00080018": element("UI", uid),
        "00080023": element("DA", f"{at:%Y%m%d}"),
        "00080033": element("TM", f"{at:%H%M%S}"),
        "00080050": element("SH", reference.accession_number),
        "00080060": element("CS", "SR"),
        "00080070": element("LO", "Invented Devices"),
        "00081010": element("SH", begun.station_name),
        "00081090": element("LO", f"Demo {step.modality}"),
        "00081111": element(
            "SQ", {"00081150": element("UI", MPPS), "00081155": element("UI", begun.uid)}
        ),
        "00100010": element("PN", {"Alphabetic": str(person.name.alphabetic)}),
        "00100020": element("LO", person.number),
        "00100021": element("LO", ISSUER),
        "00100030": element("DA", person.born.dicom),
        "0020000D": element("UI", reference.study_instance_uid),
        "0020000E": element("UI", uid_of(begun.uid, "series")),
        "0040A040": element("CS", "CONTAINER"),
        "0040A043": element("SQ", code_item("113701", "X-Ray Radiation Dose Report")),
        "0040A491": element("CS", "COMPLETE"),
        "0040A493": element("CS", "UNVERIFIED"),
        "0040A730": element("SQ", *content(step, begun, at)),
    }
    return uid, data


def _ct(step: ScheduledProcedureStep, begun: Begun, at: datetime) -> list[Json]:
    dice = _dice(step)
    definition = step.procedure.definition
    region = (definition.body_part if definition else "").upper()
    usual = next((dlp for name, dlp in _DLP.items() if name in region), _COMMON)
    head = "HEAD" in region
    phantom = ("113690", "IEC Head Dosimetry Phantom") if head else (
        "113691", "IEC Body Dosimetry Phantom"
    )  # fmt: skip
    passes = [
        Decimal(f"{usual * dice.uniform(0.5, 1.2):.1f}") for _ in range(dice.choice((1, 1, 2)))
    ]
    events = [
        _container(
            "113819", "CT Acquisition",
            _text("125203", "Acquisition Protocol", step.description),
            _coded("113820", "CT Acquisition Type", "116152004", "Spiral Acquisition", "SCT"),
            _uid_item("113769", "Irradiation Event UID", uid_of(begun.uid, str(number))),
            _container(
                "113829", "CT Dose",
                _number("113830", "Mean CTDIvol", f"{dlp / (16 if head else 42):.2f}", "mGy"),
                _coded("113835", "CTDIw Phantom Type", *phantom),
                _number("113838", "DLP", str(dlp), "mGy.cm"),
            ),
        )
        for number, dlp in enumerate(passes)
    ]  # fmt: skip
    return [
        _coded("121058", "Procedure reported", "77477000", "Computed Tomography", "SCT"),
        _time("113809", "Start of X-Ray Irradiation", at - timedelta(minutes=6)),
        _time("113810", "End of X-Ray Irradiation", at - timedelta(minutes=2)),
        _coded("113705", "Scope of Accumulation", "113014", "Study"),
        _container(
            "113811", "CT Accumulated Dose Data",
            _number("113812", "Total Number of Irradiation Events", str(len(passes)), "{events}"),
            _number("113813", "CT Dose Length Product Total", str(sum(passes)), "mGy.cm"),
        ),
        *events,
    ]  # fmt: skip


def _mammography(step: ScheduledProcedureStep, begun: Begun, at: datetime) -> list[Json]:
    dice = _dice(step)
    sides = [("80248007", "Left breast"), ("73056007", "Right breast")]
    totals = []
    for side, words in sides:
        total = _number(
            "111637", "Accumulated Average Glandular Dose", f"{dice.uniform(1.8, 3.6):.2f}", "mGy"
        )
        laterality = {"0040A168": element("SQ", code_item(side, words, "SCT"))}
        total["0040A730"] = element(
            "SQ", _item("CODE", "272741003", "Laterality", laterality, "SCT")
        )
        totals.append(total)
    return [
        _coded("121058", "Procedure reported", "71651007", "Mammography", "SCT"),
        _coded("113705", "Scope of Accumulation", "113014", "Study"),
        _container("113702", "Accumulated X-Ray Dose Data", *totals),
    ]


# --- content items as DICOM JSON (PS3.18 F.2)


def _item(kind: str, concept: str, meaning: str, values: Json, scheme: str = "DCM") -> Json:
    return {
        "0040A010": element("CS", "CONTAINS"),
        "0040A040": element("CS", kind),
        "0040A043": element("SQ", code_item(concept, meaning, scheme)),
        **values,
    }


def _container(concept: str, meaning: str, *below: Json) -> Json:
    return _item("CONTAINER", concept, meaning, {"0040A730": element("SQ", *below)})


def _coded(concept: str, meaning: str, value: str, words: str, scheme: str = "DCM") -> Json:
    sequence = element("SQ", code_item(value, words, scheme))
    return _item("CODE", concept, meaning, {"0040A168": sequence})


def _text(concept: str, meaning: str, text: str) -> Json:
    return _item("TEXT", concept, meaning, {"0040A160": element("UT", text)})


def _uid_item(concept: str, meaning: str, uid: str) -> Json:
    return _item("UIDREF", concept, meaning, {"0040A124": element("UI", uid)})


def _time(concept: str, meaning: str, at: datetime) -> Json:
    return _item("DATETIME", concept, meaning, {"0040A120": element("DT", f"{at:%Y%m%d%H%M%S}")})


def _number(concept: str, meaning: str, number: str, unit: str) -> Json:
    measured = {
        "0040A30A": element("DS", number),
        "004008EA": element("SQ", code_item(unit, unit, "UCUM")),
    }
    return _item("NUM", concept, meaning, {"0040A300": element("SQ", measured)})
