"""The part of the conformance statement on what we ask of others (PS3.2 N.5.2; PS3.4 F.7, F.9).

What is stored in archives and asked of them is :mod:`.conformance_archives`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydicom.uid import UID

from ris.services import outbox
from worklist import conformance_archives
from worklist.calling import MEANINGS, WARNINGS
from worklist.endpoint_settings import Settings
from worklist.notification import EVENT_TYPES
from worklist.scu import MODALITY_PERFORMED_PROCEDURE_STEP_NOTIFICATION, WRITABLE
from worklist.sop_classes import MODALITY_PERFORMED_PROCEDURE_STEP, VERIFICATION


def services() -> list[tuple[str, str, str, str]]:
    """Rows of the overview: service, SOP class UID, role, operations."""
    return [
        ("Modality Performed Procedure Step, forwarding", MODALITY_PERFORMED_PROCEDURE_STEP,
         "SCU", "N-CREATE, N-SET"),
        ("Modality Performed Procedure Step Notification",
         MODALITY_PERFORMED_PROCEDURE_STEP_NOTIFICATION, "SCP, requests the association",
         "N-EVENT-REPORT"),
        *conformance_archives.services(),
        ("Verification, test of a connection", VERIFICATION, "SCU", "C-ECHO"),
    ]  # fmt: skip


def section(number: int) -> list[str]:
    """The chapter, with its number."""
    defaults = Settings()
    longest = outbox.BACK_OFF_LIMIT_SECONDS / 60
    return [
        f"## {number} Services requested of other applications",
        "",
        *_table(("service", "SOP class UID", "role", "operations"), services()),
        "Each message is an association of its own. Contexts proposed, in this order: the transfer",
        "syntax the message came in, then " + " and ".join(UID(one).name for one in WRITABLE) + ".",
        "In another one than it came in the same values are written; text keeps its bytes and its",
        "(0008,0005).",
        "",
        f"### {number}.1 MPPS forwarding",
        "",
        "- Each N-CREATE and N-SET that was accepted, by DIMSE or DICOMweb, is sent to each",
        "  configured application with the same SOP Instance UID and dataset (IHE RAD-6, RAD-7).",
        "  What was refused is not forwarded, nor what an application itself sent here, nor",
        "  corrections that people make afterwards.",
        "- Of one object the order is kept: nothing is sent while an earlier message waits or was",
        "  refused. An application that is configured during an exam gets it from its N-CREATE on.",
        "- An exam that a person or the clock ended is ended by an N-SET made of what is known. A",
        "  setting lets exams that a person began be forwarded too, with every type 1 and 2",
        "  attribute; an end without known images has one series without references.",
        f"- What fails is repeated with growing pauses up to {longest:g} minutes; without end if",
        "  the peer could not be reached or was short of resources, else until a person is asked",
        f"  after {outbox.REFUSALS_BEFORE_PARKING} refusals.",
        "",
        *_table(("status", "meaning", "effect"), _statuses()),
        f"### {number}.2 MPPS notification",
        "",
        "We are SCP of the class and request the association, proposing SCP role and not SCU role",
        "(PS3.7 D.3.3.4). If that is not confirmed nothing is sent, unless a setting says that the",
        "application does not answer role selection. There is no event information.",
        "",
        *_table(
            ("event type ID", "event", "setting `events`"),
            [
                *(
                    (str(kind.id), kind.words, f"`{kind.word}`")
                    for kind in sorted(EVENT_TYPES.values(), key=lambda one: one.id)
                ),
                ("5", "Performed Procedure Step Deleted", "never: nothing is deleted"),
            ],
        ),
        *conformance_archives.section(f"{number}.3", f"{number}.4"),
        f"### {number}.5 Settings of an application",
        "",
        "Host, port and AE title are those of its endpoint; `sends` is any of `mpps`,",
        "`mpps-events` and `report-objects`. All waits together are at most 75 seconds.",
        "",
        *_table(
            ("setting", "default", "meaning"),
            (
                (f"`{name}`", _shown(getattr(defaults, name)), field.description or "")
                for name, field in Settings.model_fields.items()
            ),
        ),
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


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(value)
    return str(value)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    lines += [f"| {' | '.join(cell or '-' for cell in row)} |" for row in rows]
    return [*lines, ""]
