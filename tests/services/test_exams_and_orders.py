"""Exams and the orders they belong to, in all the ways they do not fit one to one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from ris.domain.actors import OPERATOR, TIMER
from ris.domain.catalog import MapCode
from ris.domain.configuration import ApplyConfiguration
from ris.domain.corrections import (
    ClosePerformedSteps,
    RematchPerformedSteps,
    RevisePerformedStep,
    SettleFollowUp,
    UndoCorrection,
)
from ris.domain.discontinuation import MODALITY_REASONS, REASONS, FollowUpAction, FollowUpKind
from ris.domain.errors import (
    DeniedError,
    InvalidValueError,
    MissingValueError,
    StateConflictError,
)
from ris.domain.identifiers import new_uid
from ris.domain.orders import (
    CancelOrder,
    OrderReference,
    PlaceOrder,
    ProcedureRequest,
    StepRequest,
)
from ris.domain.patients import MergePatients, RegisterPatient
from ris.domain.performing import (
    CompletePerformedStep,
    DiscontinuePerformedStep,
    PerformedDetails,
    PerformedStatus,
    RelinkPerformedStep,
    ScheduledReference,
    StartPerformedStep,
    UpdatePerformedStep,
)
from ris.domain.values import Code, Identifier
from ris.models import (
    AuditEvent,
    Delivery,
    DomainEvent,
    FollowUp,
    Order,
    PerformedProcedureStep,
    ScheduledProcedureStep,
    StudyAlias,
)
from ris.selectors import exceptions, search
from ris.selectors.orders import order_view
from ris.selectors.performing import performed_dataset
from ris.selectors.timeline import entries
from ris.services import execute, outbox, timers
from ris.services.performing import late
from tests import make, people

pytestmark = pytest.mark.django_db

LATER = make.NOON + timedelta(hours=1)


@pytest.fixture(autouse=True)
def _department() -> None:
    make.site()
    make.device()


def stored(command: StartPerformedStep) -> PerformedProcedureStep:
    return PerformedProcedureStep.objects.get(sop_instance_uid=command.sop_instance_uid)


def begin(order: Order, **overrides: Any) -> PerformedProcedureStep:
    command = make.start(order, **overrides)
    execute(command, actor=people.ct1)
    return stored(command)


def end(performed: PerformedProcedureStep, **overrides: Any) -> None:
    said = {"ended_at": make.NOON + timedelta(minutes=20), "series": (make.series(),), **overrides}
    execute(
        CompletePerformedStep(
            sop_instance_uid=performed.sop_instance_uid, details=PerformedDetails(**said)
        ),
        actor=people.ct1,
    )
    performed.refresh_from_db()


def stop(performed: PerformedProcedureStep, reason: str, *, images: bool = True) -> None:
    details = PerformedDetails(
        discontinuation_reason=Code(reason, "DCM", "as coded"),
        series=(make.series(),) if images else (),
    )
    execute(
        DiscontinuePerformedStep(sop_instance_uid=performed.sop_instance_uid, details=details),
        actor=people.ct1,
    )
    performed.refresh_from_db()


def names(order: Order) -> list[str]:
    rows = DomainEvent.objects.filter(order=order, name__startswith="Performed").order_by("id")
    return list(rows.values_list("name", flat=True))


# --- the group case: one exam, several orders


@pytest.fixture
def pair() -> tuple[Order, Order]:
    patient = make.patient("GROUP")
    return make.booked(patient=patient), make.booked(LATER, patient=patient)


def both(pair: tuple[Order, Order], **overrides: Any) -> StartPerformedStep:
    """One study for both, under a UID of the modality's own."""
    uid = new_uid()
    references = tuple(
        replace(
            make.start(order).references[0],
            study_instance_uid=uid,
            referenced_study_uids=(make.start(order).references[0].study_instance_uid,),
        )
        for order in pair
    )
    return make.start(pair[0], references=references, **overrides)


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


# --- what is made from images


@pytest.mark.parametrize("modality", ["SR", "PR", "KO", "OT"])
def test_evidence_moves_no_step_of_another_modality(modality: str) -> None:
    order = make.booked()

    performed = begin(order, modality=modality)
    end(performed)

    assert (performed.match, performed.order_id) == ("EVIDENCE", order.pk)
    assert make.step_of(order).status == "SCHEDULED"
    assert names(order) == ["PerformedStepStarted", "PerformedStepCompleted"]
    assert DomainEvent.objects.filter(payload__steps__0__isnull=False).count() == 0


