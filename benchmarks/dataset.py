"""Deterministic worklists of N steps, of the same shape at each size.

========  ====================================================================================
query     what it finds
========  ====================================================================================
day       20 steps for station BENCHCT1, CT, on one day (a fifth of N below 100)
broad     500 MR steps in the month around it (half of N below 1,000)
single    one step by its accession number
========  ====================================================================================

The rest are steps of forty other stations and six modalities within two months. People are
invented.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

DAY = date(2026, 1, 15)
STATION = "BENCHCT1"
_ROOT = "1.2.826.0.1.3680043.8.498.77"
_FAMILIES = (
    "Müller", "García", "Łukasz", "Smith", "Johnson", "Nguyễn", "Øster", "Rossi", "Dubois",
    "Kowalski", "Jensen", "Andersson", "Okafor", "Silva", "Tanaka", "Li",
)  # fmt: skip
_GIVEN = (
    "Anna", "José", "Peter", "Zoë", "Maria", "Liam", "Noah", "Emma", "Søren", "Chloé", "Yuki",
    "Wei", "Aisha", "Ivan", "Eva", "Tom",
)  # fmt: skip
_OTHERS = ("CT", "US", "DX", "CR", "MG", "XA")
_CODES = {
    "CT": (
        ("CTHEAD", "CT head without contrast"),
        ("CTABD", "CT abdomen and pelvis with contrast"),
    ),
    "MR": (("MRKNEE", "MR knee left"), ("MRBRAIN", "MR brain with and without contrast")),
    "US": (("USABD", "Ultrasound abdomen complete"),),
    "DX": (("DXCHEST", "Chest two views"),),
    "CR": (("CRHAND", "Hand right three views"),),
    "MG": (("MGSCR", "Screening mammography bilateral"),),
    "XA": (("XACOR", "Coronary angiography"),),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One scheduled step with all that belongs to it."""

    number: int
    family: str
    given: str
    birth: date
    sex: str
    study_uid: str
    station: str
    modality: str
    at: datetime
    code: str
    meaning: str
    referring: str
    performing: str
    priority: str
    ward: str
    weight: int

    @property
    def patient_id(self) -> str:
        return f"P{self.number:08d}"

    @property
    def accession(self) -> str:
        return f"A{self.number:08d}"

    @property
    def placer(self) -> str:
        return f"PL{self.number:08d}"

    @property
    def filler(self) -> str:
        return f"FL{self.number:08d}"

    @property
    def procedure_id(self) -> str:
        return f"RP{self.number:07d}"

    @property
    def step_id(self) -> str:
        return f"SPS{self.number:07d}"

    @property
    def visit(self) -> str:
        return f"V{self.number:08d}"

    @property
    def name(self) -> str:
        return f"{self.family}^{self.given}"

    @property
    def day(self) -> str:
        return f"{self.at:%Y%m%d}"

    @property
    def time(self) -> str:
        return f"{self.at:%H%M%S}"


