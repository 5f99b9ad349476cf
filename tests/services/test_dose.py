"""Dose documents through the door: whose they are, what they make together, who is told."""

from __future__ import annotations

import random
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from ris.domain.actors import TIMER
from ris.domain.dose import (
    DoseKind,
    DoseMatch,
    DoseSource,
    IrradiationEventDetails,
    JoinDoses,
    LinkDose,
    RecordDose,
    RemoveReferenceLevel,
    Scope,
    SetDoseAside,
    SetReferenceLevel,
    WithdrawDose,
)
from ris.domain.errors import (
    DeniedError,
    InvalidValueError,
    MissingValueError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.identifiers import new_uid
from ris.domain.measures import Measure, Quantity, quantity
from ris.domain.performing import (
    CompletePerformedStep,
    DiscontinuePerformedStep,
    PerformedDetails,
    RelinkPerformedStep,
)
from ris.domain.values import Code, Identifier
from ris.models import (
    AuditEvent,
    DomainEvent,
    DoseRecord,
    DoseReferenceLevel,
    ExamDose,
    IrradiationEvent,
    Order,
    PerformedProcedureStep,
)
from ris.selectors.dose_waiting import waiting_lines
from ris.services import execute
from ris.services.timers import run_due
from tests import make, people
from tests.make import NOON

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _site() -> None:
    make.site()
    make.device()


def dlp(value: str, unit: str = "mGy.cm") -> Quantity:
    return quantity(Measure.DLP, value, unit)


def event(uid: str, value: str) -> IrradiationEventDetails:
    return IrradiationEventDetails(
        uid=uid, started_at=NOON, protocol="Head", quantities=(dlp(value),)
    )


def document(order: Order | None = None, **overrides: Any) -> RecordDose:
    """A CT dose report for the order's exam; it names accession, study and patient."""
    fields: dict[str, Any] = {
        "source": DoseSource.RDSR,
        "source_uid": new_uid(),
        "kind": DoseKind.CT,
        "ae_title": "CT1",
        "content_at": NOON + timedelta(minutes=20),
        "started_at": NOON,
        "ended_at": NOON + timedelta(minutes=10),
        "scope": Scope.STUDY,
        "totals": (dlp("410.2"),),
        "events": (event(new_uid(), "410.2"),),
    }
    if order is not None:
        number = order.patient.identifiers.get(primary=True)
        fields |= {
            "accession_number": order.accession_number,
            "study_instance_uid": make.step_of(order).procedure.study_instance_uid,
            "patient_identifier": Identifier(number.value, number.issuer),
        }
    return RecordDose(**fields | overrides)


def record(command: RecordDose) -> DoseRecord:
    return DoseRecord.objects.get(public_id=execute(command, actor=people.ct1))


def total(order: Order, measure: Measure = Measure.DLP) -> str:
    rows = [row for row in ExamDose.objects.get(order=order).totals if row["measure"] == measure]
    assert len(rows) == 1
    value: str = rows[0]["value"]
    return value


def another(hours: int = 1, **overrides: Any) -> Order:
    """One more exam, booked later on the same device and performed at the same time."""
    return make.performed(start_at=NOON + timedelta(hours=hours), **overrides)


# --- whose dose it is


@pytest.mark.parametrize(
    ("left_out", "how"),
    [
        ((), "accession number"),
        (("accession_number",), "Study Instance UID"),
        (("accession_number", "study_instance_uid"), "patient, device and time"),
    ],
)
def test_a_document_finds_its_exam(left_out: tuple[str, ...], how: str) -> None:
    order = make.performed()
    another()

    row = record(document(order, **dict.fromkeys(left_out, "")))

    assert (row.order, row.match, row.joined_by) == (order, DoseMatch.MATCHED.value, how)
    assert row.procedure == make.step_of(order).procedure
    assert total(order) == "410.2"


def test_a_document_finds_its_exam_by_the_performed_step() -> None:
    order = make.performed()
    uid = PerformedProcedureStep.objects.get().sop_instance_uid

    row = record(
        document(order, accession_number="", study_instance_uid="2.25.99", performed_uids=(uid,))
    )

    assert (row.order, row.joined_by) == (order, "performed procedure step")
    assert row.performed is not None


def test_a_study_performed_under_a_uid_of_the_devices_own_is_known() -> None:
    order = make.booked()
    command = make.start(order)
    own = "2.25.4711"
    references = (
        type(command.references[0])(
            study_instance_uid=own,
            accession_number=order.accession_number,
            step_id=command.references[0].step_id,
        ),
    )
    execute(make.start(order, references=references), actor=people.ct1)

    row = record(document(order, accession_number="", study_instance_uid=own))

    assert (row.order, row.joined_by) == (order, "Study Instance UID")


def test_the_dose_of_another_patient_is_never_joined() -> None:
    order, other = make.performed(), another()
    number = other.patient.identifiers.get(primary=True)

    row = record(document(order, patient_identifier=Identifier(number.value, number.issuer)))

    assert (row.order, row.match) == (None, DoseMatch.MISMATCH.value)
    assert row.flags == ["the patient is not the one of the exam it names"]
    assert not ExamDose.objects.exists()


def test_two_orders_named_at_once_are_no_order() -> None:
    order, other = make.performed(), another()

    row = record(document(order, accession_number=other.accession_number))

    assert (row.order, row.match) == (None, DoseMatch.WAITING.value)
    assert row.flags == ["accession number and Study Instance UID name different orders"]


def test_one_accession_number_of_two_issuers_is_no_exam() -> None:
    order, other = make.performed(), another()
    Order.objects.filter(pk=other.pk).update(
        accession_number=order.accession_number, accession_issuer="OTHER"
    )
    said = {"study_instance_uid": "", "patient_identifier": None}

    silent = record(document(order, **said))
    named = record(document(order, accession_issuer="OTHER", **said))

    assert (silent.order, named.order) == (None, other)


def test_a_patient_with_two_exams_at_that_time_is_not_guessed() -> None:
    patient = make.patient("P1")
    first = make.performed(patient=patient)
    another(patient=patient)

    row = record(document(first, accession_number="", study_instance_uid=""))

    assert (row.order, row.match) == (None, DoseMatch.WAITING.value)


def test_a_document_that_names_nothing_waits() -> None:
    make.performed()

    row = record(document())

    assert (row.order, row.match, row.joined_by) == (None, DoseMatch.WAITING.value, "")
    assert DomainEvent.objects.get(name="DoseRecorded").payload["match"] == "WAITING"


def test_dose_that_comes_before_its_order_is_joined_by_the_clock() -> None:
    patient = make.patient("P1")
    early = record(
        document(
            accession_number="A9900000001",
            patient_identifier=Identifier("P1", "HOSP"),
        )
    )
    order = make.performed(patient=patient)
    Order.objects.filter(pk=order.pk).update(accession_number="A9900000001")

    run_due()

    early.refresh_from_db()
    assert (early.order, early.match) == (order, DoseMatch.MATCHED.value)
    assert total(order) == "410.2"
    linked = DomainEvent.objects.get(name="DoseLinked")
    assert (linked.order, linked.payload["how"]) == (order, "accession number")


def test_what_still_waits_is_looked_at_once_for_each_news() -> None:
    record(document(accession_number="A9900000001"))

    assert execute(JoinDoses(), actor=TIMER) == 0
    run_due()

    assert not DomainEvent.objects.filter(name="DoseLinked").exists()


# --- what several documents make


def test_the_same_document_again_changes_nothing() -> None:
    order = make.performed()
    command = document(order)

    first = execute(command, actor=people.ct1)
    again = execute(command, actor=people.ct1)

    assert first == again
    assert (DoseRecord.objects.count(), IrradiationEvent.objects.count()) == (1, 1)
    assert total(order) == "410.2"
    assert DomainEvent.objects.filter(name="DoseRecorded").count() == 1


def test_a_later_report_extends_an_earlier_one_and_both_are_kept() -> None:
    order = make.performed()
    shared = event("2.25.81", "100")
    record(document(order, totals=(dlp("100"),), events=(shared,)))
    record(
        document(
            order,
            totals=(dlp("150"),),
            events=(shared, event("2.25.82", "50")),
            content_at=NOON + timedelta(hours=1),
        )
    )

    assert total(order) == "150"
    assert DoseRecord.objects.filter(order=order).count() == 2
    assert IrradiationEvent.objects.count() == 2
    assert list(ExamDose.objects.get().left_out.values()) == [
        "all its events are in another report"
    ]


def test_an_event_has_the_values_of_the_latest_report() -> None:
    order = make.performed()
    later = document(order, events=(event("2.25.81", "90"),), content_at=NOON + timedelta(hours=1))
    earlier = document(order, events=(event("2.25.81", "100"),))

    for command in (later, earlier):
        record(command)

    row = IrradiationEvent.objects.get()
    assert row.record.source_uid == later.source_uid
    assert row.details["quantities"][0]["value"] == "90"
    assert row.records.count() == 2


def test_a_document_that_comes_again_with_other_values_is_the_later_one() -> None:
    order = make.performed()
    first = document(order, totals=(dlp("100"),), events=())
    second = document(
        order,
        source_uid=first.source_uid,
        totals=(dlp("90"),),
        events=(),
        content_at=NOON + timedelta(hours=2),
    )

    for commands in ((first, second), (second, first)):
        for command in commands:
            record(command)
        row = DoseRecord.objects.get()
        assert total(order) == "90"
        assert "came again with other values" in row.flags
        DoseRecord.objects.all().delete()


@pytest.mark.parametrize("seed", range(6))
def test_no_order_of_arrival_changes_the_dose_of_an_exam(seed: int) -> None:
    order = make.performed()
    chance = random.Random(seed)
    commands = [
        document(
            order,
            source_uid=f"2.25.7{number}",
            totals=(dlp(str(100 + number)),),
            events=tuple(
                event(f"2.25.8{uid}", str(uid * 10 + number))
                for uid in chance.sample(range(1, 6), 3)
            ),
            content_at=NOON + timedelta(minutes=number),
        )
        for number in range(4)
    ]
    found = []

    for _ in range(3):
        arriving = [*commands, *chance.choices(commands, k=2)]
        chance.shuffle(arriving)
        for command in arriving:
            execute(command, actor=people.ct1)
        dose = ExamDose.objects.get(order=order)
        found.append((dose.totals, dose.left_out, dose.notes))
        DoseRecord.objects.all().delete()

    assert found[0] == found[1] == found[2]


def test_an_event_that_two_exams_tell_of_counts_for_the_first() -> None:
    first, second = make.performed(), another()
    shared = event("2.25.81", "100")
    own = event("2.25.82", "30")
    record(document(first, totals=(dlp("100"),), events=(shared,)))
    record(
        document(
            second,
            totals=(dlp("130"),),
            events=(shared, own),
            content_at=NOON + timedelta(hours=1),
        )
    )

    assert (total(first), total(second)) == ("100", "30")


def test_such_an_event_moves_when_the_first_exam_loses_its_report() -> None:
    first, second = make.performed(), another()
    shared = event("2.25.81", "100")
    row = record(document(first, totals=(dlp("100"),), events=(shared,)))
    record(
        document(
            second, totals=(dlp("100"),), events=(shared,), content_at=NOON + timedelta(hours=1)
        )
    )

    execute(
        LinkDose(dose=str(row.public_id), order="", reason="a phantom"), actor=people.technologist
    )

    assert not ExamDose.objects.filter(order=first).exists()
    assert total(second) == "100"


# --- MPPS


def dose_in(**values: Any) -> dict[str, Any]:
    """DICOM JSON of the retired dose attributes."""
    rows = {
        "area": ("0018115E", "DS"),
        "fluoro": ("00400300", "US"),
        "exposures": ("00400301", "US"),
        "entrance": ("00408302", "DS"),
    }
    return {rows[name][0]: {"vr": rows[name][1], "Value": [one]} for name, one in values.items()}


def complete(order: Order, dataset: dict[str, Any], **start: Any) -> str:
    command = make.start(order, **start)
    execute(command, actor=people.ct1)
    execute(
        CompletePerformedStep(
            sop_instance_uid=command.sop_instance_uid,
            details=PerformedDetails(ended_at=NOON + timedelta(minutes=9)),
            dataset=dataset,
        ),
        actor=people.ct1,
    )
    return command.sop_instance_uid


def test_dose_told_with_the_performed_step_is_the_fallback() -> None:
    order = make.booked()

    uid = complete(order, dose_in(area="31.5", fluoro=95, exposures=4), modality="XA")

    row = DoseRecord.objects.get()
    assert (row.source, row.source_uid, row.order) == ("MPPS", uid, order)
    assert total(order, Measure.DAP) == "3.15"
    assert total(order, Measure.FLUORO_TIME) == "95"
    assert total(order, Measure.EXPOSURES) == "4"
    assert row.totals[0]["sent_unit"] == "dGy.cm2"


def test_a_report_counts_before_the_performed_step_whichever_comes_first() -> None:
    for report_first in (True, False):
        order = make.booked(start_at=NOON + timedelta(hours=report_first))
        report = document(
            order,
            kind=DoseKind.PROJECTION,
            totals=(quantity(Measure.DAP, "0.0003", "Gy.m2"),),
            events=(),
        )
        if report_first:
            record(report)
        complete(order, dose_in(area="31.5"), modality="XA")
        if not report_first:
            record(report)

        assert total(order, Measure.DAP) == "3"
        assert DoseRecord.objects.filter(order=order).count() == 2


def test_an_exam_that_states_no_dose_leaves_no_record() -> None:
    make.performed()

    assert not DoseRecord.objects.exists()


def test_numbers_that_make_no_sense_stop_no_exam() -> None:
    order = make.booked()

    complete(order, dose_in(area="many", fluoro=None))

    (row,) = DoseRecord.objects.get().totals
    assert (row["value"], row["problem"]) == (None, "not a number")
    assert make.step_of(order).status == "COMPLETED"


def test_dose_of_the_wrong_entry_belongs_to_no_exam() -> None:
    order = make.booked()
    command = make.start(order)
    execute(command, actor=people.ct1)
    execute(
        DiscontinuePerformedStep(
            sop_instance_uid=command.sop_instance_uid,
            details=PerformedDetails(
                ended_at=NOON + timedelta(minutes=9),
                discontinuation_reason=Code("110514", "DCM", "Incorrect worklist entry selected"),
            ),
            dataset=dose_in(area="31.5"),
        ),
        actor=people.ct1,
    )
    report = record(document(order))

    mpps = DoseRecord.objects.get(source="MPPS")
    assert (mpps.order, mpps.match) == (None, DoseMatch.WAITING.value)
    assert (report.order, report.match) == (None, DoseMatch.WAITING.value)
    assert report.flags == ["the exam was ended as the wrong worklist entry"]


def test_a_report_that_came_before_is_taken_from_the_wrong_entry() -> None:
    order = make.booked()
    command = make.start(order)
    execute(command, actor=people.ct1)
    early = record(document(order))
    assert early.order_id == order.pk

    execute(
        DiscontinuePerformedStep(
            sop_instance_uid=command.sop_instance_uid,
            details=PerformedDetails(
                ended_at=NOON + timedelta(minutes=9),
                discontinuation_reason=Code("110514", "DCM", "Incorrect worklist entry selected"),
            ),
            dataset=dose_in(area="31.5"),
        ),
        actor=people.ct1,
    )

    early.refresh_from_db()
    assert (early.order, early.match) == (None, DoseMatch.WAITING.value)
    assert not ExamDose.objects.exists()
    # What the MPPS said goes with its performed step, which is an exception itself.
    assert [line.source for line in waiting_lines()] == ["RDSR"]


def test_a_performed_step_that_comes_later_is_known_then() -> None:
    order = make.booked()
    command = make.start(order)
    early = record(
        document(order, accession_number="", study_instance_uid="2.25.99",
                 performed_uids=(command.sop_instance_uid,))
    )  # fmt: skip
    execute(command, actor=people.ct1)

    run_due()

    early.refresh_from_db()
    assert (early.order, early.performed) == (order, PerformedProcedureStep.objects.get())


def test_dose_follows_an_exam_that_is_tied_to_another_order() -> None:
    wrong, right = make.booked(), make.booked(start_at=NOON + timedelta(hours=1))
    uid = complete(wrong, dose_in(area="31.5"))
    performed = PerformedProcedureStep.objects.get(sop_instance_uid=uid)
    report = record(document(wrong, performed_uids=(uid,)))

    execute(
        RelinkPerformedStep(
            performed=str(performed.public_id),
            steps=(str(make.step_of(right).public_id),),
            reason="picked the neighbor on the list",
        ),
        actor=people.technologist,
    )
    run_due()

    report.refresh_from_db()
    mpps = DoseRecord.objects.get(source="MPPS")
    assert (mpps.order, report.order) == (right, right)
    assert report.joined_by == "performed procedure step, tied by hand"
    assert not ExamDose.objects.filter(order=wrong).exists()
    assert total(right, Measure.DAP) == "3.15"
    assert total(right) == "410.2"


# --- people


def test_a_person_ties_a_document_to_its_exam() -> None:
    order = make.performed()
    row = record(document())

    execute(
        LinkDose(dose=str(row.public_id), order=str(order.public_id), reason="seen on the console"),
        actor=people.technologist,
    )

    row.refresh_from_db()
    assert (row.order, row.match, row.joined_by) == (order, "MATCHED", "by hand")
    assert total(order) == "410.2"
    linked = DomainEvent.objects.get(name="DoseLinked")
    assert (linked.order, linked.payload["reason"]) == (order, "seen on the console")


def test_what_a_person_tied_stays_tied() -> None:
    order, other = make.performed(), another()
    command = document(other)
    row = record(command)
    execute(
        LinkDose(dose=str(row.public_id), order=str(order.public_id), reason="wrong number"),
        actor=people.technologist,
    )

    record(command)
    run_due()

    row.refresh_from_db()
    assert row.order == order


@pytest.mark.parametrize("reason", ["", "  "])
def test_a_tie_needs_a_reason(reason: str) -> None:
    row = record(document())

    with pytest.raises(MissingValueError):
        execute(
            LinkDose(dose=str(row.public_id), order="", reason=reason), actor=people.technologist
        )


def test_a_front_desk_ties_no_dose() -> None:
    row, order = record(document()), make.performed()

    with pytest.raises(DeniedError):
        execute(
            LinkDose(dose=str(row.public_id), order=str(order.public_id), reason="x"),
            actor=people.frontdesk,
        )

    row.refresh_from_db()
    assert row.order is None


def test_a_document_can_be_set_aside() -> None:
    row = record(document())

    execute(
        SetDoseAside(dose=str(row.public_id), reason="phantom of the morning check"),
        actor=people.technologist,
    )

    row.refresh_from_db()
    assert (row.match, row.note) == ("SET ASIDE", "phantom of the morning check")
    assert AuditEvent.objects.filter(action="SetDoseAside").count() == 1


def test_what_belongs_to_an_exam_is_not_set_aside() -> None:
    row = record(document(make.performed()))

    with pytest.raises(StateConflictError):
        execute(SetDoseAside(dose=str(row.public_id), reason="x"), actor=people.technologist)


def typed_in(order: Order, *totals: Quantity) -> RecordDose:
    return RecordDose(
        source=DoseSource.MANUAL,
        source_uid=new_uid(),
        kind=DoseKind.PROJECTION,
        order=str(order.public_id),
        totals=totals,
    )


def test_a_technologist_types_a_dose_in_and_takes_it_back() -> None:
    order = make.performed()
    command = typed_in(order, quantity(Measure.DAP, "2.5", "Gy.cm2"))

    key = execute(command, actor=people.technologist)
    again = execute(command, actor=people.technologist)

    assert key == again
    assert total(order, Measure.DAP) == "2.5"
    execute(WithdrawDose(dose=key, reason="wrong patient"), actor=people.technologist)
    assert not ExamDose.objects.exists()
    assert DoseRecord.objects.get().withdrawn_at is not None


def test_an_empty_entry_is_refused() -> None:
    with pytest.raises(MissingValueError):
        execute(typed_in(make.performed()), actor=people.technologist)

    assert not DoseRecord.objects.exists()


def test_what_a_device_sent_is_not_withdrawn() -> None:
    row = record(document(make.performed()))

    with pytest.raises(StateConflictError):
        execute(WithdrawDose(dose=str(row.public_id), reason="x"), actor=people.technologist)


# --- reference levels


def level(value: str, **overrides: Any) -> str:
    fields: dict[str, Any] = {"code": make.CT_HEAD, "measure": Measure.DLP}
    return execute(
        SetReferenceLevel(value=Decimal(value), **{**fields, **overrides}), actor=people.manager
    )


def test_a_dose_above_its_level_is_told_once_for_an_exam() -> None:
    make.definition()
    level("400", origin="our own survey")
    order = make.performed()

    for number in range(3):
        record(document(order, content_at=NOON + timedelta(minutes=number)))

    alert = DomainEvent.objects.get(name="DoseLevelExceeded")
    assert alert.order == order
    assert alert.payload["exceeded"] == ["dlp"]
    dose = ExamDose.objects.get(order=order)
    assert dose.exceeded[0]["level"] == "400"
    assert dose.alerted_at is not None


@pytest.mark.parametrize(("value", "count"), [("410.2", 0), ("410.1", 1)])
def test_only_what_is_above_the_level_is_told(value: str, count: int) -> None:
    make.definition()
    level(value)

    record(document(make.performed()))

    assert DomainEvent.objects.filter(name="DoseLevelExceeded").count() == count


def test_a_childs_level_is_for_children() -> None:
    make.definition()
    level("100", from_age=0, to_age=5)

    record(document(make.performed()))

    assert not DomainEvent.objects.filter(name="DoseLevelExceeded").exists()


def test_a_level_is_changed_and_removed() -> None:
    make.definition()
    first = level("400")
    second = level("500")

    assert first == second
    assert DoseReferenceLevel.objects.get().value == Decimal(500)
    execute(RemoveReferenceLevel(level=first), actor=people.manager)
    assert not DoseReferenceLevel.objects.exists()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"code": Code("NOPE", "TEST")}, UnknownKeyError),
        ({"measure": Measure.KVP}, InvalidValueError),
        ({"from_age": 9, "to_age": 3}, InvalidValueError),
    ],
)
def test_a_level_that_makes_no_sense_is_refused(
    change: dict[str, Any], error: type[Exception]
) -> None:
    make.definition()

    with pytest.raises(error):
        level("400", **change)

    assert not DoseReferenceLevel.objects.exists()