@pytest.mark.parametrize(("modality", "match"), [("PR", "EVIDENCE"), ("OT", "UNSCHEDULED")])
def test_evidence_of_a_study_that_is_not_ours_is_no_exception(modality: str, match: str) -> None:
    prior = ScheduledReference(study_instance_uid=new_uid())

    performed = begin(make.booked(), modality=modality, references=(prior,))

    assert performed.match == match
    assert exceptions.unmatched().count() == (match != "EVIDENCE")


def test_a_step_planned_for_evidence_is_moved_by_it() -> None:
    make.device("WS1", "SR")
    order = make.booked(
        station="WS1",
        procedures=(
            ProcedureRequest(code=make.CT_HEAD, steps=(make.step_request(modality="SR"),)),
        ),
    )

    assert begin(order, modality="SR").match == "MATCHED"
    assert make.step_of(order).status == "STARTED"


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
    untie = RelinkPerformedStep(performed=str(performed.public_id), steps=(), reason="wrong")
    execute(untie, actor=people.technologist)

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


# --- the end was never told


def silent_for(performed: PerformedProcedureStep, hours: int) -> None:
    PerformedProcedureStep.objects.filter(pk=performed.pk).update(
        updated_at=timezone.now() - timedelta(hours=hours)
    )


def test_a_silent_exam_without_images_is_discontinued_and_asked_about() -> None:
    order = make.booked()
    performed = begin(order)
    silent_for(performed, 25)

    timers.run_due()

    performed.refresh_from_db()
    follow_up = performed.follow_ups.get()
    assert (performed.status, make.step_of(order).status) == ("DISCONTINUED", "DISCONTINUED")
    assert performed.flags == ["ended by the clock: the device told no end"]
    assert performed.discontinuation_reason["value"] == "110513"
    assert (follow_up.kind, follow_up.detail) == ("CLOSED", "counted as discontinued")
    event = DomainEvent.objects.get(name="PerformedStepDiscontinued")
    assert (event.actor_name, event.payload["returned"]) == ("timer", [])


def test_a_silent_exam_with_images_is_completed_so_that_it_is_read() -> None:
    order = make.booked()
    performed = begin(order)
    execute(
        UpdatePerformedStep(
            sop_instance_uid=performed.sop_instance_uid,
            details=PerformedDetails(series=(make.series(),)),
        ),
        actor=people.ct1,
    )
    silent_for(performed, 25)

    timers.run_due()

    step = make.step_of(order)
    assert (step.status, step.procedure.stage) == ("COMPLETED", "PERFORMED")


def test_a_later_word_of_the_modality_is_refused_as_final() -> None:
    performed = begin(make.booked())
    silent_for(performed, 25)
    timers.run_due()

    with pytest.raises(StateConflictError) as refused:
        end(performed)

    assert refused.value.details == {"final": True}


@pytest.mark.parametrize(("own", "closed"), [(None, False), (2, True), (0, False), (48, False)])
def test_a_device_may_be_given_its_own_hours(own: int | None, closed: bool) -> None:
    make.device(settings={} if own is None else {"mpps_close_hours": own})
    performed = begin(make.booked())
    silent_for(performed, 3)

    timers.run_due()

    performed.refresh_from_db()
    assert (performed.status == "DISCONTINUED") is closed


def test_zero_hours_ends_nothing() -> None:
    silent_for(begin(make.booked()), 1000)

    assert not late.closable(0)
    assert execute(ClosePerformedSteps(hours=0), actor=TIMER) == 0


# --- follow-ups


def follow_up(kind: FollowUpKind) -> FollowUp:
    return FollowUp.objects.get(kind=kind.value, settled_at=None)


def settle(row: FollowUp, action: FollowUpAction, note: str = "") -> None:
    execute(
        SettleFollowUp(follow_up=str(row.public_id), action=action, note=note),
        actor=replace(
            people.technologist, roles=people.technologist.roles | people.scheduler.roles
        ),
    )
    row.refresh_from_db()


def test_a_failed_machine_proposes_to_plan_again() -> None:
    order = make.booked()
    stop(begin(order), "110501")
    row = follow_up(FollowUpKind.REBOOK)

    settle(row, FollowUpAction.PLAN_AGAIN)

    steps = ScheduledProcedureStep.objects.filter(procedure__order=order).order_by("id")
    assert [step.status for step in steps] == ["DISCONTINUED", "PENDING"]
    assert (row.action, row.settled_by) == ("PLAN_AGAIN", "technologist")


