"""The devices of the demo: they ask for their worklist and tell what they perform (PS3.4 F, K)."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import datetime, time, timedelta
from typing import Any

from ris.demo.cast import ISSUER, Person
from ris.domain.actors import Actor, device_actor
from ris.domain.performing import (
    CompletePerformedStep,
    DiscontinuePerformedStep,
    Origin,
    PerformedDetails,
    ScheduledReference,
    SeriesDetails,
    StartPerformedStep,
)
from ris.domain.values import Code, Identifier, PersonName
from ris.models import ScheduledProcedureStep
from ris.selectors.views import WorklistQuery
from ris.selectors.worklist import entries
from ris.services import execute
from ris.services.queries import record_worklist_query

# CID 9300 (PS3.16), which explains why a step was stopped.
COULD_NOT_GO_ON = Code("110515", "DCM", "Patient condition prevented continuing")
WRONG_ENTRY = Code("110514", "DCM", "Incorrect worklist entry selected")

_IMAGES = {
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "MR": "1.2.840.10008.5.1.4.1.1.4",
    "US": "1.2.840.10008.5.1.4.1.1.6.1",
    "DX": "1.2.840.10008.5.1.4.1.1.1.1",
    "MG": "1.2.840.10008.5.1.4.1.1.1.2",
    "NM": "1.2.840.10008.5.1.4.1.1.20",
}

# What a device makes in one exam: the protocols of its series, and how many images each has.
_SERIES: dict[str, tuple[tuple[str, ...], int]] = {
    "CT": (("Topogram", "Axial 1.0 soft", "Axial 1.0 sharp"), 24),
    "MR": (("Localizer", "T2 TSE tra", "T1 SE sag"), 20),
    "US": (("Stills",), 9),
    "DX": (("Projection",), 2),
    "MG": (("Mammography",), 4),
    "NM": (("Static", "Dynamic"), 6),
}


class Devices:
    """The modalities: they tell what they perform, as MPPS does."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._performed = 0

    def uid(self) -> str:
        """A UID under 2.25 (PS3.5 B.2) from the demo's own dice."""
        return f"2.25.{self._dice.getrandbits(120)}"

    def start(
        self,
        step: ScheduledProcedureStep,
        person: Person,
        at: datetime,
        *,
        by: Actor | None = None,
        reference: ScheduledReference | None = None,
    ) -> str:
        """Begin performing a step; ``by`` a technologist's click instead of the device.

        ``reference`` and ``person`` may be wrong: devices have them typed in.
        """
        self._performed += 1
        uid = self.uid()
        procedure = step.procedure
        order = procedure.order
        named = reference or ScheduledReference(
            study_instance_uid=procedure.study_instance_uid,
            accession_number=order.accession_number,
            procedure_id=procedure.procedure_id,
            step_id=step.step_id,
        )
        ae_title = step.station_ae_title
        number = f"PPS{self._performed:06d}"
        execute(
            StartPerformedStep(
                sop_instance_uid=uid,
                station_ae_title=ae_title,
                started_at=at,
                modality=step.modality,
                station_name=step.station_name,
                location=step.location,
                performed_step_id=number,
                references=() if by else (named,),
                steps=(str(step.public_id),) if by else (),
                patient_identifier=Identifier(person.number, ISSUER),
                patient_name=str(person.name),
                patient_birth_date=person.born.dicom,
                details=PerformedDetails(description=step.description),
                dataset={} if by else _n_create(step, person, at, number, named),
                origin=Origin.MANUAL if by else Origin.MPPS,
            ),
            actor=by or _device(ae_title),
        )
        return uid

    def complete(
        self, uid: str, step: ScheduledProcedureStep, at: datetime, *, by: Actor | None = None
    ) -> None:
        series = () if by else self._series(step)
        execute(
            CompletePerformedStep(
                sop_instance_uid=uid,
                details=PerformedDetails(ended_at=at, series=series or None),
                dataset={} if by else _n_set("COMPLETED", at, series),
            ),
            actor=by or _device(step.station_ae_title),
        )

    def discontinue(
        self, uid: str, step: ScheduledProcedureStep, at: datetime, reason: Code = COULD_NOT_GO_ON
    ) -> None:
        series = self._series(step)[:1]
        execute(
            DiscontinuePerformedStep(
                sop_instance_uid=uid,
                details=PerformedDetails(ended_at=at, series=series, discontinuation_reason=reason),
                dataset=_n_set("DISCONTINUED", at, series, reason),
            ),
            actor=_device(step.station_ae_title),
        )

    def ask(self, ae_title: str, at: datetime) -> None:
        """A worklist query for the device's day."""
        began = datetime.combine(at.date(), time(0), at.tzinfo)
        answer = entries(
            WorklistQuery(
                station_ae_titles=(ae_title,),
                start_from=began,
                start_before=began + timedelta(days=1),
            )
        )
        record_worklist_query(
            _device(ae_title),
            keys={"ScheduledStationAETitle": ae_title, "Date": f"{at:%Y%m%d}"},
            entries=answer.entries,
            status=0,
            started_at=at,
            duration_ms=round(self._dice.uniform(2, 9), 1),
            called_ae="RIS",
        )

    def _series(self, step: ScheduledProcedureStep) -> tuple[SeriesDetails, ...]:
        names, images = _SERIES[step.modality]
        return tuple(
            SeriesDetails(
                series_instance_uid=self.uid(),
                protocol_name=name,
                description=name,
                modality=step.modality,
                retrieve_ae_title="PACS",
                operators=("Rębacz^Tomasz",),
                instance_count=images,
            )
            for name in names
        )


