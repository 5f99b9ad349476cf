"""Which order an exam is of: several at once, named oddly, there before its order, or none."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from ris.domain.actors import TIMER
from ris.domain.corrections import (
    RematchPerformedSteps,
    UndoCorrection,
)
from ris.domain.identifiers import new_uid
from ris.domain.orders import (
    PlaceOrder,
    ProcedureRequest,
    StepRequest,
)
from ris.domain.patients import MergePatients, RegisterPatient
from ris.domain.performing import (
    ScheduledReference,
)
from ris.domain.values import Identifier
from ris.models import (
    AuditEvent,
    Delivery,
    DomainEvent,
    Order,
    PerformedProcedureStep,
    StudyAlias,
)
from ris.selectors import exceptions
from ris.selectors.orders import order_view
from ris.selectors.timeline import entries
from ris.services import execute, outbox, timers
from tests import make, people
from tests.services.exams import (
    LATER,
    begin,
    both,
    end,
    names,
    stop,
    stored,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("department")]


# --- the group case: one exam, several orders


def test_each_order_of_a_group_is_told_in_full(pair: tuple[Order, Order]) -> None:
    make.endpoint("EHR")
    command = both(pair)
    execute(command, actor=people.ct1)
    end(stored(command))

    for order in pair:
        assert names(order) == ["PerformedStepStarted", "PerformedStepCompleted"]
        completed = DomainEvent.objects.get(order=order, name="PerformedStepCompleted").payload
        assert completed["order"] == str(order.public_id)
        assert completed["steps"] == [str(make.step_of(order).public_id)]
        assert completed["all_done"] is True
    leading = DomainEvent.objects.filter(name="PerformedStepCompleted", payload__leading=True)
    assert leading.count() == 1
    outbox.fan_out()
    for order in pair:
        kinds = set(Delivery.objects.filter(order=order).values_list("event__name", flat=True))
        assert {"PerformedStepStarted", "PerformedStepCompleted"} <= kinds


def test_each_order_of_a_group_shows_the_exam(pair: tuple[Order, Order]) -> None:
    command = both(pair)
    execute(command, actor=people.ct1)
    end(stored(command))

    for order in pair:
        (procedure,) = order_view(str(order.public_id)).procedures
        assert [one.sop_instance_uid for one in procedure.performed] == [command.sop_instance_uid]
        told = [entry.name for entry in entries(str(order.public_id))]
        assert "PerformedStepCompleted" in told


def test_the_study_of_a_group_is_known_under_both_names(pair: tuple[Order, Order]) -> None:
    command = both(pair)
    execute(command, actor=people.ct1)
    end(stored(command))
    uid = command.references[0].study_instance_uid

    aliases = StudyAlias.objects.filter(study_instance_uid=uid)
    ordered = {alias.procedure.study_instance_uid for alias in aliases}
    assert ordered == {make.step_of(order).procedure.study_instance_uid for order in pair}


def test_more_of_a_study_is_found_by_the_uid_it_was_performed_under() -> None:
    order = make.booked()
    uid = new_uid()
    first = make.start(order)
    own = replace(first.references[0], study_instance_uid=uid)
    execute(replace(first, references=(own,)), actor=people.ct1)
    end(stored(first))

    more = begin(order, references=(ScheduledReference(study_instance_uid=uid),))

    assert (more.match, more.order_id) == ("MATCHED", order.pk)
    assert more.flags == ["appended to a completed step"]


def test_a_group_of_two_patients_is_nobodys() -> None:
    first, second = make.booked(), make.booked(LATER)
    command = make.start(first)
    references = (*command.references, *make.start(second).references)

    performed = begin(first, references=references)

    assert (performed.match, performed.steps.count()) == ("MISMATCH", 0)
    assert performed.flags == ["the scheduled steps belong to different patients"]


def test_the_wrong_entry_gives_back_every_step_of_a_group(pair: tuple[Order, Order]) -> None:
    command = both(pair)
    execute(command, actor=people.ct1)

    stop(stored(command), "110514")

    assert [make.step_of(order).status for order in pair] == ["SCHEDULED"] * 2
    assert [names(order)[-1] for order in pair] == ["PerformedStepDiscontinued"] * 2
    assert stored(command).order is None


# --- which step is meant


def test_two_issuers_may_use_one_accession_number() -> None:
    orders = [
        make.booked(at, accession=Identifier("A77", issuer), patient=make.patient("SAME"))
        for at, issuer in ((make.NOON, "HOSP1"), (LATER, "HOSP2"))
    ]
    reference = ScheduledReference(accession_number="A77")

    named = begin(orders[0], references=(replace(reference, accession_issuer="HOSP2"),))
    nameless = begin(orders[0], references=(reference,))

    assert (named.match, named.order_id) == ("MATCHED", orders[1].pk)
    assert (nameless.match, nameless.order) == ("UNMATCHED", None)


@pytest.mark.parametrize("field", ["placer", "filler"])
def test_an_order_number_alone_finds_its_only_open_step(field: str) -> None:
    order = make.booked()
    number = getattr(order, f"{field}_order_number")
    reference = ScheduledReference(
        study_instance_uid=new_uid(), **{f"{field}_order_number": number}
    )

    performed = begin(order, references=(reference,))

    assert (performed.match, performed.order_id) == ("MATCHED", order.pk)


def test_a_step_id_alone_is_believed_only_of_the_right_patient() -> None:
    order = make.booked()
    reference = ScheduledReference(
        study_instance_uid=new_uid(), step_id=make.step_of(order).step_id
    )

    nobody = begin(order, references=(reference,), patient_identifier=None)
    other = begin(order, references=(reference,), patient_identifier=Identifier("X", "HOSP"))
    right = begin(order, references=(reference,))

    assert [one.match for one in (nobody, other, right)] == ["UNMATCHED", "UNMATCHED", "MATCHED"]


def test_a_step_id_with_another_systems_accession_number_is_not_ours() -> None:
    order = make.booked()
    reference = ScheduledReference(
        study_instance_uid=new_uid(),
        accession_number="ELSEWHERE",
        step_id=make.step_of(order).step_id,
    )

    assert begin(order, references=(reference,)).match == "UNMATCHED"


def test_an_accession_number_with_two_open_steps_names_neither() -> None:
    order = make.order(
        procedures=(
            ProcedureRequest(
                code=make.CT_HEAD,
                steps=(StepRequest(modality="CT"), StepRequest(modality="CT")),
            ),
        )
    )
    reference = ScheduledReference(
        study_instance_uid=new_uid(), accession_number=order.accession_number
    )

    assert begin(order, references=(reference,)).match == "UNMATCHED"


def test_another_of_the_patients_numbers_will_do() -> None:
    order = make.booked()
    known = order.patient.identifiers.get()

    performed = begin(
        order,
        patient_identifier=Identifier("LOCAL9", "WARD"),
        other_identifiers=(Identifier(known.value, known.issuer),),
    )

    assert performed.match == "MATCHED"


# --- the exam came first


def order_for(reference: ScheduledReference, number: str) -> PlaceOrder:
    return make.place_order(
        patient=make.patient(number),
        accession=Identifier(reference.accession_number),
        procedures=(
            ProcedureRequest(
                code=make.CT_HEAD,
                steps=(make.step_request(step_id=reference.step_id),),
            ),
        ),
    )


def test_an_exam_finds_its_order_when_that_comes() -> None:
    reference = ScheduledReference(
        study_instance_uid=new_uid(), accession_number="LATE1", step_id="LATESTEP"
    )
    early = begin(
        make.booked(), references=(reference,), patient_identifier=Identifier("L1", "HOSP")
    )
    end(early)
    timers.run_due()
    before = early.match, AuditEvent.objects.filter(action="RematchPerformedSteps").count()
    placed = execute(order_for(reference, "L1"), actor=people.ehr)

    timers.run_due()

    early.refresh_from_db()
    order = Order.objects.get(public_id=placed.public_id)
    assert before == ("UNMATCHED", 0)
    assert (early.match, early.order_id) == ("MATCHED", order.pk)
    assert make.step_of(order).status == "COMPLETED"
    assert early.corrections.get().kind == "MATCHED_LATER"
    assert names(order) == ["PerformedStepRelinked"]


def test_what_people_untied_is_not_tied_again_by_the_clock() -> None:
    reference = ScheduledReference(accession_number="LATE9", step_id="LATESTEP9")
    early = begin(
        make.booked(), references=(reference,), patient_identifier=Identifier("L9", "HOSP")
    )
    execute(order_for(reference, "L9"), actor=people.ehr)
    timers.run_due()
    correction = str(early.corrections.get().public_id)
    execute(UndoCorrection(correction=correction, reason="not his"), actor=people.technologist)
    apart = make.booked(LATER)
    performed = begin(apart)
    make.relink(performed)

    timers.run_due()

    for one in (early, performed):
        one.refresh_from_db()
        assert (one.match, one.steps.count()) == ("UNMATCHED", 0)


def test_an_order_of_somebody_else_does_not_take_the_exam() -> None:
    reference = ScheduledReference(accession_number="LATE2", step_id="LATESTEP2")
    early = begin(
        make.booked(), references=(reference,), patient_identifier=Identifier("L2", "HOSP")
    )
    execute(order_for(reference, "SOMEBODY"), actor=people.ehr)

    timers.run_due()

    early.refresh_from_db()
    assert early.match == "UNMATCHED"


def test_after_a_while_nobody_looks_any_more() -> None:
    reference = ScheduledReference(accession_number="LATE3", step_id="LATESTEP3")
    early = begin(
        make.booked(), references=(reference,), patient_identifier=Identifier("L3", "HOSP")
    )
    execute(order_for(reference, "L3"), actor=people.ehr)
    PerformedProcedureStep.objects.filter(pk=early.pk).update(
        created_at=timezone.now() - timedelta(hours=13)
    )

    timers.run_due()

    early.refresh_from_db()
    assert early.match == "UNMATCHED"
    assert execute(RematchPerformedSteps(minutes=14 * 60), actor=TIMER) == 1


def test_an_exam_knows_its_patient_once_registered() -> None:
    performed = begin(
        make.booked(),
        references=(ScheduledReference(study_instance_uid=new_uid()),),
        patient_identifier=Identifier("NEW1", "HOSP"),
    )
    assert performed.patient is None
    execute(
        RegisterPatient(
            identifiers=(Identifier("NEW1", "HOSP", "MR"),), demographics=make.demographics()
        ),
        actor=people.frontdesk,
    )

    timers.run_due()

    performed.refresh_from_db()
    assert performed.patient is not None
    assert performed.match == "UNSCHEDULED"


def test_a_merge_names_a_patient_whom_only_a_modality_knew() -> None:
    performed = begin(
        make.booked(),
        references=(ScheduledReference(study_instance_uid=new_uid()),),
        patient_identifier=Identifier("TEMP1", ""),
        patient_name="Unknown^Female",
    )
    survivor = make.order().patient
    number = survivor.identifiers.get().value

    execute(
        MergePatients(
            survivor=make.patient(number),
            subsumed=replace(make.patient(), identifiers=(Identifier("TEMP1", "ER", "MR"),)),
        ),
        actor=people.ehr,
    )

    performed.refresh_from_db()
    assert performed.patient_id == survivor.pk


@pytest.mark.parametrize(
    ("said", "known"), [("1.2.3", "urn:oid:1.2.3"), ("", "HOSP"), ("HOSP", "HOSP")]
)
def test_a_number_names_its_patient_in_whatever_way_its_issuer_is_written(
    said: str, known: str
) -> None:
    patient = replace(make.patient(), identifiers=(Identifier("SAME1", known, "MR"),))
    owner = make.order(patient=patient).patient

    performed = begin(
        make.booked(),
        references=(ScheduledReference(study_instance_uid=new_uid()),),
        patient_identifier=Identifier("SAME1", said),
    )

    assert performed.patient == owner


def test_a_number_of_two_issuers_is_that_of_the_one_who_was_said() -> None:
    one, other = (
        make.order(
            patient=replace(make.patient(), identifiers=(Identifier("SAME1", issuer, "MR"),))
        ).patient
        for issuer in ("HOSP", "OTHER")
    )
    own = (ScheduledReference(study_instance_uid=new_uid()),)

    found = [
        begin(
            make.booked(make.NOON + timedelta(hours=hours)),
            references=own,
            patient_identifier=Identifier("SAME1", issuer),
        ).patient
        for hours, issuer in enumerate(("HOSP", "OTHER", "", "THIRD"))
    ]

    assert found == [one, other, None, None]


def test_the_step_whose_study_an_exam_names_may_be_the_one() -> None:
    """Of another patient as the device has it, on another day: only the study tells."""
    order = make.booked(make.NOON + timedelta(days=9))
    study = make.step_of(order).procedure.study_instance_uid
    performed = begin(
        order,
        references=(ScheduledReference(study_instance_uid=study),),
        patient_identifier=Identifier("TEMP1", "HOSP"),
    )

    found = exceptions.candidates(exceptions.find_performed(str(performed.public_id)))

    assert performed.match == "MISMATCH"
    assert [(one.order, one.why) for one in found] == [
        (str(order.public_id), "a number the device sent")
    ]
