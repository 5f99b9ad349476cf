"""A radiologist with a login, who signs, and what an exam comes to behind its report."""

from __future__ import annotations

from ris.domain.accounts import CreateUser
from ris.domain.actors import Actor, ActorKind, Role
from ris.domain.dose import DoseKind, DoseSource, RecordDose, Scope
from ris.domain.identifiers import new_uid
from ris.domain.measures import Measure, quantity
from ris.domain.reporting import (
    AmendReport,
    CommunicateCriticalResult,
    FinalizeReport,
    VersionKind,
)
from ris.domain.values import Identifier
from ris.models import Order, Report
from ris.services import execute
from tests import make, people


def reader() -> Actor:
    roles = frozenset({Role.RADIOLOGIST})
    user = execute(
        CreateUser(username="ruth", password="", roles=roles, first_name="Ruth", last_name="Weiss"),
        actor=people.admin,
    )
    return Actor(ActorKind.USER, "ruth", roles, user_id=user, address="127.0.0.1")


def sign(order: Order, who: Actor) -> Report:
    """A final report on all of the order's procedures."""
    report = make.opened_report(order)
    execute(FinalizeReport(report=str(report.public_id), sections=dict(make.TEXT)), actor=who)
    report.refresh_from_db()
    return report


def tell_all(exam: Order, report: Report, who: Actor) -> None:
    """A critical finding and an addendum of a signed report, and the dose of its CT."""
    execute(
        CommunicateCriticalResult(
            report=str(report.public_id), finding="Tension pneumothorax.", told="Dr. Holm"
        ),
        actor=who,
    )
    execute(
        AmendReport(
            report=str(report.public_id),
            kind=VersionKind.ADDENDUM,
            sections={"addendum": "Compared with 2024: smaller."},
        ),
        actor=who,
    )
    number = exam.patient.identifiers.get(primary=True)
    execute(
        RecordDose(
            source=DoseSource.RDSR,
            source_uid=new_uid(),
            kind=DoseKind.CT,
            ae_title="CT1",
            started_at=make.NOON,
            scope=Scope.STUDY,
            totals=(quantity(Measure.DLP, "410.2", "mGy.cm"),),
            accession_number=exam.accession_number,
            study_instance_uid=make.step_of(exam).procedure.study_instance_uid,
            patient_identifier=Identifier(number.value, number.issuer),
        ),
        actor=people.ct1,
    )