def test_a_wrong_order_proposes_to_end_it() -> None:
    order = make.booked()
    stop(begin(order), "110502")

    settle(follow_up(FollowUpKind.CANCEL), FollowUpAction.CANCEL_ORDER)

    order.refresh_from_db()
    assert order.status == "DISCONTINUED"
    assert DomainEvent.objects.get(name="OrderDiscontinued").payload["reason"] == "as coded"


def test_a_reaction_asks_for_a_note() -> None:
    stop(begin(make.booked()), "110503")
    row = follow_up(FollowUpKind.NOTE)

    with pytest.raises(MissingValueError):
        settle(row, FollowUpAction.DONE)
    settle(row, FollowUpAction.DONE, "hives after 20 ml, given antihistamine")

    assert row.note == "hives after 20 ml, given antihistamine"
    assert DomainEvent.objects.get(name="FollowUpSettled").payload["note"] == row.note


def test_what_the_clock_ended_can_be_said_to_have_been_completed() -> None:
    order = make.booked()
    silent_for(begin(order), 25)
    timers.run_due()

    settle(follow_up(FollowUpKind.CLOSED), FollowUpAction.WAS_COMPLETED)

    step = make.step_of(order)
    assert (step.status, step.procedure.stage) == ("COMPLETED", "PERFORMED")
    assert order.performed.get().status == "DISCONTINUED"


def test_what_is_taken_from_a_step_leaves_nothing_to_decide_there() -> None:
    reopened = make.booked()
    command = make.start(reopened)
    execute(CancelOrder(order=OrderReference(public_id=str(reopened.public_id))), actor=people.ehr)
    execute(command, actor=people.ct1)
    assert follow_up(FollowUpKind.REOPENED)

    stop(stored(command), "110514")

    assert not FollowUp.objects.filter(settled_at=None).exists()


def test_an_exam_set_right_on_its_page_is_asked_about_no_more() -> None:
    performed = begin(make.booked())
    silent_for(performed, 25)
    timers.run_due()
    right = RevisePerformedStep(
        performed=str(performed.public_id), status=PerformedStatus.COMPLETED, reason="it was"
    )

    execute(right, actor=people.technologist)

    assert not FollowUp.objects.filter(settled_at=None).exists()


def test_a_follow_up_is_settled_once_and_only_by_what_it_offers() -> None:
    stop(begin(make.booked()), "110501")
    row = follow_up(FollowUpKind.REBOOK)

    with pytest.raises(InvalidValueError):
        settle(row, FollowUpAction.WAS_COMPLETED)
    settle(row, FollowUpAction.DONE, "moved to the other hospital")
    with pytest.raises(StateConflictError):
        settle(row, FollowUpAction.PLAN_AGAIN)

    assert ScheduledProcedureStep.objects.count() == 1


def test_who_may_not_plan_cannot_do_so_by_a_follow_up() -> None:
    stop(begin(make.booked()), "110501")
    row = follow_up(FollowUpKind.REBOOK)
    command = SettleFollowUp(follow_up=str(row.public_id), action=FollowUpAction.PLAN_AGAIN)

    with pytest.raises(DeniedError):
        execute(command, actor=people.manager)

    row.refresh_from_db()
    assert (row.settled_at, ScheduledProcedureStep.objects.count()) == (None, 1)


@pytest.mark.parametrize(("word", "kinds"), [("note", ["NOTE"]), ("none", []), ("odd", ["REBOOK"])])
def test_a_site_may_say_otherwise_what_a_reason_asks_for(word: str, kinds: list[str]) -> None:
    execute(
        MapCode(table="follow_up", source=Code("110501", "DCM"), target=Code(word, "RIS")),
        actor=OPERATOR,
    )

    performed = begin(make.booked())
    stop(performed, "110501")

    assert [row.kind for row in performed.follow_ups.all()] == kinds


def test_a_site_file_says_it_too() -> None:
    text = '[[follow_up]]\ncode = "110501"\nthen = "note"\n'

    first = execute(ApplyConfiguration(content=text), actor=OPERATOR)
    again = execute(ApplyConfiguration(content=text), actor=OPERATOR)
    performed = begin(make.booked())
    stop(performed, "110501")

    assert [change.table for change in first.changes] == ["follow_up"]
    assert again.changes == ()
    assert [row.kind for row in performed.follow_ups.all()] == ["NOTE"]


