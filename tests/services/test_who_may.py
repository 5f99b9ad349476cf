"""Who may give the commands about reports and what follows from them, every role tried at the door.

Written out here once more: who lets a role in by mistake changes a table, and not this one.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any
from uuid import UUID

import pytest

from ris.domain.actors import Actor, ActorKind, Role
from ris.domain.commands import Command
from ris.domain.errors import DeniedError
from ris.models import AuditEvent, DomainEvent
from ris.services import commands, execute, may

AREAS = (
    "critical", "follow_ups", "letterheads", "mammography", "mammography_letters", "peer_review",
    "reading", "referring", "report_templates", "reporting",
)  # fmt: skip
READERS = "radiologist resident"
DESK = "scheduler frontdesk manager"
SETUP = "manager admin"
WHO = {
    "reporting": {
        READERS: "OpenReport CoverExams SaveDraft DiscardDraft SignPreliminary "
        "CommunicateCriticalResult",
        "radiologist": "FinalizeReport AmendReport RetractReport ReturnReport",
        f"{READERS} manager": "ChooseAttending",
        f"{READERS} {DESK}": "AcknowledgeCriticalResult",
    },
    "report_templates": {
        READERS: "ApplyReportTemplate FillFromExam DropReportTemplate",
        f"{READERS} {SETUP}": "DefineReportTemplate RetireReportTemplate SaveMacro DeleteMacro",
    },
    "critical": {
        READERS: "FlagCriticalResult WaiveCriticalTelling WithdrawCriticalResult",
        f"{READERS} {DESK}": "NoteCriticalAttempt",
        "system": "EscalateCriticalResults",
        SETUP: "SetCriticalCategories",
    },
    "follow_ups": {
        READERS: "RecommendFollowUp",
        f"{READERS} {DESK}": "LinkFollowUpOrder UnlinkFollowUpOrder DeclineFollowUp "
        "ReopenFollowUp NoteFollowUpReminder",
        "system": "MatchFollowUps LapseFollowUps",
    },
    "peer_review": {
        "manager": "SetSamplingRules DropPeerReview",
        "system": "DrawPeerReviews",
        "radiologist": "TakePeerReview ReturnPeerReview ScorePeerReview FlagDiscrepancy "
        "GradeDifference",
        READERS: "AcknowledgePeerReview",
    },
    "reading": {
        READERS: "ClaimReading ReleaseReading TakeOverReading SkipReading SetReadingScope",
        "system": "EndSilentReadings",
        SETUP: "SetReadingTargets",
    },
    "referring": {
        f"{SETUP} system": "GrantReferrerAccess RevokeReferrerAccess",
        "referrer": "RequestExams WithdrawRequest AnswerDepartment AcknowledgeResult "
        "AcknowledgeFinding SetResultNotices",
        "system": "SendResultNotices",
    },
    "letterheads": {"admin system": "ChangeLetterhead"},
    "mammography": {
        READERS: "AssessBreast",
        "radiologist": "ReassessBreast",
        "radiologist manager system": "RecordPathology WithdrawPathology CloseRecall ReopenRecall",
        f"{SETUP} system": "SetBreastExam SetMammographyRules",
    },
    "mammography_letters": {
        f"{DESK} system": "PrintLetters MarkLettersSent",
        f"{DESK} radiologist system": "StopLetter SetLetterChoice",
        "system": "PlanReminders",
        f"{SETUP} system": "SetLetterText",
    },
}


def of_area(area: str) -> list[type[Command[Any]]]:
    return [kind for kind in commands() if kind.__module__ == f"ris.domain.{area}"]


def somebody(role: Role) -> Actor:
    return Actor(ActorKind.USER, role.value, frozenset({role}), user_id=1)


def empty(kind: type[Command[Any]]) -> Command[Any]:
    """A command that says nothing: who may not give it is refused before anybody reads it."""
    return kind(**{each.name: str(UUID(int=0)) for each in fields(kind)})


@pytest.mark.parametrize("area", AREAS)
def test_each_role_may_what_is_its_work_and_nothing_else(area: str) -> None:
    found = {
        kind.__name__: {role.value for role in Role if may(somebody(role), kind)}
        for kind in of_area(area)
    }

    assert found == {
        name: set(roles.split()) for roles, names in WHO[area].items() for name in names.split()
    }


@pytest.mark.parametrize("area", AREAS)
@pytest.mark.django_db
def test_whoever_may_not_is_refused_and_leaves_nothing_but_the_audit(area: str) -> None:
    tried = 0
    for kind in of_area(area):
        role = next(role for role in Role if not may(somebody(role), kind))
        with pytest.raises(DeniedError):
            execute(empty(kind), actor=somebody(role))
        tried += 1

    assert not DomainEvent.objects.exists()
    assert set(AuditEvent.objects.values_list("outcome", flat=True)) <= {"denied"}
    assert tried == len(of_area(area))