def day_matches(size: int) -> int:
    return 20 if size >= 100 else max(1, size // 5)


def broad_matches(size: int) -> int:
    return min(500, size // 2)


def names() -> list[str]:
    """Names that are told apart also without their first letter, about equally many of each."""
    families = [
        one for one in _FAMILIES if sum(other.endswith(one[1:]) for other in _FAMILIES) == 1
    ]
    return [f"{family}^{given}" for family in families for given in _GIVEN]


def each_name(size: int) -> int:
    """How many steps of a worklist have the same name."""
    return size // (len(_FAMILIES) * len(_GIVEN))


def spans(size: int, matches: int) -> list[tuple[str, date, date]]:
    """Days of single stations on which about so many steps are scheduled."""
    days: dict[str, dict[date, int]] = {}
    for item in items(size):
        if item.station.startswith("ST"):
            found = days.setdefault(item.station, {})
            found[item.at.date()] = found.get(item.at.date(), 0) + 1
    spans = []
    for station, counts in days.items():
        for first in sorted(counts)[:20]:
            total, last = 0, first
            while total < matches and last in counts:
                total += counts[last]
                last += timedelta(days=1)
            if total >= matches:
                spans.append((station, first, last - timedelta(days=1)))
    return spans


def items(size: int) -> Iterator[Item]:
    """The steps of a worklist of this size, in no order that would help an index."""
    chance = random.Random(20260115 + size)
    order = list(range(1, size + 1))
    chance.shuffle(order)
    for position, number in enumerate(order):
        if position < day_matches(size):
            station, modality, days = STATION, "CT", 0
        elif position < day_matches(size) + broad_matches(size):
            station, modality = f"BENCHMR{1 + position % 4}", "MR"
            days = chance.randrange(-14, 14)
        else:
            station, modality = f"ST{1 + position % 40:02d}", _OTHERS[position % len(_OTHERS)]
            days = chance.randrange(-30, 30)
        code, meaning = _CODES[modality][position % len(_CODES[modality])]
        minutes = chance.randrange(7 * 60, 19 * 60)
        yield Item(
            number=number,
            family=chance.choice(_FAMILIES),
            given=chance.choice(_GIVEN),
            birth=date(chance.randrange(1930, 2022), chance.randrange(1, 13), 1)
            + timedelta(days=chance.randrange(28)),
            sex=chance.choice("MF"),
            study_uid=f"{_ROOT}.{size}.1.{number}",
            station=station,
            modality=modality,
            at=datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)
            + timedelta(days=days, minutes=minutes),
            code=code,
            meaning=meaning,
            referring=f"Referrer^{chance.choice(_GIVEN)}",
            performing=f"Operator^{chance.choice(_GIVEN)}",
            priority=chance.choice(("ROUTINE", "STAT", "URGENT")),
            ward=f"W{chance.randrange(1, 9)}",
            weight=chance.randrange(40, 120),
        )


# --- new orders: each with numbers of its own, on four stations that are never booked twice

_NEW_STATIONS = ("BENCHNEW1", "BENCHNEW2", "BENCHNEW3", "BENCHNEW4")
_FIRST_NEW = 10_000_000  # behind every number of a worklist
_FIRST_DAY = datetime(2027, 1, 4, 8, tzinfo=UTC)


def new_item(position: int) -> Item:
    """An order that was not there before: half an hour on one of four stations, day by day."""
    slot, station = divmod(position, len(_NEW_STATIONS))
    day, half_hour = divmod(slot, 20)
    number = _FIRST_NEW + position
    return Item(
        number=number,
        family=_FAMILIES[number % len(_FAMILIES)],
        given=_GIVEN[number // 7 % len(_GIVEN)],
        birth=date(1940 + number % 70, 1 + number % 12, 1 + number % 28),
        sex="MF"[number % 2],
        study_uid=f"{_ROOT}.9.{number}",
        station=_NEW_STATIONS[station],
        modality="CT",
        at=_FIRST_DAY + timedelta(days=day, minutes=30 * half_hour),
        code="CTHEAD",
        meaning="CT head without contrast",
        referring="Referrer^Anna",
        performing="Operator^Tom",
        priority="ROUTINE",
        ward=f"W{1 + number % 8}",
        weight=40 + number % 80,
    )


def stations() -> list[tuple[str, str]]:
    """Every station of a worklist that queries are asked for, with its modality."""
    return [
        (STATION, "CT"),
        *((f"BENCHMR{number}", "MR") for number in range(1, 5)),
        *((name, "CT") for name in _NEW_STATIONS),
    ]


def orm_o01(item: Item, control_id: str) -> bytes:
    """HL7 v2.5.1 ORM^O01 with the study's UID as IHE's ZDS (IHE RAD TF-2 4.2)."""
    at = f"{item.at:%Y%m%d%H%M%S}"
    header = f"{at}||ORM^O01^ORM_O01|{control_id}|P|2.5.1|||AL|NE||UNICODE UTF-8"
    what = f"{item.code}^{item.meaning}^99BENCH"
    where = f"{item.accession}|{item.procedure_id}|{item.step_id}|{item.station}"
    where += f"|||{item.modality}|||^^^{at}^^R"
    segments = [
        f"MSH|^~\\&|BENCH|HOSP|RIS|RAD|{header}",
        f"PID|1||{item.patient_id}^^^BENCHHOSP^MR||{item.name}||{item.birth:%Y%m%d}|{item.sex}",
        f"PV1|1|O|{item.ward}||||||{item.referring}|||||||||||{item.visit}",
        f"ORC|NW|{item.placer}|{item.filler}||SC||^^^{at}^^R||{at}|||{item.referring}",
        f"OBR|1|{item.placer}|{item.filler}|{what}||||||||||||{item.referring}||{where}",
        f"ZDS|{item.study_uid}^RIS^Application^DICOM",
    ]
    return ("\r".join(segments) + "\r").encode()


_TYPE = "http://terminology.hl7.org/CodeSystem/v2-0203"


def service_request(item: Item) -> bytes:
    """A FHIR R4 ServiceRequest with its patient contained."""
    resource: dict[str, Any] = {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "priority": "routine",
        "identifier": [
            {
                "type": {"coding": [{"system": _TYPE, "code": "PLAC"}]},
                "system": "urn:bench:placer",
                "value": item.placer,
            },
            {
                "type": {"coding": [{"system": _TYPE, "code": "ACSN"}]},
                "system": "urn:bench:accession",
                "value": item.accession,
            },
        ],
        "category": [{"coding": [{"system": "http://snomed.info/sct", "code": "363679005"}]}],
        "code": {
            "coding": [
                {"system": "urn:bench:codes", "code": item.code, "display": item.meaning},
            ],
            "text": item.meaning,
        },
        "orderDetail": [
            {
                "coding": [
                    {
                        "system": "http://dicom.nema.org/resources/ontology/DCM",
                        "code": item.modality,
                    }
                ]
            }
        ],
        "contained": [
            {
                "resourceType": "Patient",
                "id": "p",
                "identifier": [{"system": "urn:bench:mrn", "value": item.patient_id}],
                "name": [{"family": item.family, "given": [item.given]}],
                "gender": "male" if item.sex == "M" else "female",
                "birthDate": f"{item.birth}",
            }
        ],
        "subject": {"reference": "#p"},
        "occurrenceDateTime": item.at.isoformat(),
        "authoredOn": item.at.isoformat(),
        "requester": {"display": item.referring.replace("^", ", ")},
        "reasonCode": [{"text": "Follow-up"}],
    }
    return json.dumps(resource, ensure_ascii=False).encode()


def transaction(first: int, entries: int = 300) -> bytes:
    """A FHIR transaction: a patient, then orders and observations about the patient."""
    item = new_item(first)
    patient = json.loads(service_request(item))["contained"][0]
    urn = f"urn:uuid:00000000-0000-4000-8000-{first:012d}"
    made = [_entry("Patient", {**patient, "id": None}, urn, "urn:bench:mrn", item.patient_id)]
    for position in range(1, entries):
        if position % 10 == 1:
            order = json.loads(service_request(new_item(first + position)))
            order = {**order, "contained": None, "subject": {"reference": urn}}
            order["occurrenceDateTime"] = None
            made.append(_entry("ServiceRequest", order))
            continue
        value = f"{first}-{position}"
        observation = {
            "resourceType": "Observation",
            "status": "final",
            "identifier": [{"system": "urn:bench:observation", "value": value}],
            "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
            "subject": {"reference": urn},
            "effectiveDateTime": item.at.isoformat(),
            "valueQuantity": {"value": 60 + position % 30, "unit": "/min"},
        }
        made.append(_entry("Observation", observation, "", "urn:bench:observation", value))
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": made}
    return json.dumps(bundle, ensure_ascii=False).encode()


def _entry(
    kind: str, resource: dict[str, Any], full_url: str = "", system: str = "", value: str = ""
) -> dict[str, Any]:
    request = {"method": "POST", "url": kind}
    if value:
        request["ifNoneExist"] = f"identifier={system}|{value}"
    said = {name: each for name, each in resource.items() if each is not None}
    found = {"resource": said, "request": request}
    return {"fullUrl": full_url, **found} if full_url else found
