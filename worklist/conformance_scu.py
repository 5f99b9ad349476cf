"""The part of the conformance statement on what is told of performed steps (PS3.4 F.7, F.9).

What is stored in archives and asked of them is :mod:`.conformance_archives`.
"""

from __future__ import annotations

from collections.abc import Iterable

from ris.markdown import table
from ris.services import outbox
from worklist.calling import MEANINGS, WARNINGS
from worklist.conformance_form import heading
from worklist.notification import EVENT_TYPES
from worklist.scu import MODALITY_PERFORMED_PROCEDURE_STEP_NOTIFICATION
from worklist.sop_classes import MODALITY_PERFORMED_PROCEDURE_STEP, VERIFICATION


def services() -> list[tuple[str, str, str, str]]:
    """Rows of the overview: service, SOP class UID, role, operations."""
    return [
        ("Modality Performed Procedure Step, forwarding", MODALITY_PERFORMED_PROCEDURE_STEP,
         "SCU", "N-CREATE, N-SET"),
        ("Modality Performed Procedure Step Notification",
         MODALITY_PERFORMED_PROCEDURE_STEP_NOTIFICATION, "SCP, requests the association",
         "N-EVENT-REPORT"),
    ]  # fmt: skip


def verification() -> tuple[str, str, str, str]:
    return ("Verification, test of a connection", VERIFICATION, "SCU", "C-ECHO")


def forwarding(number: str) -> list[str]:
    longest = outbox.BACK_OFF_LIMIT_SECONDS / 60
    return [
        *heading(number, "SCU: forwarding to other managers"),
        "- Each N-CREATE and N-SET that was accepted, by DIMSE or DICOMweb, is sent to each",
        "  configured application with the same SOP Instance UID and dataset (IHE RAD-6, RAD-7).",
        "  What was refused is not forwarded, nor what an application itself sent here, nor",
        "  corrections that people make afterwards.",
        "- In another transfer syntax than it came in the same values are written; text keeps its",
        "  bytes and its (0008,0005).",
        "- Of one object the order is kept: nothing is sent while an earlier message waits or was",
        "  refused. An application that is configured during an exam gets it from its N-CREATE on.",
        "- An exam that a person or the clock ended is ended by an N-SET made of what is known. A",
        "  setting lets exams that a person began be forwarded too, with every type 1 and 2",
        "  attribute; an end without known images has one series without references.",
        f"- What fails is repeated with growing pauses up to {longest:g} minutes; without end if",
        "  the peer could not be reached or was short of resources, else until a person is asked",
        f"  after {outbox.REFUSALS_BEFORE_PARKING} refusals.",
        "",
    ]


def notification(number: str) -> list[str]:
    return [
        *heading(number, "SCP of the notification class"),
        "We are SCP of the class and request the association, proposing SCP role and not SCU role",
        "(PS3.7 D.3.3.4). If that is not confirmed nothing is sent, unless a setting says that the",
        "application does not answer role selection. There is no event information.",
        "",
        *table(
            ("event type ID", "event", "setting `events`"),
            [
                *(
                    (str(kind.id), kind.words, f"`{kind.word}`")
                    for kind in sorted(EVENT_TYPES.values(), key=lambda one: one.id)
                ),
                ("5", "Performed Procedure Step Deleted", "never: nothing is deleted"),
            ],
        ),
    ]


def statuses(number: str) -> list[str]:
    """What a response to N-CREATE, N-SET and N-EVENT-REPORT of ours means."""
    return [
        *heading(number, "Modality Performed Procedure Step, responses to ours"),
        *table(("status", "meaning", "effect"), _statuses()),
    ]


def _statuses() -> Iterable[tuple[str, str, str]]:
    special = {
        0x0000: "delivered",
        0x0111: "delivered if an earlier try had no answer, else refused",
        0x0110: "delivered if Error ID is A710 and an earlier try had no answer, else refused",
        0x0213: "repeated",
    }
    for status, words in sorted(MEANINGS.items()):
        effect = special.get(status) or ("delivered, noted" if status in WARNINGS else "refused")
        yield f"{status:04X}", words, effect
