"""Reports through the door."""

from __future__ import annotations

import pytest

from ris.domain.errors import (
    DeniedError,
    InvalidValueError,
    MissingValueError,
    StateConflictError,
)
from ris.domain.reporting import (
    AcknowledgeCriticalResult,
    AmendReport,
    CommunicateCriticalResult,
    DiscardDraft,
    FinalizeReport,
    OpenReport,
    RetractReport,
    SaveDraft,
    SignPreliminary,
    VersionKind,
    content_hash,
)
from ris.models import CriticalResult, DomainEvent, Order, Report
from ris.services import execute
from tests import make, people

pytestmark = pytest.mark.django_db


@pytest.fixture
def order() -> Order:
    make.device()
    return make.performed()


def stage(order: Order) -> str:
    return make.step_of(order).procedure.stage


def test_there_is_nothing_to_report_on_before_the_exam() -> None:
    order = make.order()

    with pytest.raises(StateConflictError):
        make.opened_report(order)


def test_opening_twice_gives_the_same_report(order: Order) -> None:
    assert make.opened_report(order).pk == make.opened_report(order).pk


def test_a_draft_is_kept_and_never_leaves(order: Order) -> None:
    report = make.opened_report(order)

    revision = execute(
        SaveDraft(report=str(report.public_id), sections={"findings": "No "}),
        actor=people.radiologist,
    )

    report.refresh_from_db()
    assert (revision, report.draft, report.status) == (1, {"findings": "No"}, "DRAFT")
    assert DomainEvent.objects.order_by("-id")[0].name == "ReportOpened"


def test_a_draft_that_somebody_else_changed_is_refused(order: Order) -> None:
    report = make.opened_report(order)
    save = SaveDraft(report=str(report.public_id), sections={"findings": "A"}, expected_revision=0)
    execute(save, actor=people.radiologist)

    with pytest.raises(StateConflictError):
        execute(save, actor=people.radiologist)


def test_an_unknown_section_is_refused(order: Order) -> None:
    report = make.opened_report(order)

    with pytest.raises(InvalidValueError):
        execute(
            SaveDraft(report=str(report.public_id), sections={"poem": "x"}),
            actor=people.radiologist,
        )


def test_a_final_report_completes_the_order(order: Order) -> None:
    report = make.final_report(order)

    order.refresh_from_db()
    version = report.versions.get()
    assert (report.status, order.status, stage(order)) == ("FINAL", "COMPLETED", "REPORTED")
    assert (version.number, version.kind, version.sections) == (1, "FINAL", make.TEXT)
    assert version.content_hash == content_hash(VersionKind.FINAL, make.TEXT)
    names = list(DomainEvent.objects.order_by("-id").values_list("name", flat=True)[:2])
    assert names == ["OrderCompleted", "ReportFinalized"]


def test_an_empty_report_is_not_signed(order: Order) -> None:
    report = make.opened_report(order)

    with pytest.raises(MissingValueError):
        execute(
            FinalizeReport(report=str(report.public_id), sections={"technique": "helical"}),
            actor=people.radiologist,
        )

    report.refresh_from_db()
    assert (report.status, report.versions.count()) == ("DRAFT", 0)


def test_preliminary_then_final_are_two_versions(order: Order) -> None:
    report = make.opened_report(order)
    key = str(report.public_id)

    execute(SignPreliminary(report=key, sections=dict(make.TEXT)), actor=people.radiologist)
    assert stage(order) == "PRELIMINARY"
    execute(FinalizeReport(report=key, sections=dict(make.TEXT)), actor=people.radiologist)

    assert list(report.versions.values_list("number", "kind")) == [
        (1, "PRELIMINARY"),
        (2, "FINAL"),
    ]


def test_an_addendum_keeps_the_signed_text(order: Order) -> None:
    report = make.final_report(order)

    for text in ("Compared with 2024.", "No change."):
        execute(
            AmendReport(
                report=str(report.public_id),
                kind=VersionKind.ADDENDUM,
                sections={"addendum": text, "findings": "changed"},
            ),
            actor=people.radiologist,
        )

    last = report.versions.get(number=3)
    assert last.sections == {**make.TEXT, "addendum": "Compared with 2024.\n\nNo change."}
    assert report.versions.get(number=1).sections == make.TEXT


