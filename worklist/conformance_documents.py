"""The part of the conformance statement on what is stored and notified (PS3.4 B.4, R.3.4)."""

from __future__ import annotations

from collections.abc import Mapping

from ris.domain.availability import AT_HAND, Availability
from ris.domain.measures import MEASURES, UNITS, Measure
from ris.markdown import table
from worklist.conformance_form import heading
from worklist.dose import EVENTS_KEPT
from worklist.dose_content import OF_EVENT, TOTALS
from worklist.elements import tag_of, tag_path
from worklist.ian import NOTICE
from worklist.sop_classes import (
    DOSE_REPORT_BYTES,
    DOSE_REPORT_DEPTH,
    DOSE_REPORT_ELEMENTS,
    DOSE_REPORTS,
)


def dose(number: str) -> list[str]:
    """What is stored here."""
    return [
        *heading(number, "SCP of the Storage SOP classes: dose reports"),
        "Of the storage classes only these are offered; no image and no other object is stored:",
        "",
        *table(("SOP class", "UID"), ((name, uid) for uid, name in DOSE_REPORTS.items())),
        "- Level of storage: 2 (full). The dataset is kept to the byte with the message, and is",
        "  not given out by DICOM again. Nothing is coerced, no digital signature is checked.",
        f"- A dataset has at most {DOSE_REPORT_BYTES >> 20} MiB, {DOSE_REPORT_ELEMENTS:,} elements",
        f"  and {DOSE_REPORT_DEPTH} nested sequences; a report with more than {EVENTS_KEPT:,}",
        "  irradiation events counts by its totals.",
        "- Storage commitment is not offered. An identical object is answered as before; the same",
        "  UID with other content replaces the values if its Content Date and Time are later.",
        "- It is tied to the order by the performed step it refers to, if a person tied that; by",
        "  accession number (and issuer); Study Instance UID; performed step; patient, station and",
        "  time. A patient who is not that of the order, or two orders, leave it to a person.",
        "- Every irradiation event counts once, by its UID, however many reports tell of it. A",
        "  report whose events are all in another, or that a later one names as its predecessor,",
        "  is kept and not counted. Reports count before MPPS, MPPS before what is typed in.",
        "",
        "Concepts read (all of scheme DCM), in accumulated data and in irradiation events:",
        "",
        *table(
            ("accumulated", "event", "meaning", "kept in"),
            (
                (_codes(TOTALS, measure), _codes(OF_EVENT, measure), MEASURES[measure].words,
                 MEASURES[measure].dimension.value)
                for measure in Measure
                if measure in {*TOTALS.values(), *OF_EVENT.values()}
            ),
        ),
        "Units are converted from the coded unit (UCUM) and never assumed. Understood are:",
        "",
        *table(
            ("kept in", "understood"),
            (
                (dimension.value or "a number", ", ".join(f"`{unit}`" for unit in units))
                for dimension, units in UNITS.items()
            ),
        ),
        "A value in any other unit, a negative one and one that is no number is kept, shown as",
        "sent, and not counted.",
        "",
    ]  # fmt: skip


def notice_statuses(number: str) -> list[str]:
    """The statuses of N-CREATE of a notification."""
    return [
        *heading(number, "Instance Availability Notification, N-CREATE"),
        *table(
            ("status", "meaning"),
            [
                ("0000", "kept"),
                ("0106", "a value outside of its terms, or text that cannot be read"),
                ("0110", "a fault here"),
                ("0120", "an attribute is missing"),
                ("0121", "an attribute has no value"),
                ("0124", "this AE title may not tell of images"),
                ("0213", "busy, try again"),
            ],
        ),
    ]


def dose_statuses(number: str) -> list[str]:
    """The statuses of C-STORE here."""
    return [
        *heading(number, "Storage as SCP, C-STORE"),
        *table(
            ("status", "meaning"),
            [
                ("0000", "stored"),
                ("A700", "the database is busy; send again"),
                ("A900", "not a dose report, or not the SOP class or instance of the request"),
                ("C000", "damaged or not to be understood; kept as a rejected message"),
                ("0124", "this AE title may not send dose reports"),
                ("0117", "the SOP Instance UID is missing or malformed"),
            ],
        ),
    ]


def _codes(of: Mapping[str, Measure], measure: Measure) -> str:
    return ", ".join(code for code, one in of.items() if one is measure)


def availability(number: str) -> list[str]:
    """What archives tell here."""
    here = ", ".join(one.value for one in Availability if one in AT_HAND)
    return [
        *heading(number, "Instance Availability Notification service"),
        "SCP, by N-CREATE. Types are those of PS3.4 Table R.3.2-1. Other attributes are not",
        "allowed and ignored; no patient data is taken from a notification.",
        "",
        *table(
            ("attribute", "tag", "type", "use"),
            (
                (f"{'>' * row.depth}{' ' if row.depth else ''}{row.keyword}",
                 tag_path(tag_of(row.keyword)), row.type, row.use)
                for row in NOTICE
            ),
        ),
        f"- {here}: the image can be read. OFFLINE: somebody must fetch it. UNAVAILABLE: it cannot",
        "  be had; after a performed step that ended for (110514, DCM) that is expected.",
        "- A notification changes the instances it names and no others. That a study is complete",
        "  follows from none of them: images are called available when every instance told of is",
        "  at hand, and every instance that the performed steps (MPPS) list. What is missing, and",
        "  what was never listed, is shown.",
        "- It is accepted from AE titles of inbound endpoints, and from devices whose `services`",
        "  name `availability`; else 0124. An absent attribute is 0120, an empty one 0121, a value",
        "  outside of its terms 0106. Without a SOP Instance UID one is assigned.",
        "",
    ]  # fmt: skip
