"""The devices of the demo: they ask for their worklist and tell what they perform (PS3.4 F, K)."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta
from importlib import import_module
from typing import Any

from ris.demo import dose
from ris.demo.cast import ISSUER, Person
from ris.demo.dicom_json import Json, code_item, element
from ris.domain.actors import Actor, device_actor
from ris.domain.performing import (
    CompletePerformedStep,
    Origin,
    PerformedDetails,
    ScheduledReference,
    StartPerformedStep,
)
from ris.domain.values import Code, PersonName
from ris.models import ScheduledProcedureStep
from ris.selectors.views import WorklistEntry, WorklistQuery
from ris.selectors.worklist import entries
from ris.services import execute, inbox
from ris.services.queries import record_worklist_query
from ris.services.refusals import record_refusal

# The edge that speaks DICOM, by name only (DESIGN 4).
HANDLERS = "worklist.handlers"
DOCUMENTS = "worklist.documents"
RAW = "worklist.raw"
RETRIEVAL = "worklist.retrieval"
REGISTRY = "worklist.registry"

MPPS = "1.2.840.10008.3.1.2.3.3"
EXPLICIT = "1.2.840.10008.1.2.1"

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

# What a device makes in one exam: its series, and how many images each has.
_SERIES: dict[str, tuple[tuple[str, int], ...]] = {
    "CT": (("Topogram", 1), ("Axial 1.0 soft", 12), ("Coronal 3.0 soft", 6)),
    "MR": (("Localizer", 3), ("T2 TSE tra", 8), ("T1 SE sag", 8)),
    "US": (("Stills", 7),),
    "DX": (("Projection", 2),),
    "MG": (("Mammography", 4),),
    "NM": (("Static", 2),),
}


class Devices:
    """The modalities: what they do reaches the edge as their messages would."""

    def __init__(self, dice: random.Random, stations: Mapping[str, tuple[str, str]]) -> None:
        self._dice = dice
        self._stations = stations  # AE title → station name, room
        self._performed = 0
        self._begun: dict[str, dose.Begun] = {}
        self._edge = import_module(HANDLERS)
        self._documents = import_module(DOCUMENTS)
        self._raw = import_module(RAW)
        self._encode = import_module(RETRIEVAL).encode
        self._register = import_module(REGISTRY).Registry(ae_title="RIS").snapshot()

    def start(
        self,
        step: ScheduledProcedureStep,
        person: Person,
        at: datetime,
        *,
        reference: ScheduledReference | None = None,
        modality: str = "",
    ) -> str:
        """N-CREATE; ``reference`` and ``person`` may be wrong, for they may be typed in.

        Another ``modality`` than the step's makes something from its images.
        """
        self._performed += 1
        uid = self.uid()
        procedure = step.procedure
        named = reference or ScheduledReference(
            study_instance_uid=procedure.study_instance_uid,
            accession_number=procedure.order.accession_number,
            procedure_id=procedure.procedure_id,
            step_id=step.step_id,
        )
        ae_title = f"{step.modality}1"
        station_name, room = self._stations[ae_title]
        number = f"PPS{self._performed:06d}"
        data = {
            "00080060": element("CS", modality or step.modality),
            "00081032": element("SQ"),
            "00081120": element("SQ"),
            "00100010": _name(person.name),
            "00100020": element("LO", person.number),
            "00100021": element("LO", ISSUER),
            "00100030": element("DA", person.born.dicom),
            "00100040": element("CS", person.sex),
            "00200010": element("SH", number),
            "00400241": element("AE", ae_title),
            "00400242": element("SH", station_name),
            "00400243": element("SH", room),
            "00400244": element("DA", f"{at:%Y%m%d}"),
            "00400245": element("TM", f"{at:%H%M%S}"),
            "00400250": element("DA"),
            "00400251": element("TM"),
            "00400252": element("CS", "IN PROGRESS"),
            "00400253": element("SH", number),
            "00400254": element("LO", step.description),
            "00400255": element("LO"),
            "00400260": element("SQ"),
            "00400270": element("SQ", _scheduled_item(step, named)),
            "00400340": element("SQ"),
        }
        self._tell("N-CREATE", uid, ae_title, data)
        if not modality:
            self._begun[uid] = dose.Begun(
                uid=uid, reference=named, person=person, station_name=station_name
            )
        return uid

    def complete(self, uid: str, step: ScheduledProcedureStep, at: datetime) -> None:
        """N-SET with COMPLETED and every series; then the dose report, where there is one."""
        begun = self._begun.pop(uid, None)
        data = self._end("COMPLETED", step, at)
        if begun is not None:
            data |= dose.attributes(step)
        self._tell("N-SET", uid, f"{step.modality}1", data)
        made = dose.report(step, begun, at) if begun is not None else None
        if made is not None:
            self._store(*made, f"{step.modality}1")

    def discontinue(
        self, uid: str, step: ScheduledProcedureStep, at: datetime, reason: Code = COULD_NOT_GO_ON
    ) -> None:
        """N-SET with DISCONTINUED and why."""
        data = self._end("DISCONTINUED", step, at, last=1)
        data["00400281"] = element("SQ", code_item(reason.value, reason.meaning, reason.scheme))
        self._tell("N-SET", uid, f"{step.modality}1", data)

    def ask(self, ae_title: str, at: datetime) -> None:
        """C-FIND for the device's day."""
        began = datetime.combine(at.date(), time(0), at.tzinfo)
        answer = entries(
            WorklistQuery(
                station_ae_titles=(ae_title,),
                start_from=began,
                start_before=began + timedelta(days=1),
            )
        )
        keys = {
            "ScheduledStationAETitle": ae_title,
            "ScheduledProcedureStepStartDate": f"{at:%Y%m%d}",
        }
        self._asked(ae_title, at, keys, _day_query(**keys), entries=answer.entries)

    def ask_wrongly(self, ae_title: str, at: datetime) -> None:
        """C-FIND with a date that is none, as after somebody typed it at the console."""
        self._asked(
            ae_title,
            at,
            {},
            _day_query(ScheduledStationAETitle=ae_title, ScheduledProcedureStepStartDate="TODAY"),
            status=0xA900,
            comment="(0040,0002) not a date (YYYYMMDD)",
            elements=(0x00400002,),
        )

    def knock(self, ae_title: str, address: str, at: datetime, count: int) -> None:
        """A device that is new here tries to connect, again and again."""
        record_refusal(
            ae_title,
            address=address,
            operation="A-ASSOCIATE",
            status="1/1/3",
            reason="AE title is not registered",
            at=at,
            count=count,
        )

    def _asked(
        self,
        ae_title: str,
        at: datetime,
        keys: Mapping[str, str],
        query: Json,
        entries: Sequence[WorklistEntry] = (),
        **answered: Any,
    ) -> None:
        record_worklist_query(
            _device(ae_title),
            keys=keys,
            identifier=self._encode(
                query, EXPLICIT, self._register.profile(ae_title).answer_sets(())
            ),
            transfer_syntax=EXPLICIT,
            started_at=at,
            duration_ms=round(self._dice.uniform(2, 9), 1),
            called_ae="RIS",
            entries=entries,
            **answered,
        )

    def uid(self) -> str:
        """A UID under 2.25 (PS3.5 B.2) from the demo's own dice."""
        return f"2.25.{self._dice.getrandbits(120)}"

    def _end(
        self, status: str, step: ScheduledProcedureStep, at: datetime, last: int | None = None
    ) -> Json:
        series = [
            self._series_item(step.modality, name, images)
            for name, images in _SERIES[step.modality][:last]
        ]
        return {
            "00400250": element("DA", f"{at:%Y%m%d}"),
            "00400251": element("TM", f"{at:%H%M%S}"),
            "00400252": element("CS", status),
            "00400340": element("SQ", *series),
        }

    def _series_item(self, modality: str, name: str, images: int) -> Json:
        uid = self.uid()
        return {
            "00080054": element("AE", "PACS"),
            "0008103E": element("LO", name),
            "00081050": element("PN"),
            "00081070": element("PN", {"Alphabetic": "Rębacz^Tomasz"}),
            "00081140": element(
                "SQ",
                *(
                    {
                        "00081150": element("UI", _IMAGES[modality]),
                        "00081155": element("UI", f"{uid}.{number}"),
                    }
                    for number in range(1, images + 1)
                ),
            ),
            "00181030": element("LO", name),
            "0020000E": element("UI", uid),
        }

    def _tell(self, operation: str, uid: str, ae_title: str, data: Json) -> None:
        sets = self._register.profile(ae_title).answer_sets(())
        stored = self._raw.StoredRequest(
            operation, MPPS, uid, EXPLICIT, ae_title, self._encode(data, EXPLICIT, sets)
        )
        receipt = self._edge.receive(stored, _device(ae_title), self._register, dedupe=True)
        inbox.mark_replied(receipt.message, sent=True)

    def _store(self, uid: str, data: Json, ae_title: str) -> None:
        """C-STORE of a dose report."""
        sets = self._register.profile(ae_title).answer_sets(())
        stored = self._raw.StoredRequest(
            "C-STORE", dose.SOP_CLASS, uid, EXPLICIT, ae_title, self._encode(data, EXPLICIT, sets)
        )
        receipt = self._documents.receive(stored, _device(ae_title), self._register, dedupe=True)
        inbox.mark_replied(receipt.message, sent=True)


