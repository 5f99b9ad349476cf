"""The part of the conformance statement on the worklist (PS3.2 N.5.2; PS3.4 K.6.1.3.2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ris.config_sections import Dicom
from ris.markdown import table
from worklist.attributes import (
    ESSENTIAL,
    PRIORITIES,
    SPS,
    STEP_STATUSES,
    WORKLIST,
    Attribute,
    Matching,
)
from worklist.conformance_form import heading
from worklist.elements import tag_path
from worklist.rules import DEVIATIONS, REFUSED

# The words of PS3.2 Annex N for what a key may hold; every key may be empty, which is UNIVERSAL.
MATCHING: Mapping[Matching, str] = {
    Matching.NONE: "UNIVERSAL",
    Matching.SINGLE: "SINGLE_VALUE, UNIVERSAL",
    Matching.WILDCARD: "SINGLE_VALUE, WILDCARD, UNIVERSAL",
    Matching.NAME: "SINGLE_VALUE, WILDCARD, UNIVERSAL",
    Matching.RANGE: "SINGLE_VALUE, RANGE, UNIVERSAL",
    Matching.UID: "UID, UNIVERSAL",
    Matching.SEQUENCE: "SEQUENCE, UNIVERSAL",
}
# Table K.6-1: what must be matched; the rest of what is matched here is optional.
REQUIRED = frozenset(
    {
        SPS, "ScheduledStationAETitle", "ScheduledProcedureStepStartDate",
        "ScheduledProcedureStepStartTime", "Modality", "ScheduledPerformingPhysicianName",
        "PatientName", "PatientID",
    }
)  # fmt: skip


def section(number: str) -> list[str]:
    """The service, with its number."""
    return [
        *heading(number, "Basic Worklist Management service"),
        "SCP of the Modality Worklist Information Model - FIND SOP class, by C-FIND.",
        "",
        *_attributes(f"{number}.1"),
        *_matching(f"{number}.2"),
        *_devices(f"{number}.3"),
    ]


def _attributes(number: str) -> list[str]:
    names = [row for row in WORKLIST if row.matching is Matching.NAME]
    optional = [row for row in nested(WORKLIST) if row.query and not _is_required(row)]
    third = [row for row in nested(WORKLIST) if row.return_type == "3" and row.is_held]
    return [
        *heading(number, "Keys"),
        "Every attribute may be asked for; only what is asked for is returned, besides (0008,0005)",
        "and (0008,0201). Type 1 always has a value, type 2 is returned empty if there is none,",
        "type 3 and 1C are left out. An empty value, `*` alone and an absent key match everything;",
        f"a sequence that is empty, or holds one empty item, asks for all of it. The {SPS}",
        "holds exactly one item in every answer.",
        "",
        *table(
            ("attribute", "tag", "VR", "key", "return type", "matching", "remark"),
            (
                (
                    _place(row), tag_path(row.tag), row.vr, _key(row), row.return_type,
                    MATCHING[row.matching],
                    row.note if row.is_held else "never held: asking for it is answered with FF01",
                )
                for row in nested(WORKLIST)
            ),
        ),
        "Any other key, private ones among them, is ignored and answered with pending status FF01.",
        "A key whose matching is only UNIVERSAL is not matched but returned, with FF00.",
        "",
        f"Optional keys that are matched: {_listed(optional)}.",
        "",
        f"Type 3 return keys that are supported: {_listed(third)}.",
        "",
        f"Person names, matched without case and accents: {_listed(names)}.",
        "",
    ]  # fmt: skip


def _matching(number: str) -> list[str]:
    essential = ", ".join(row.keyword for row in ESSENTIAL)
    statuses = "; ".join(
        f"{term}: {', '.join(sorted(s.value for s, t in STEP_STATUSES.items() if t == term))}"
        for term in dict.fromkeys(filter(None, STEP_STATUSES.values()))
    )
    return [
        *heading(number, "Matching"),
        "- All keys must match. An empty stored value matches no key.",
        "- Values are compared exactly and with case; spaces around them are padding. `*` and `?`",
        "  are wildcards where WILDCARD is said. Several values, separated by backslash, are",
        "  alternatives, beyond the standard.",
        "- Person names are compared without case and accents, component group by component group.",
        "  A key of one group in ASCII letters is compared with the alphabetic group; in any other",
        "  script with every group. Trailing empty components do not count. Matching by sound",
        "  (fuzzy semantic matching) is not done: byte 3 of the extended negotiation is answered",
        "  with 0, in as many bytes as were offered.",
        "- Dates and times are those of the site, or of the zone in (0008,0201) of the query,",
        "  which is then returned with the zone of the answer. A range of dates with a range of",
        "  times is one interval; in any other combination each is matched alone. A time without",
        "  minutes or seconds means, as the upper end of a range, the last instant of what it",
        "  names. On the day clocks change a time that comes twice means both. Every time returned",
        "  has six digits.",
        "- A sequence key matches if one item of the stored sequence matches all attributes of its",
        "  item; of several items of a key the first counts. Of ScheduledProtocolCodeSequence only",
        "  the items that match come back.",
        "- A patient is also found by the other numbers that name it: by the old one after a",
        "  merge, without end; the old numbers are returned in OtherPatientIDsSequence.",
        f"- Scheduled Procedure Step Status: {statuses}. Without this key SCHEDULED, ARRIVED and",
        "  READY are offered; devices may be registered otherwise.",
        "- Requested Procedure Priority: "
        + "; ".join(f"{ours.value} is {theirs}" for ours, theirs in PRIORITIES.items())
        + ".",
        "- Study Date and Study Time are those of the first performed step of the procedure.",
        "- Entries without one of these are not offered; people find them under Exceptions: "
        + essential + ".",
        "- Answers come in order of start, priority and Scheduled Procedure Step ID. A change is",
        "  seen by the next query.",
        "",
    ]  # fmt: skip


def _devices(number: str) -> list[str]:
    days = Dicom().window_days
    return [
        *heading(number, "What a device is shown"),
        "A query that names neither a date nor a patient, visit, order, procedure or step is",
        f"answered for the days from {days[0]} before to {days[1]} after today (a setting, and a",
        "setting per device). Devices may be registered to see only some stations, modalities or",
        "sites, other states, and each other's steps: Scheduled Station AE Title then has several",
        "values, of which any may match. An AE title of its own may be given to a named worklist.",
        "",
        "What the standard does not allow is read as it is meant, and shown to people with the",
        "query:",
        "",
        *table(
            ("kind", "meaning", "strict device"),
            (
                (kind, words, "A900" if kind in REFUSED else "the same")
                for kind, words in DEVIATIONS.items()
            ),
        ),
    ]


def statuses(number: str) -> list[str]:
    """The statuses of C-FIND."""
    return [
        *heading(number, "Basic Worklist Management, C-FIND"),
        *table(
            ("status", "meaning"),
            [
                ("FF00", "a match; all requested keys are supported"),
                ("FF01", "a match; a requested key is not supported"),
                ("0000", "all matches were sent"),
                ("FE00", "cancelled: no more matches are sent after a C-CANCEL was read"),
                ("A700", "more matches than the limit, of which the first were sent; or busy"),
                ("A900", "a key cannot be read; Offending Element and Error Comment say which"),
                ("C000", "a fault of ours; the comment holds a reference"),
                ("0124", "not authorized"),
            ],
        ),
    ]


def _place(row: Attribute) -> str:
    depth = row.within.count(".") + 1 if row.within else 0
    return f"{'>' * depth}{' ' if depth else ''}{row.keyword}"


def _is_required(row: Attribute) -> bool:
    return row.keyword in REQUIRED and row.within in {"", SPS}


def _key(row: Attribute) -> str:
    if _is_required(row):
        return "R"
    return "O" if row.query or row.matching is Matching.SEQUENCE else "-"


def _listed(rows: Iterable[Attribute]) -> str:
    return ", ".join(dict.fromkeys(row.path.removeprefix(f"{SPS}.") for row in rows))


def nested(rows: Sequence[Attribute]) -> list[Attribute]:
    """The rows as they stand in a dataset: by tag, each sequence followed by its items."""
    found: list[Attribute] = []

    def add(within: str) -> None:
        for row in sorted((r for r in rows if r.within == within), key=lambda r: r.tag):
            found.append(row)
            if row.vr == "SQ":
                add(row.path)

    add("")
    return found
