"""The demo's referring doctor: a practice's login, what it took note of, and what it asks for."""

from __future__ import annotations

from datetime import datetime

from ris.demo.cast import ISSUER
from ris.domain.actors import OPERATOR, Role
from ris.domain.orders import OrderDetails, Priority, ProcedureRequest
from ris.domain.referring import (
    AcknowledgeResult,
    GrantReferrerAccess,
    IdentifiedPatient,
    NoticeTime,
    RequestExams,
    SetResultNotices,
)
from ris.domain.reporting import ReportStatus
from ris.domain.values import Code
from ris.models import Practitioner, ProcedureDefinition, Report, User
from ris.selectors import referring
from ris.selectors.accounts import user_actor
from ris.services import execute
from ris.services.referring import note_opened

# The doctors of one practice, by the numbers that their orders come under.
NUMBERS = ("P2004", "P2002", "P2010")


def let_in() -> None:
    """Before the stories, so that their results are news to the practice."""
    for row in Practitioner.objects.filter(issuer=ISSUER, identifier__in=NUMBERS):
        grant = GrantReferrerAccess(username=Role.REFERRER.value, practitioner=str(row.public_id))
        execute(grant, actor=OPERATOR)


def take_note(now: datetime) -> None:
    """Once the stories are told: the older half was read, and one more exam is asked for."""
    user = User.objects.filter(username=Role.REFERRER.value).first()
    if user is None:
        return
    actor = user_actor(user)
    execute(
        SetResultNotices(when=NoticeTime.DAILY, address="practice@mail.example"), actor=actor
    )  # fmt: skip
    to = referring.reach(user.pk)
    own = referring.own(to)
    finals = Report.objects.filter(order__in=own, status=ReportStatus.FINAL.value)
    versions = [report.versions.order_by("number").last() for report in finals.order_by("id")]
    for version in filter(None, versions[: len(versions) // 2]):
        note_opened(actor, [version.pk])
        execute(
            AcknowledgeResult(report=str(version.report.public_id), number=version.number),
            actor=actor,
        )
    patient = own.filter(status="COMPLETED").order_by("ordered_at", "id").first()
    exam = ProcedureDefinition.objects.filter(active=True, modality="US").order_by("code").first()
    if patient is not None and exam is not None:
        execute(
            RequestExams(
                patient=IdentifiedPatient(public_id=str(patient.patient.public_id)),
                requester=to.people[0].public_id,
                procedures=(
                    ProcedureRequest(
                        code=Code(exam.code, exam.scheme, exam.meaning, exam.code_version),
                        laterality="L" if exam.laterality_required else "",
                    ),
                ),
                details=OrderDetails(
                    priority=Priority.ROUTINE,
                    reason="Control after the first finding",
                    callback_phone="+49 555 020 004",
                    ordered_at=now,
                ),
            ),
            actor=actor,
        )
