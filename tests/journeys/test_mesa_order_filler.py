"""The order filler's stories of the IHE MESA tests 101 to 109, at the edges without sockets.

HL7 comes in as frames and goes out as rendered deliveries; the modality's side are the datasets
that pynetdicom would send, made from the worklist's own answers. Names and numbers are ours.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ris.domain.corrections import OrderPerformedStep
from ris.domain.exchange import Subscription
from ris.domain.identifiers import new_uid
from ris.domain.orders import CancelOrder, OrderReference
from ris.domain.values import Code
from ris.models import ScheduledProcedureStep
from ris.services import execute, timers
from tests import make, people
from tests.journeys.department import NOON, Department, everybody_may_send
from tests.worklist.performed import code
from worklist.modality import begun

pytestmark = pytest.mark.django_db

WRONG_ENTRY = ("110514", "Incorrect worklist entry selected")


@pytest.fixture(autouse=True)
def _accepting(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with everybody_may_send(monkeypatch):
        yield


@pytest.fixture
def ris() -> Department:
    make.site()
    make.device()
    make.definition(Code("X1", "MESA", "Exam X1"))
    make.definition(Code("X11", "MESA", "Exam X11"))
    everything = (Subscription.ORDER_STATUS, Subscription.PATIENT_UPDATES)
    make.endpoint("EHR", sends=everything, version="2.3.1")
    archive = (Subscription.PROCEDURE_SCHEDULED, Subscription.PATIENT_UPDATES)
    make.endpoint("PACS", sends=archive, version="2.3.1", port=2577)
    return Department()


def test_101_registered_ordered_performed_and_one_canceled(ris: Department) -> None:
    assert ris.hears("ADT^A04", "PID|1||M101^^^HOSP^MR||Moore^Ralph||19650212|M", "PV1|1|O") == "AA"
    ris.orders("P1", "M101", "Moore^Ralph")
    ris.orders("P2", "M101", "Moore^Ralph")
    canceled = ris.hears("ORM^O01", "PID|1||M101^^^HOSP^MR||Moore^Ralph", "ORC|CA|P2^EHR")

    (entry,) = ris.worklist(PatientName="Moore*")
    performed = ris.end(entry, ris.begin(entry))

    assert canceled == "AA"
    assert entry.AccessionNumber == ris.placed("P1").accession_number
    assert performed.order_id == ris.placed("P1").pk
    assert ris.told("EHR")[-2:] == ["ORM^O01 SC IP", "ORM^O01 SC IP"]
    assert ris.told("PACS") == ["ORM^O01 NW SC", "ORM^O01 NW SC", "ORM^O01 CA CA", "ORM^O01 XO CM"]


def test_101_unidentified_patient_with_a_temporary_number_is_merged(ris: Department) -> None:
    ris.hears("ADT^A04", "PID|1||TEMP101^^^HOSP^MR||Doe^J1||", "PV1|1|E")
    ris.orders("P3", "TEMP101", "Doe^J1")
    (entry,) = ris.worklist(PatientID="TEMP101")
    uid = ris.begin(entry)
    ris.orders("P4", "M104", "Silver^Brad")  # the one he turns out to be

    merged = ris.hears(
        "ADT^A40", "EVN|A40|20260302", "PID|1||M104^^^HOSP^MR||Silver^Brad||19650212|M",
        "MRG|TEMP101^^^HOSP^MR",
    )  # fmt: skip
    performed = ris.end(entry, uid)

    assert merged == "AA"
    assert performed.patient_id == ris.placed("P4").patient_id
    assert performed.order_id == ris.placed("P3").pk
    assert performed.patient_name == "Doe^J1"
    assert [one.startswith("ADT^A40") for one in ris.told("PACS")].count(True) == 1


def test_102_another_procedure_is_done_than_ordered(ris: Department) -> None:
    ris.hears("ADT^A05", "PID|1||M102^^^HOSP^MR||Rogers^Wanda||19700707|F", "PV1|1|P")
    ris.orders("P21", "M102", "Rogers^Wanda", "X1")
    (entry,) = ris.worklist(PatientID="M102")

    performed = ris.end(
        entry, ris.begin(entry), ProcedureCodeSequence=[code("X11", "Exam X11", "MESA")]
    )

    follow_up = performed.follow_ups.get()
    assert (follow_up.kind, performed.procedure_codes[0]["value"]) == ("DIFFERS", "X11")
    assert follow_up.detail == "done: Exam X11 (X11); ordered: Exam X1 (X1)"
    assert ris.placed("P21").procedures.get().code_value == "X1"


def test_102_the_filler_cancels_and_a_new_order_takes_its_place(ris: Department) -> None:
    ris.orders("P21", "M102", "Rogers^Wanda", "X1")
    ris.forgets()
    execute(
        CancelOrder(
            order=OrderReference(public_id=str(ris.placed("P21").public_id)), reason="replaced"
        ),
        actor=people.scheduler,
    )
    ris.orders("P22", "M102", "Rogers^Wanda", "X11")

    (entry,) = ris.worklist(PatientID="M102")

    assert entry.RequestedProcedureCodeSequence[0].CodeValue == "X11"
    assert ris.told("EHR")[0] == "ORM^O01 OC CA"
    assert ris.told("PACS") == ["ORM^O01 CA CA", "ORM^O01 NW SC"]


def test_103_a_patient_is_renamed_after_the_exam(ris: Department) -> None:
    ris.orders("P31", "M103", "Doe^J1")
    (entry,) = ris.worklist(PatientID="M103")
    performed = ris.end(entry, ris.begin(entry))
    ris.forgets()

    renamed = ris.hears("ADT^A08", "PID|1||M103^^^HOSP^MR||White^Charles||19650212|M", "PV1|1|O")

    performed.refresh_from_db()
    assert renamed == "AA"
    assert (performed.patient_name, performed.patient.name) == ("Doe^J1", "White^Charles")
    assert ris.told("PACS") == ["ADT^A08"]


def test_104_done_without_an_order_by_somebody_nobody_knows(ris: Department) -> None:
    ris.orders("P41", "M141", "Other^Olaf")
    (entry,) = ris.worklist(PatientID="M141")
    item = entry.ScheduledProcedureStepSequence[0]
    entry.StudyInstanceUID, entry.AccessionNumber, entry.RequestedProcedureID = new_uid(), "", ""
    item.ScheduledProcedureStepID = ""
    uid = ris.begin(entry, PatientID="TEMP104", PatientName="Doe^J2", PatientBirthDate="")
    performed = ris.end(entry, uid)
    unknown = performed.match, performed.patient
    ris.forgets()

    merged = ris.hears(
        "ADT^A40", "EVN|A40|20260302", "PID|1||M104^^^HOSP^MR||Mustard^Tom||19700101|M",
        "MRG|TEMP104^^^HOSP^MR",
    )  # fmt: skip
    performed.refresh_from_db()
    placed = execute(
        OrderPerformedStep(performed=str(performed.public_id), reason="came by helicopter"),
        actor=people.technologist,
    )

    assert unknown == ("UNSCHEDULED", None)
    assert merged == "AA"
    assert performed.patient.name == "Mustard^Tom"
    assert placed.study_instance_uids == (entry.StudyInstanceUID,)
    assert "ORM^O01 SN" in ris.told("EHR")  # RAD-3: the placer may number it
    assert ris.told("PACS")[-2:] == ["ORM^O01 NW IP", "ORM^O01 XO CM"]  # RAD-4, with its study


def test_105_the_exam_comes_before_its_order(ris: Department) -> None:
    ris.orders("P50", "M105", "Green^Ella")
    (entry,) = ris.worklist(PatientID="M105")
    item = entry.ScheduledProcedureStepSequence[0]
    entry.StudyInstanceUID, entry.AccessionNumber, entry.RequestedProcedureID = (
        new_uid(), "BYHAND105", "",
    )  # fmt: skip
    item.ScheduledProcedureStepID = "BYHAND"
    performed = ris.end(entry, ris.begin(entry))
    first = performed.match
    ris.forgets()

    late = ris.hears(
        "ORM^O01",
        "PID|1||M105^^^HOSP^MR||Green^Ella",
        "ORC|NW|P51^EHR",
        "OBR|1|P51^EHR||X1^Exam X1^MESA" + "|" * 14 + "BYHAND105" + "|" * 6 + "CT",
    )
    timers.run_due()

    performed.refresh_from_db()
    assert (first, late) == ("UNMATCHED", "AA")
    assert (performed.match, performed.order_id) == ("MATCHED", ris.placed("P51").pk)
    assert ris.told("PACS") == ["ORM^O01 NW IP", "ORM^O01 XO CM"]  # RAD-4 after the procedure
    assert ris.told("EHR") == ["ORM^O01 SC IP"]


def test_106_two_procedures_acquired_as_one_and_presentation_states(ris: Department) -> None:
    ris.orders("P61", "M106", "Blue^Bea")
    ris.orders("P62", "M106", "Blue^Bea")
    first, second = ris.worklist(PatientID="M106")
    one = begun(first, station="CT1", at=NOON).ScheduledStepAttributesSequence[0]
    two = begun(second, station="CT1", at=NOON).ScheduledStepAttributesSequence[0]
    two.StudyInstanceUID = one.StudyInstanceUID
    uid = ris.begin(first, ScheduledStepAttributesSequence=[one, two])
    during = [make.step_of(ris.placed(number)).status for number in ("P61", "P62")]
    ris.end(first, uid)
    ris.forgets()

    states = ris.end(
        first, ris.begin(first, Modality="PR", ScheduledStepAttributesSequence=[one, two])
    )

    assert during == ["STARTED", "STARTED"]
    for number in ("P61", "P62"):
        assert make.step_of(ris.placed(number)).status == "COMPLETED"
    assert states.match == "EVIDENCE"
    assert ris.told("PACS") == []


def test_107_the_order_is_in_progress_and_complete_with_the_report(ris: Department) -> None:
    ris.orders("P71", "M107", "Black^Bo")
    (entry,) = ris.worklist(PatientID="M107")
    ris.forgets()

    uid = ris.begin(entry)
    in_progress = ris.told("EHR")
    ris.end(entry, uid)
    make.final_report(ris.placed("P71"))

    assert in_progress == ["ORM^O01 SC IP"]
    assert ris.told("EHR")[-1] == "ORM^O01 SC CM"


def test_109_the_wrong_worklist_entry_is_given_back(ris: Department) -> None:
    ris.orders("P91", "M109", "Brown^Bill")
    (entry,) = ris.worklist(PatientID="M109")
    ris.forgets()

    wrong = ris.end(entry, ris.begin(entry), reason=WRONG_ENTRY)
    (again,) = ris.worklist(PatientID="M109")
    right = ris.end(again, ris.begin(again))

    assert (wrong.match, wrong.order) == ("QUARANTINED", None)
    assert (right.match, right.order_id) == ("MATCHED", ris.placed("P91").pk)
    assert ScheduledProcedureStep.objects.get().status == "COMPLETED"
    assert ris.told("PACS") == ["ORM^O01 XO SC", "ORM^O01 XO CM"]
    assert ris.told("EHR") == [
        "ORM^O01 SC IP",
        "ORM^O01 SC SC",
        "ORM^O01 SC IP",
        "ORM^O01 SC IP",
    ]
