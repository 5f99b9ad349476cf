"""Every key that is said to be matched finds its step by what it is answered with, and no other.

The keys are those of the table that the conformance statement prints (MWL-02, MWL-05, CS-03).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import pytest
from pydicom.dataset import Dataset

from ris.domain.orders import OrderDetails, Priority, ProcedureRequest
from ris.domain.patients import Sex, VisitDetails
from ris.domain.values import Code, Identifier, PartialDate, PersonName
from tests import make
from tests.worklist import requests
from tests.worklist.entries import identifier
from worklist.attributes import WORKLIST, Attribute
from worklist.conformance_worklist import nested

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LONG = "a-code-longer-than-sixteen"
MATCHED = [row for row in nested(WORKLIST) if row.query]
# What no step has, as each representation writes it.
NOBODYS = {"DA": "18000101", "TM": "010203", "UI": "1.2.3.4.5.6", "CS": "O"}


@pytest.fixture(autouse=True)
def _steps() -> None:
    """Two that differ in everything, and between them have a value for every key."""
    make.site()
    make.device("CT1", "CT")
    make.device("MR1", "MR")
    place("CT1", "A", Code("H1", "99SITE", "Head"), Code("P1", "99SITE", "Native"), "HOSP")
    place(
        "MR1", "B", Code(LONG, "LN", "Knee"), Code(f"{LONG}-p", "LN", "Contrast"), "urn:oid:1.2.3",
        hour=14, sex=Sex.MALE, born="1981-02-03", priority=Priority.STAT,
    )  # fmt: skip


def place(
    station: str,
    letter: str,
    code: Code,
    protocol: Code,
    authority: str,
    *,
    hour: int = 12,
    sex: Sex = Sex.FEMALE,
    born: str = "1970-05-03",
    priority: Priority = Priority.ROUTINE,
) -> None:
    step = make.step_request(
        start_at=NOON.replace(hour=hour, day=hour),
        station_ae_title=station,
        modality=station[:2],
        description=f"Step {letter}",
        protocol_codes=(protocol,),
        performing_physician=PersonName.of(f"Performer{letter}", "Pat"),
    )
    make.order(
        patient=make.patient(
            name=PersonName.of(f"Patient{letter}", "Ada"), sex=sex, birth_date=PartialDate(born)
        ),
        procedures=(ProcedureRequest(code=code, description=f"Study {letter}", steps=(step,)),),
        visit=VisitDetails(number=Identifier(f"V{letter}", authority), location=f"Ward {letter}"),
        accession=Identifier(f"ACC{letter}", authority),
        details=OrderDetails(
            requester=PersonName.of(f"Requester{letter}", "Eva"),
            referring=PersonName.of(f"Referrer{letter}", "Eva"),
            requesting_service=f"Service {letter}",
            priority=priority,
        ),
    )


def query(keys: Iterable[tuple[str, str]]) -> Dataset:
    """The paths, each with its value, in one identifier."""
    asked = identifier(PatientName="")
    for path, value in keys:
        *sequences, keyword = path.split(".")
        inside = asked
        for sequence in sequences:
            if sequence not in inside:
                setattr(inside, sequence, [Dataset()])
            inside = inside[sequence].value[0]
        inside.update(identifier(**{keyword: value}))
    return asked


def shown(*keys: tuple[str, str]) -> list[Dataset]:
    return requests.rows(requests.find(requests.handlers(), query(keys)))


def value_of(row: Attribute, entry: Dataset) -> str:
    inside = entry
    for sequence in filter(None, row.within.split(".")):
        inside = inside[sequence].value[0] if inside.get(sequence) else Dataset()
    return str(inside.get(row.keyword) or "")


def test_a_key_finds_what_it_was_answered_with_and_nothing_else() -> None:
    everything = shown(*((row.path, "") for row in MATCHED))
    wrong: list[str] = []
    for row in MATCHED:
        told = {str(entry.PatientName): value_of(row, entry) for entry in everything}
        if not any(told.values()):
            wrong.append(f"{row.path} has no value")
        for value in filter(None, told.values()):
            found = [str(entry.PatientName) for entry in shown((row.path, value))]
            if found != [name for name, own in told.items() if own == value]:
                wrong.append(f"{row.path}={value} found {found}")
        nobodys = NOBODYS.get(row.vr, "NOSUCH")
        if shown((row.path, nobodys)):
            wrong.append(f"{row.path}={nobodys} found somebody")

    assert len(everything) == 2
    assert wrong == []