def _device(ae_title: str) -> Actor:
    return device_actor(ae_title, "127.0.0.1")


# --- datasets as DICOM JSON (PS3.18 F.2)

Json = dict[str, Any]


def _element(vr: str, *values: Any) -> Json:
    told = [value for value in values if value not in ("", None)]
    return {"vr": vr, "Value": told} if told else {"vr": vr}


def _name(name: PersonName) -> Json:
    groups = {
        "Alphabetic": str(name.alphabetic),
        "Ideographic": str(name.ideographic),
        "Phonetic": str(name.phonetic),
    }
    return _element("PN", {writing: text for writing, text in groups.items() if text})


def _code_item(code: Code) -> Json:
    return {
        "00080100": _element("SH", code.value),
        "00080102": _element("SH", code.scheme),
        "00080104": _element("LO", code.meaning),
    }


def _n_create(
    step: ScheduledProcedureStep,
    person: Person,
    at: datetime,
    number: str,
    named: ScheduledReference,
) -> Json:
    """The attributes of an N-CREATE (PS3.4 Table F.7.2-1)."""
    scheduled = {
        "00080050": _element("SH", named.accession_number),
        "00081110": _element("SQ"),
        "0020000D": _element("UI", named.study_instance_uid),
        "00321060": _element("LO", step.procedure.description[:64]),
        "00400007": _element("LO", step.description),
        "00400008": _element("SQ"),
        "00400009": _element("SH", named.step_id),
        "00401001": _element("SH", named.procedure_id),
    }
    return {
        "00080060": _element("CS", step.modality),
        "00081032": _element("SQ"),
        "00081120": _element("SQ"),
        "00100010": _name(person.name),
        "00100020": _element("LO", person.number),
        "00100021": _element("LO", ISSUER),
        "00100030": _element("DA", person.born.dicom),
        "00100040": _element("CS", person.sex),
        "00200010": _element("SH", number),
        "00400241": _element("AE", step.station_ae_title),
        "00400242": _element("SH", step.station_name),
        "00400243": _element("SH", step.location),
        "00400244": _element("DA", f"{at:%Y%m%d}"),
        "00400245": _element("TM", f"{at:%H%M%S}"),
        "00400250": _element("DA"),
        "00400251": _element("TM"),
        "00400252": _element("CS", "IN PROGRESS"),
        "00400253": _element("SH", number),
        "00400254": _element("LO", step.description),
        "00400255": _element("LO"),
        "00400260": _element("SQ"),
        "00400270": _element("SQ", scheduled),
        "00400340": _element("SQ"),
    }


def _n_set(
    status: str, at: datetime, series: Iterable[SeriesDetails], reason: Code | None = None
) -> Json:
    """The attributes of the last N-SET."""
    data = {
        "00400250": _element("DA", f"{at:%Y%m%d}"),
        "00400251": _element("TM", f"{at:%H%M%S}"),
        "00400252": _element("CS", status),
        "00400340": _element("SQ", *map(_series_item, series)),
    }
    if reason is not None:
        data["00400281"] = _element("SQ", _code_item(reason))
    return data


def _series_item(series: SeriesDetails) -> Json:
    return {
        "00080054": _element("AE", series.retrieve_ae_title),
        "0008103E": _element("LO", series.description),
        "00081050": _element("PN"),
        "00081070": _element("PN", *({"Alphabetic": name} for name in series.operators)),
        "00081140": _element(
            "SQ",
            *(
                {
                    "00081150": _element("UI", _IMAGES[series.modality]),
                    "00081155": _element("UI", f"{series.series_instance_uid}.{number}"),
                }
                for number in range(1, series.instance_count + 1)
            ),
        ),
        "00181030": _element("LO", series.protocol_name),
        "0020000E": _element("UI", series.series_instance_uid),
    }
