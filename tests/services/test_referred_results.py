"""Referring doctors take note of the own results, each version and each finding anew."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine

from ris.domain.critical import FlagCriticalResult
from ris.domain.errors import StateConflictError, UnknownKeyError
from ris.domain.referring import AcknowledgeFinding, AcknowledgeResult, GrantReferrerAccess
from ris.domain.reporting import (
    AmendReport,
    CommunicateCriticalResult,
    OpenReport,
    SignPreliminary,
    VersionKind,
)
from ris.models import (
    AuditEvent,
    CriticalFinding,
    DomainEvent,
    Practitioner,
    ReportVersion,
    ResultReceipt,
)
from ris.selectors import referred_orders, referring
from ris.selectors.referred_orders import Pile
from ris.services import execute
from tests import make, people
from tests import referring as build
from tests.referring import OTTO, Doctors, seen

pytestmark = pytest.mark.django_db


def test_a_final_result_waits_until_it_is_acknowledged(doctors: Doctors) -> None:
    order = build.performed()
    report = make.final_report(order)
    assert seen(doctors.olga, Pile.ACKNOWLEDGE) == [order]

    execute(
        AcknowledgeResult(report=str(report.public_id), number=1), actor=build.actor(doctors.olga)
    )
    execute(
        AcknowledgeResult(report=str(report.public_id), number=1), actor=build.actor(doctors.olga)
    )

    receipt = ResultReceipt.objects.get()
    assert (receipt.user, receipt.acknowledged_at) == (doctors.olga, make.NOON)
    assert seen(doctors.olga, Pile.ACKNOWLEDGE) == []
    event = DomainEvent.objects.get(name="ResultAcknowledged")
    assert (event.order, event.payload["number"], event.payload["by"]) == (order, 1, "Olga Test")
    assert AuditEvent.objects.filter(action="AcknowledgeResult").count() == 2


def test_a_change_has_to_be_acknowledged_anew(doctors: Doctors) -> None:
    order = build.performed()
    report = make.final_report(order)
    olga = build.actor(doctors.olga)
    execute(AcknowledgeResult(report=str(report.public_id), number=1), actor=olga)

    execute(
        AmendReport(
            report=str(report.public_id),
            kind=VersionKind.ADDENDUM,
            sections={"addendum": "Seen again."},
        ),
        actor=people.radiologist,
    )

    assert seen(doctors.olga, Pile.ACKNOWLEDGE) == [order]
    with pytest.raises(StateConflictError, match="newer version"):
        execute(AcknowledgeResult(report=str(report.public_id), number=1), actor=olga)


def test_what_is_preliminary_or_another_doctors_is_not_acknowledged(doctors: Doctors) -> None:
    report = make.opened_report(build.performed())
    execute(
        SignPreliminary(report=str(report.public_id), sections=dict(make.TEXT)),
        actor=people.radiologist,
    )

    with pytest.raises(StateConflictError, match="once it is final"):
        execute(
            AcknowledgeResult(report=str(report.public_id), number=1),
            actor=build.actor(doctors.olga),
        )
    with pytest.raises(UnknownKeyError):
        execute(
            AcknowledgeResult(report=str(report.public_id), number=1),
            actor=build.actor(doctors.otto),
        )
    assert ResultReceipt.objects.count() == 0


def test_a_critical_finding_is_acknowledged_by_its_doctor(doctors: Doctors) -> None:
    order = build.performed()
    finding = execute(
        FlagCriticalResult(
            finding="Bleeding",
            category="RED",
            procedure=str(order.procedures.get().public_id),
        ),
        actor=people.radiologist,
    )
    with pytest.raises(UnknownKeyError):
        execute(AcknowledgeFinding(finding=finding), actor=build.actor(doctors.otto))

    execute(AcknowledgeFinding(finding=finding), actor=build.actor(doctors.olga))
    execute(AcknowledgeFinding(finding=finding), actor=build.actor(doctors.olga))

    row = CriticalFinding.objects.get()
    assert (row.status, row.closed_by) == ("ACKNOWLEDGED", "Olga Test")


def test_a_finding_of_a_report_on_two_doctors_orders_is_shown_to_both(doctors: Doctors) -> None:
    patient = make.patient()
    orders = {
        doctors.olga: build.performed(patient=patient),
        doctors.otto: build.performed(
            OTTO, patient=patient, station="CT1", start_at=make.NOON + timedelta(hours=1)
        ),
    }
    report = execute(
        OpenReport(
            procedures=tuple(str(each.procedures.get().public_id) for each in orders.values())
        ),
        actor=people.radiologist,
    )
    finding = execute(
        FlagCriticalResult(finding="Bleeding", category="RED", report=report),
        actor=people.radiologist,
    )

    for user, order in orders.items():
        to = referring.reach(user.pk)
        shown = referred_orders.order_page(to, order.public_id)
        assert [str(each.public_id) for each in shown.critical] == [finding]
        assert referred_orders.in_pile(to, Pile.ALL)[0].is_critical == 1  # type: ignore[attr-defined]  # annotated
    execute(AcknowledgeFinding(finding=finding), actor=build.actor(doctors.otto))

    assert CriticalFinding.objects.get().closed_by == "Otto Test"


def test_results_from_before_the_access_are_no_news(
    doctors: Doctors, clock: time_machine.Traveller
) -> None:
    make.final_report(build.performed())
    clock.shift(timedelta(days=1))
    new = build.login("later")

    execute(
        GrantReferrerAccess(
            username="later",
            practitioner=str(Practitioner.objects.get(identifier="D100").public_id),
        ),
        actor=people.manager,
    )

    assert len(seen(new)) == 1
    assert seen(new, Pile.NEW) == []
    assert seen(new, Pile.ACKNOWLEDGE) == []


def test_critical_results_stand_first(doctors: Doctors) -> None:
    urgent = build.performed()
    report = make.final_report(urgent)
    execute(
        CommunicateCriticalResult(
            report=str(report.public_id), finding="Bleeding", told="Dr Ordonez", read_back=True
        ),
        actor=people.radiologist,
    )
    newer = build.performed(station="CT1", start_at=make.NOON + timedelta(hours=1))
    make.final_report(newer)

    assert seen(doctors.olga, Pile.ACKNOWLEDGE) == [urgent, newer]
    assert ReportVersion.objects.count() == 2
