"""The part of the conformance statement on performed procedure steps (PS3.2 N.5.2; PS3.4 F.7.4)."""

from __future__ import annotations

from ris.config_sections import Performing
from ris.domain.discontinuation import MODALITY_REASONS, Reason
from ris.markdown import table
from worklist.conformance_form import heading
from worklist.elements import tag_path
from worklist.mpps_attributes import FIXED, PERFORMED, PerformedAttribute


def section(number: str) -> list[str]:
    """What the provider does; what is told of it to others follows elsewhere."""
    return [
        *heading(f"{number}.1", "Attributes"),
        "Types are those of PS3.4 Table F.7.2-1 for the SCU; `-` is not allowed. Whatever else is",
        "sent is kept and returned by N-GET.",
        "",
        *table(
            ("attribute", "tag", "N-CREATE", "N-SET", "final state", "use"),
            (
                (_place(row), tag_path(row.tag), row.create, row.set, row.final, row.use)
                for row in PERFORMED
            ),
        ),
        *_operations(f"{number}.2"),
        *_steps(f"{number}.3"),
        *_reasons(f"{number}.4"),
        *_afterwards(f"{number}.5"),
    ]


def _place(row: PerformedAttribute) -> str:
    return f"> {row.keyword}" if row.within else row.keyword


def _operations(number: str) -> list[str]:
    fixed = sum(1 for row in PERFORMED if row.tag in FIXED and not row.within)
    return [
        *heading(number, "Operations"),
        "- Each message is stored, applied and answered in one transaction. A device is registered",
        "  as `repair` (default) or `strict`: strict refuses what Table F.7.2-1 does not allow;",
        "  repair mends it where that is safe, flags it for people to see, and answers 0000. A",
        "  wrong status and text that does not fit its character set are refused in both modes.",
        "- N-CREATE: the status must be IN PROGRESS. Without a UID one is assigned and returned. A",
        "  UID that is known is refused, also if the content is the same; a device may be",
        "  registered to get its first answer again then.",
        f"- N-SET: the {fixed} attributes of patient, study and scheduled step that Table F.7.2-1",
        "  does not allow are ignored and flagged (strict: 0105). A sequence replaces the stored",
        "  one whole. An attribute that was not created may be set. An identical repeated N-SET",
        "  gets its first answer again.",
        "- The final state needs end date and time and a series with UID and protocol name, over",
        "  everything said so far. Repair takes the time of receipt as the end.",
        "- N-GET (Retrieve class) returns what is asked for, or everything; what the class has and",
        "  was never sent comes empty.",
        "- The Performed Station AE Title may be any; neither the calling nor the scheduled one.",
        "- An association with a context of the class may stay idle for four hours.",
        "",
    ]


def statuses(number: str) -> list[str]:
    """The statuses of N-CREATE, N-SET and N-GET."""
    return [
        *heading(number, "Modality Performed Procedure Step, N-CREATE, N-SET and N-GET"),
        *table(
            ("status", "N-CREATE", "N-SET", "N-GET", "meaning"),
            [
                ("0000", "x", "x", "x", "done and kept"),
                ("0001", "", "", "x", "an attribute asked for is not known; the others come"),
                ("0105", "", "x", "", "strict: an attribute that an N-SET may not hold"),
                ("0106", "x", "x", "", "wrong status, unreadable text; strict: a wrong value"),
                ("0110", "x", "x", "x", "with Error ID A710: it has ended; else a fault here"),
                ("0111", "x", "", "", "the UID is known"),
                ("0112", "", "x", "x", "the UID is not known"),
                (
                    *("0117", "x", "x", "x"),
                    "the SOP Instance UID is missing or malformed; strict: it has leading zeros",
                ),
                ("0120", "x", "x", "", "strict: an attribute is missing"),
                ("0121", "x", "x", "", "strict: an attribute has no value"),
                ("0124", "x", "x", "x", "not allowed"),
                ("0211", "x", "x", "x", "an operation that the class of the context does not have"),
                ("0213", "x", "x", "x", "busy, try again"),
            ],
        ),
        "A refusal names the attribute in the Attribute Identifier List, 0106 also returns it in",
        "the Attribute List, and says why in the Error Comment, without patient data.",
        "",
    ]  # fmt: skip


def _steps(number: str) -> list[str]:
    return [
        *heading(number, "Effect on scheduled steps and the worklist"),
        "- Each item of the Scheduled Step Attributes Sequence is looked for on its own: by the",
        "  Scheduled Procedure Step ID together with the Study Instance UID, a study of the",
        "  Referenced Study Sequence, the accession, placer or filler order number with its",
        "  issuer, or the Requested Procedure ID; by the Requested Procedure ID likewise; by the",
        "  Study Instance UID alone; by an order's number alone. The last three only if they",
        "  leave one step, or one that is still to be done.",
        "- The patient is checked: a step of another patient is never moved.",
        "- IN PROGRESS makes the steps STARTED, which takes them off the worklist (a device may be",
        "  offered them). A step that was canceled is opened again and people are told.",
        "- Over all performed steps of a step: any in progress, STARTED; else any completed,",
        "  COMPLETED; else DISCONTINUED. What is performed after the end appends.",
        "- Several items: all steps move together, each order is told, and the Study Instance UID",
        "  performed is remembered as another name of each study ordered.",
        "- DISCONTINUED with (110514, DCM) gives the steps back to the worklist and takes what was",
        "  made from the order. Without any image also for the reasons marked below.",
        "- A modality of objects made from images (SR, PR, KO, OT and others) moves no step of",
        "  another modality.",
        "- What names no step, or none that is known, is accepted and kept. Its order is looked",
        f"  for again for {Performing().rematch_minutes} minutes (a setting); then people",
        "  tie it, make an order of it, or give it to the right patient.",
        "",
    ]


def _reasons(number: str) -> list[str]:
    return [
        *heading(number, "Reasons for discontinuation"),
        "Reasons of PS3.16 CID 9301 and what they ask of people, which a site may change:",
        "",
        *table(
            ("code", "meaning", "follow-up", "without image back to the worklist"),
            (
                (f"({row.value}, {row.scheme})", row.meaning, _follow_up(row), _back(row))
                for row in MODALITY_REASONS
            ),
        ),
    ]


def _follow_up(row: Reason) -> str:
    return row.follow_up.value.lower() if row.follow_up else ""


def _back(row: Reason) -> str:
    return "yes" if row.retry else ""


def _afterwards(number: str) -> list[str]:
    return [
        *heading(number, "Coercion and persistence"),
        "- No attribute is coerced. What people correct after the end (step, patient, state, end)",
        "  stands beside what was received, can be taken back, and is no part of N-GET.",
        f"- After {Performing().close_hours} hours of silence (a setting, also of a device)",
        "  the system ends a performed step: COMPLETED if it has images, else DISCONTINUED with",
        "  (110513, DCM). A later N-SET is refused with A710.",
        "- Performed steps are not deleted.",
        "",
    ]
