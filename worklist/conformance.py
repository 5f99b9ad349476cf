"""The DICOM conformance statement, made from the tables that the code runs on (PS3.2 Annex N).

Nothing here is written by hand that a table knows, so the statement cannot drift; a test compares
the copy in ``docs/reference`` with this.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydicom.uid import UID

from ris import config
from ris.version import version
from worklist.attributes import (
    ESSENTIAL,
    PRIORITIES,
    SPS,
    STEP_STATUSES,
    WORKLIST,
    Attribute,
    Matching,
)
from worklist.charset import EXTENDED, SINGLE
from worklist.config import IMPLEMENTATION_CLASS_UID, Deadlines, Limits, ListenerConfig
from worklist.conformance_mpps import section as performed_steps
from worklist.conformance_scu import section as requested_services
from worklist.elements import tag_path
from worklist.registry import Profile
from worklist.sop_classes import SOP_CLASSES, TRANSFER_SYNTAXES, Operation
from worklist.web.conformance import web_services

_NOTE = "<!-- Made from the code by docs/generate.py; edit the code. -->"


def statement() -> str:
    """The whole document, Markdown."""
    sections = [
        _cover(), _overview(), _general(), _dimse(), _worklist(), performed_steps(5), _characters(),
        _security(), _configuration(), _audit(), web_services(10), requested_services(11),
    ]  # fmt: skip
    return "\n\n".join("\n".join(lines).strip() for lines in sections) + "\n"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    lines += [f"| {' | '.join(cell or '-' for cell in row)} |" for row in rows]
    return [*lines, ""]


def _cover() -> list[str]:
    return [
        "# DICOM conformance statement",
        "",
        _NOTE,
        "",
        *_table(
            ("", ""),
            [
                ("Product", "RIS, radiology information system"),
                ("Version", version()),
                ("Form", "PS3.2 Annex N; PS3.4 K.6.1.3 and F.7.4 for the services"),
            ],
        ),
    ]


def _overview() -> list[str]:
    return [
        "## 1 Overview",
        "",
        "The product schedules imaging procedures, offers them to modalities as a worklist and",
        "follows what was performed. It stores no images.",
        "",
        *_table(
            ("service", "SOP class UID", "role", "operations"),
            (
                (one.name, one.uid, "SCP", ", ".join(sorted(_name(op) for op in one.operations)))
                for one in SOP_CLASSES
            ),
        ),
        "Verification, worklist, MPPS and MPPS Retrieve are also used as SCU by the commands",
        "`ris echo`, `ris mwl find` and `ris simulate modality`, which exist to test a connection.",
        "What is asked of other applications in daily work is in chapter 11.",
    ]


def _name(operation: Operation) -> str:
    return operation.name.replace("_", "-")


def _general() -> list[str]:
    limits, deadlines, listener = Limits(), Deadlines(), ListenerConfig()
    return [
        "## 2 Associations",
        "",
        *_table(
            ("", ""),
            [
                ("Application context", "1.2.840.10008.3.1.1.1"),
                ("Implementation class UID", IMPLEMENTATION_CLASS_UID),
                ("Implementation version name", f"RIS_{version()}"[:16]),
                ("Maximum length received", str(limits.pdu_bytes)),
                ("Asynchronous operations", "not negotiated: one operation at a time"),
                ("Associations at once", f"{config.Dicom().associations}, a setting"),
                ("... per address", f"{config.Dicom().associations_per_address}, a setting"),
                ("... per calling AE title", str(limits.associations_per_ae_title)),
                ("Connections waiting", str(listener.backlog)),
                ("Time for A-ASSOCIATE-RQ (ARTIM)", f"{deadlines.associate:g} s"),
                ("Time for the rest of a PDU", f"{deadlines.pdu:g} s"),
                ("Idle association", f"{config.Dicom().idle_seconds:g} s, a setting"),
                ("Idle association with an MPPS context", "4 hours"),
            ],
        ),
        "An association is rejected (1,1,7) if it calls another AE title, (1,1,3) if the calling",
        "AE title is not registered, not active, or calls from another address or without the TLS",
        "it must use, and (2,3,2) above a limit. A setting admits unregistered AE titles.",
    ]


def _dimse() -> list[str]:
    return [
        "## 3 Presentation contexts",
        "",
        "For each SOP class above, in our order of preference:",
        "",
        *_table(
            ("transfer syntax", "UID"), ((UID(one).name, str(one)) for one in TRANSFER_SYNTAXES)
        ),
        "Deflated transfer syntaxes are not accepted.",
    ]


def _place(row: Attribute) -> str:
    depth = row.within.count(".") + 1 if row.within else 0
    return f"{'>' * depth}{' ' if depth else ''}{row.keyword}"


def _worklist() -> list[str]:
    ordered = _nested(WORKLIST)
    essential = ", ".join(row.keyword for row in ESSENTIAL)
    statuses = "; ".join(
        f"{term}: {', '.join(sorted(s.value for s, t in STEP_STATUSES.items() if t == term))}"
        for term in dict.fromkeys(filter(None, STEP_STATUSES.values()))
    )
    return [
        "## 4 Modality Worklist",
        "",
        "### 4.1 Attributes",
        "",
        "Every attribute may be asked for; only what is asked for is returned. Type 2 is returned",
        "empty if there is no value, type 3 and 1C are left out. An empty value, `*` alone and an",
        "absent key match everything; a sequence that is empty, or holds one empty item, asks for",
        f"all of it. Of several items the first counts. The {SPS} holds exactly",
        "one item in every answer.",
        "",
        *_table(
            ("attribute", "tag", "VR", "return type", "matching", "remark"),
            (
                (_place(row), tag_path(row.tag), row.vr, row.return_type, row.matching.value,
                 row.note if row.is_held else "never held: asking for it is answered with FF01")
                for row in ordered
            ),
        ),
        "Any other key is ignored and answered with pending status FF01.",
        "",
        "### 4.2 Matching",
        "",
        "- Values are compared exactly and with case; spaces around them are padding. `*` and `?`",
        f"  are wildcards in all attributes marked \"{Matching.WILDCARD.value}\". Several values,",
        "  separated by backslash, are alternatives.",
        "- Person names are compared without case and accents, component group by component group.",
        "  A key of one group in ASCII letters is compared with the alphabetic group; in any other",
        "  script with every group. Trailing empty components do not count. Matching by sound is",
        "  not negotiated and not done.",
        "- Dates and times are those of the site, or of the zone in (0008,0201) of the query. A",
        "  range of dates with a range of times is one interval. A time without minutes or seconds",
        "  means, as the upper end of a range, the last instant of what it names. Every step has a",
        "  time with six digits.",
        "- A patient is also found by the other numbers that name it, so by the old one after a",
        "  merge.",
        f"- Scheduled Procedure Step Status: {statuses}. Without this key SCHEDULED, ARRIVED and",
        "  READY are offered, and STARTED to devices that are registered so.",
        "- Requested Procedure Priority: "
        + "; ".join(f"{ours.value} is {theirs}" for ours, theirs in PRIORITIES.items())
        + ".",
        "- Entries without one of these are not offered, and the log says so: " + essential + ".",
        "- Answers come in order of start, priority and Scheduled Procedure Step ID. A change is",
        "  seen by the next query.",
        "",
        "### 4.3 Status",
        "",
        *_table(
            ("status", "meaning"),
            [
                ("FF00", "a match; all requested keys are supported"),
                ("FF01", "a match; a requested key is not supported"),
                ("0000", "all matches were sent"),
                ("FE00", "cancelled"),
                ("A700", "more matches than the limit, of which the first were sent; or busy"),
                ("A900", "a key cannot be read; Offending Element and Error Comment say which"),
                ("C000", "a fault of ours; the comment holds a reference"),
                ("0124", "not authorized"),
            ],
        ),
    ]  # fmt: skip


def _nested(rows: Sequence[Attribute]) -> list[Attribute]:
    """The rows as they stand in a dataset: by tag, each sequence followed by its items."""
    found: list[Attribute] = []

    def add(within: str) -> None:
        for row in sorted((r for r in rows if r.within == within), key=lambda r: r.tag):
            found.append(row)
            if row.vr == "SQ":
                add(row.path)

    add("")
    return found


def _characters() -> list[str]:
    return [
        "## 6 Character sets",
        "",
        "Read and written: "
        + ", ".join(sorted(term for term in SINGLE if term))
        + "; with code extensions "
        + ", ".join(sorted({*EXTENDED, "ISO 2022 IR 58"}))
        + ".",
        "",
        "A query is read in the set it names, else in the first of its device. An answer is in the",
        "query's set if that holds every text of it, else in the device's, else in ISO_IR 192; a",
        "device may be registered to get its own set first. (0008,0005) is present whenever text",
        "is not plain ASCII. No character is ever replaced. Explicit VR Big Endian answers use",
        "ISO_IR 192 for what is not ASCII. What was received is kept as Unicode.",
    ]


def _security() -> list[str]:
    return [
        "## 7 Security",
        "",
        "- TLS 1.2 and 1.3 on a port of its own (PS3.15 B.12); with a CA file client certificates",
        "  are required. A device may be bound to a certificate and to TLS.",
        "- A device is known by AE title and, if registered, by address or network.",
        "- User identity negotiation is understood and not required.",
    ]


def _configuration() -> list[str]:
    words = {"dicom": config.Dicom}
    rows = [
        (f"`{config.env_name((section, name))}`", (field.description or "").rstrip("."))
        for section, model in words.items()
        for name, field in model.model_fields.items()
    ]
    lines = ["## 8 Configuration", "", *_table(("setting", "meaning"), rows)]
    lines += ["Per device, in the register:", ""]
    doc = (Profile.__doc__ or "").split("=\n")[1].split("\n    =")[0]
    return [*lines, *_table(("setting", "meaning"), _settings_of(doc))]


def _settings_of(text: str) -> list[tuple[str, str]]:
    """The rows of the table in ``Profile``'s docstring; an indented line goes on."""
    rows: list[tuple[str, str]] = []
    for line in text.splitlines():
        name, _, meaning = line.strip().partition("  ")
        if line.strip().startswith("``"):
            rows.append((name.replace("``", "`"), meaning.strip().replace("``", "`")))
        elif line.strip() and rows:
            last, so_far = rows[-1]
            rows[-1] = (last, f"{so_far} {line.strip()}".replace("``", "`"))
    return rows


def _audit() -> list[str]:
    return [
        "## 9 Audit",
        "",
        *_table(
            ("event", "when"),
            [
                ("Query", "each C-FIND, with its keys, number of answers and patients shown"),
                ("Procedure Record", "each command that an N-CREATE or N-SET caused"),
                ("Procedure Record, read", "each N-GET"),
                ("Security Alert", "an association that was refused"),
            ],
        ),
    ]