def test_a_correction_replaces_the_text(order: Order) -> None:
    report = make.final_report(order)

    execute(
        AmendReport(
            report=str(report.public_id),
            kind=VersionKind.CORRECTION,
            sections={"impression": "Small hygroma."},
            reason="second look",
            expected_version=1,
        ),
        actor=people.radiologist,
    )

    report.refresh_from_db()
    last = report.versions.get(number=2)
    assert (report.status, last.sections, last.reason) == (
        "AMENDED",
        {"impression": "Small hygroma."},
        "second look",
    )


def test_what_the_editor_does_not_show_is_not_lost_by_who_signs_after(order: Order) -> None:
    report = make.opened_report(order)
    told = {"addendum": "Compared with 2024.", "communication": "Told Dr. Ordonez at 12:10."}
    execute(
        SignPreliminary(report=str(report.public_id), sections={**make.TEXT, **told}),
        actor=people.radiologist,
    )

    execute(
        FinalizeReport(report=str(report.public_id), sections=dict(make.TEXT)),
        actor=people.radiologist,
    )
    execute(
        AmendReport(
            report=str(report.public_id),
            kind=VersionKind.CORRECTION,
            sections={"impression": "Small hygroma."},
            reason="second look",
        ),
        actor=people.radiologist,
    )

    assert report.versions.get(number=2).sections == {**make.TEXT, **told}
    assert report.versions.get(number=3).sections == {"impression": "Small hygroma.", **told}


def test_two_who_amend_at_once_do_not_overwrite_each_other(order: Order) -> None:
    report = make.final_report(order)
    amend = AmendReport(
        report=str(report.public_id),
        kind=VersionKind.ADDENDUM,
        sections={"addendum": "x"},
        expected_version=1,
    )
    execute(amend, actor=people.radiologist)

    with pytest.raises(StateConflictError):
        execute(amend, actor=people.radiologist)


def test_a_withdrawn_report_reopens_the_order_and_a_new_one_can_be_written(order: Order) -> None:
    report = make.final_report(order)

    execute(
        RetractReport(report=str(report.public_id), reason="wrong patient"),
        actor=people.radiologist,
    )

    order.refresh_from_db()
    report.refresh_from_db()
    assert (report.status, order.status, stage(order)) == ("RETRACTED", "ACTIVE", "PERFORMED")
    assert make.opened_report(order).pk != report.pk


def test_a_draft_can_be_thrown_away(order: Order) -> None:
    report = make.opened_report(order)

    execute(DiscardDraft(report=str(report.public_id)), actor=people.radiologist)

    report.refresh_from_db()
    assert report.status == "DISCARDED"
    assert stage(order) == "PERFORMED"


@pytest.mark.parametrize(
    "actor",
    [p for p in people.EVERYBODY if p is not people.radiologist],
    ids=lambda p: p.name,
)
def test_only_a_radiologist_signs(order: Order, actor: object) -> None:
    report = make.opened_report(order)

    with pytest.raises(DeniedError):
        execute(
            FinalizeReport(report=str(report.public_id), sections=dict(make.TEXT)),
            actor=actor,  # type: ignore[arg-type]
        )

    assert Report.objects.get().status == "DRAFT"


def test_a_report_covers_procedures_of_one_patient_only(order: Order) -> None:
    other = make.performed(start_at=make.NOON.replace(hour=15))
    procedures = tuple(str(o.procedures.get().public_id) for o in (order, other))

    with pytest.raises(StateConflictError):
        execute(OpenReport(procedures=procedures), actor=people.radiologist)


def test_a_critical_result_is_told_and_acknowledged(order: Order) -> None:
    report = make.final_report(order)

    key = execute(
        CommunicateCriticalResult(
            report=str(report.public_id), finding="bleeding", told="Dr. Ordonez", read_back=True
        ),
        actor=people.radiologist,
    )
    execute(
        AcknowledgeCriticalResult(critical_result=key, acknowledged_by="Dr. Ordonez"),
        actor=people.frontdesk,
    )

    critical = CriticalResult.objects.get()
    assert (critical.told, critical.told_by, critical.acknowledged_by) == (
        "Dr. Ordonez",
        "radiologist",
        "Dr. Ordonez",
    )
