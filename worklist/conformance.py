"""The DICOM conformance statement, made from the tables that the code runs on (PS3.2 Annex N).

Nothing here is written by hand that a table knows, so the statement cannot drift; a test compares
the copy in ``docs/reference`` with this.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydicom.uid import UID

from ris import config
from ris.config_sections import Dicom
from ris.domain.transliteration import ROWS
from ris.version import version
from worklist.charset import EXTENDED, SINGLE
from worklist.config import IMPLEMENTATION_CLASS_UID, Deadlines, Limits, ListenerConfig
from worklist.conformance_documents import section as documents
from worklist.conformance_mpps import section as performed_steps
from worklist.conformance_scu import section as requested_services
from worklist.conformance_worklist import section as worklist
from worklist.registry import Profile
from worklist.sop_classes import SOP_CLASSES, TRANSFER_SYNTAXES, Operation
from worklist.web.conformance import web_services

_NOTE = "<!-- Made from the code by docs/generate.py; edit the code. -->"


def statement() -> str:
    """The whole document, Markdown."""
    sections = [
        _cover(), _overview(), _general(), _dimse(), worklist(4), performed_steps(5), _characters(),
        _security(), _configuration(), _audit(), web_services(10), requested_services(11),
        documents(12),
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
        "What Annex N asks for stands here:",
        "",
        *_table(
            ("PS3.2", "here"),
            [
                ("N.1 Overview: services, SOP classes", "1"),
                ("N.5.2 DIMSE services: Modality Worklist", "4"),
                ("N.5.2 DIMSE services: Modality Performed Procedure Step", "5"),
                ("N.5.2 DIMSE services: Storage, Instance Availability Notification", "12"),
                ("N.5.2 DIMSE services of which we are the user", "11"),
                ("N.5.3 Web services", "10"),
                ("N.6 Configuration", "8"),
                ("N.7 Network: associations, presentation contexts, transfer syntaxes", "2, 3"),
                ("N.7 Character sets", "6"),
                ("N.11 Security, audit", "7, 9"),
            ],
        ),
    ]


def _overview() -> list[str]:
    return [
        "## 1 Overview",
        "",
        "The product schedules imaging procedures, offers them to modalities as a worklist and",
        "follows what was performed. It stores dose reports and no images.",
        "",
        *_table(
            ("service", "SOP class UID", "role", "operations"),
            (
                (
                    one.name,
                    one.uid,
                    "SCU" if one.reversed else "SCP",
                    ", ".join(sorted(_name(op) for op in one.operations)),
                )
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
                ("Associations at once", f"{Dicom().associations}, a setting"),
                (
                    "... per address",
                    f"{Dicom().associations_per_address}, a setting",
                ),
                ("... per calling AE title", str(limits.associations_per_ae_title)),
                ("Connections waiting", str(listener.backlog)),
                ("Time for A-ASSOCIATE-RQ (ARTIM)", f"{deadlines.associate:g} s"),
                ("Time for the rest of a PDU", f"{deadlines.pdu:g} s"),
                ("Idle association", f"{Dicom().idle_seconds:g} s, a setting"),
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
        "is not plain ASCII, and absent otherwise. No character is ever replaced by another sign.",
        "Explicit VR Big Endian answers use ISO_IR 192 for what is not ASCII. What was received is",
        "kept as Unicode.",
        "",
        "A device may be registered with `text = fixed` (its own set only) or `text = ascii`:",
        f"letters it lacks are then transliterated by a fixed table of {len(ROWS)} rows (accents",
        "are dropped; Cyrillic and Arabic by ICAO 9303-3, Greek by ELOT 743, kana by Hepburn,",
        "Hangul by the Revised Romanization), of a name the groups it cannot show are left out,",
        "and what has no row is written as U+ and its number. Identifiers are never",
        "transliterated: their answer is in ISO_IR 192.",
    ]


def _security() -> list[str]:
    return [
        "## 7 Security",
        "",
        "- TLS 1.2 and 1.3 on a port of its own, by the profile of PS3.15 B.12 or, as a setting,",
        "  of B.13 (its suites but those with Camellia and with CCM-8); with a CA file client",
        "  certificates are required, and revocation lists are checked if there are any.",
        "- A device is known by AE title and, if registered, by address or network, by the digest",
        "  of its certificate or a name in it, and by its user identity.",
        "- User identity negotiation: kinds 1 and 2 are checked where the register demands an",
        "  identity, and confirmed if a positive response is requested; kinds 3, 4 and 5 are then",
        "  rejected (2, 2, 1). Where none is demanded, an identity is accepted and not confirmed.",
        "- A device may be held to some of the services, to a number of associations, and to a",
        "  number of queries a minute, above which A700 is answered.",
    ]


def _configuration() -> list[str]:
    words = {"dicom": Dicom}
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