def test_the_reasons_are_those_of_dicom() -> None:
    assert len(MODALITY_REASONS) == 19
    assert len(REASONS) == len({(row.scheme, row.value) for row in REASONS.values()}) == 87
    assert REASONS["DCM", "110516"].meaning == "Equipment change"


# --- another procedure than ordered (SPS-08)


@pytest.mark.parametrize(
    ("code", "flagged"),
    [
        (Code("X11", "TEST", "CT head with contrast"), True),
        (Code("CTHEAD", "TEST", "CT head"), False),
        (Code("X11", "OTHER", "spoken in other words"), False),
    ],
)
def test_another_procedure_than_ordered_is_flagged_and_both_are_kept(
    code: Code, flagged: bool
) -> None:
    order = make.booked()
    performed = begin(order)

    end(performed, procedure_codes=(code,))

    kinds = [row.kind for row in performed.follow_ups.all()]
    assert kinds == (["DIFFERS"] if flagged else [])
    assert performed.procedure_codes[0]["value"] == code.value
    assert make.step_of(order).procedure.code_value == "CTHEAD"


# --- what the order makes of it (SPS-07)


def test_the_order_is_in_progress_with_the_first_step_and_performed_with_the_last() -> None:
    order = make.order(
        procedures=(
            ProcedureRequest(
                code=make.CT_HEAD,
                steps=(
                    make.step_request(start_at=make.NOON, station_ae_title="CT1"),
                    make.step_request(start_at=LATER, station_ae_title="CT1"),
                ),
            ),
        )
    )
    first, second = ScheduledProcedureStep.objects.order_by("id")

    def stage() -> str:
        return make.step_of(order).procedure.stage

    def perform(step: ScheduledProcedureStep) -> PerformedProcedureStep:
        reference = replace(make.start(order).references[0], step_id=step.step_id)
        return begin(order, references=(reference,))

    seen = [stage()]
    one = perform(first)
    seen.append(stage())
    end(one)
    seen.append(stage())
    two = perform(second)
    stop(two, "110505", images=False)
    seen.append(stage())

    assert seen == ["SCHEDULED", "IN_PROGRESS", "IN_PROGRESS", "PERFORMED"]
    done = DomainEvent.objects.filter(name__in=["PerformedStepCompleted"]).get().payload
    assert done["all_done"] is False


def test_what_the_modality_said_is_untouched_by_what_people_know() -> None:
    performed = begin(make.booked(), dataset={"00100010": {"vr": "PN"}})
    silent_for(performed, 25)
    timers.run_due()
    settle(follow_up(FollowUpKind.CLOSED), FollowUpAction.WAS_COMPLETED)

    dataset = performed_dataset(performed.sop_instance_uid)

    assert dataset["00400252"] == {"vr": "CS", "Value": ["DISCONTINUED"]}


def test_a_group_is_one_procedure_of_both_orders_for_those_who_search(
    pair: tuple[Order, Order],
) -> None:
    command = both(pair)
    execute(command, actor=people.ct1)
    key = str(stored(command).public_id)

    (hit,) = search.performed.load([key])

    assert [order.public_id for order, _ in hit.covers] == [str(one.public_id) for one in pair]


def test_what_was_abandoned_does_not_count_when_the_next_try_goes_elsewhere() -> None:
    order = make.booked()
    stop(begin(order), "110501", images=False)
    second = begin(order)
    untie = RelinkPerformedStep(performed=str(second.public_id), steps=(), reason="not his")

    execute(untie, actor=people.technologist)

    assert make.step_of(order).status == "SCHEDULED"


def test_the_wrong_entry_leaves_a_step_to_what_else_was_done_for_it() -> None:
    order = make.booked()
    stop(begin(order), "110505")
    mistaken = begin(order)

    stop(mistaken, "110514")

    assert make.step_of(order).status == "DISCONTINUED"


def test_people_may_say_that_an_abandoned_exam_was_completed() -> None:
    order = make.booked()
    performed = begin(order)
    stop(performed, "110501", images=False)
    right = RevisePerformedStep(
        performed=str(performed.public_id), status=PerformedStatus.COMPLETED, reason="images came"
    )

    execute(right, actor=people.technologist)
    revised = make.step_of(order).status
    correction = str(performed.corrections.get().public_id)
    execute(UndoCorrection(correction=correction, reason="x"), actor=people.technologist)

    assert (revised, make.step_of(order).status) == ("COMPLETED", "SCHEDULED")