class Technologist:
    """Begins and ends exams by hand, where a device tells nothing."""

    def __init__(self, actor: Actor, devices: Devices) -> None:
        self._actor = actor
        self._devices = devices

    def start(self, step: ScheduledProcedureStep, at: datetime) -> str:
        uid = self._devices.uid()
        execute(
            StartPerformedStep(
                sop_instance_uid=uid,
                station_ae_title=f"{step.modality}1",
                started_at=at,
                modality=step.modality,
                steps=(str(step.public_id),),
                details=PerformedDetails(description=step.description),
                origin=Origin.MANUAL,
            ),
            actor=self._actor,
        )
        return uid

    def complete(self, uid: str, at: datetime) -> None:
        execute(
            CompletePerformedStep(sop_instance_uid=uid, details=PerformedDetails(ended_at=at)),
            actor=self._actor,
        )


def _device(ae_title: str) -> Actor:
    return device_actor(ae_title, "127.0.0.1")


# --- datasets as DICOM JSON (PS3.18 F.2)


def _day_query(**keys: str) -> Json:
    """The identifier of a broad query (IHE RAD-5)."""
    step = {
        "00080060": element("CS"),
        "00400001": element("AE", keys["ScheduledStationAETitle"]),
        "00400002": element("DA", keys["ScheduledProcedureStepStartDate"]),
        "00400003": element("TM"),
        "00400007": element("LO"),
        "00400009": element("SH"),
    }
    return {
        "00080050": element("SH"),
        "00100010": element("PN"),
        "00100020": element("LO"),
        "00100030": element("DA"),
        "00100040": element("CS"),
        "0020000D": element("UI"),
        "00400100": element("SQ", step),
        "00401001": element("SH"),
    }


def _name(name: PersonName) -> Json:
    groups = {
        "Alphabetic": str(name.alphabetic),
        "Ideographic": str(name.ideographic),
        "Phonetic": str(name.phonetic),
    }
    return element("PN", {writing: text for writing, text in groups.items() if text})


def _scheduled_item(step: ScheduledProcedureStep, named: ScheduledReference) -> Json:
    """(0040,0270): what the device took over from its worklist."""
    return {
        "00080050": element("SH", named.accession_number),
        "00081110": element("SQ"),
        "0020000D": element("UI", named.study_instance_uid),
        "00321060": element("LO", step.procedure.description[:64]),
        "00400007": element("LO", step.description),
        "00400008": element("SQ"),
        "00400009": element("SH", named.step_id),
        "00401001": element("SH", named.procedure_id),
    }
