"""Overview, model and annexes of the conformance statement (PS3.2 N.1, N.3, N.4, N.9, N.12)."""

from __future__ import annotations

from ris.markdown import table
from worklist import conformance_archives, conformance_scu
from worklist.charset import EXTENDED, SINGLE
from worklist.conformance_form import absent, heading
from worklist.foreign import ROOT_KEYS, STEP_KEYS
from worklist.sop_classes import DOSE_REPORTS, SOP_CLASSES, Operation
from worklist.web.capabilities import TRANSACTIONS

_AE = "RIS"


def section(number: str) -> list[str]:
    """The overview."""
    return [
        *heading(number, "Overview"),
        "The product schedules imaging procedures, offers them to modalities as a worklist and",
        "follows what was performed. It stores dose reports and no images, and sends reports to",
        "archives.",
        "",
        *heading(f"{number}.1", "Content and transfer"),
        *table(
            ("content", "created", "received", "displayed"),
            [
                ("Basic Text SR, Enhanced SR (reports)", "yes", "", ""),
                ("Encapsulated PDF (reports)", "yes", "", ""),
                *((name, "", "yes", "values") for name in DOSE_REPORTS.values()),
            ],
        ),
        *heading(f"{number}.1.1", "Structured Reporting root template IDs"),
        "Created: TID 2000. Read: TID 10001, 10011, 10021 and 10030, by their concepts.",
        "",
        *heading(f"{number}.2", "DIMSE services"),
        *table(
            ("service", "SOP class UID", "role", "operations"),
            [
                *(
                    (one.name, one.uid, "SCP", ", ".join(sorted(map(_name, one.operations))))
                    for one in SOP_CLASSES
                    if not one.reversed
                ),
                *conformance_scu.services(),
                *conformance_archives.services(),
                conformance_scu.verification(),
            ],
        ),
        "Verification, worklist, MPPS and MPPS Retrieve are also used as SCU by the commands",
        "`ris echo`, `ris mwl find` and `ris simulate modality`, which exist to test a connection,",
        "and by `ris mwl import`, which takes over what another worklist has booked: it asks for",
        f"{len(ROOT_KEYS)} attributes and {len(STEP_KEYS)} of the step, each empty but the day,",
        "station and modality it is told, in ISO_IR 192; it keeps every number and UID.",
        "",
        *heading(f"{number}.3", "DICOM web services"),
        *table(
            ("transaction", "PS3.18", "role"),
            [
                *((one.id, one.clause, "origin server") for one in TRANSACTIONS),
                ("Store, Search for Studies, Series and Instances", "10.5, 10.6", "user agent"),
            ],
        ),
        *absent(f"{number}.4", "Media services"),
        *absent(f"{number}.5", "Real-Time Video services"),
        *absent(f"{number}.6", "De-identification profiles"),
        *heading(f"{number}.7", "Specific Character Sets"),
        f"{len(SINGLE)} sets without code extensions and {len(EXTENDED)} with them, see 5.7.",
        "",
    ]  # fmt: skip


def _name(operation: Operation) -> str:
    return operation.name.replace("_", "-")


def introduction(number: str) -> list[str]:
    return [
        *heading(number, "Introduction"),
        *heading(f"{number}.1", "Revision history"),
        "This document is made from the code of the version on its cover; what changed from",
        "version to version is in CHANGELOG.md.",
        "",
        *heading(f"{number}.2", "Audience"),
        "Who connects modalities, archives and other systems to the product, and who compares it",
        "with the conformance statements of those.",
        "",
        *heading(f"{number}.3", "Remarks"),
        "That two statements fit together does not replace trying the systems together.",
        "",
        *heading(f"{number}.4", "Terms and definitions"),
        *table(
            ("term", "meaning"),
            [
                ("device", "a modality in the register, known by its AE title"),
                ("endpoint", "another application that is sent to, or that sends"),
                ("step", "a scheduled procedure step: one line of the worklist"),
                ("exam", "a performed procedure step, told by MPPS or typed in"),
                ("strict, repair", "how a device's faults are taken: refused, or mended and shown"),
            ],
        ),
        *heading(f"{number}.5", "Abbreviations"),
        "Those of PS3; MWL is Modality Worklist, MPPS is Modality Performed Procedure Step, IAN is",
        "Instance Availability Notification.",
        "",
        *heading(f"{number}.6", "References"),
        "DICOM PS3.2, PS3.3, PS3.4, PS3.5, PS3.7, PS3.8, PS3.15, PS3.16 and PS3.18; IHE RAD TF.",
        "",
    ]


def model(number: str) -> list[str]:
    return [
        *heading(number, "Implementation model"),
        *heading(f"{number}.1", "Application Entities and data flow"),
        "One Application Entity speaks all services, as acceptor and as requestor; its AE title is",
        "a setting. AE titles may be added that are called for a part of the worklist.",
        "",
        *table(
            ("from", "to", "what"),
            [
                ("orders (HL7, FHIR, pages)", _AE, "steps to be done"),
                ("modality", _AE, "queries the worklist; tells what it performs; dose reports"),
                (_AE, "archive, other managers", "what was performed, as it was told"),
                ("archive", _AE, "which images it has; what it commits itself to"),
                (_AE, "archive", "signed reports; whether they are there; earlier exams"),
            ],
        ),
        *heading(f"{number}.1.1", f"Functional definition of {_AE}"),
        "The listener answers from the database. What a modality or an archive tells is kept",
        "before it is answered. What leaves is a row of a queue, sent by a worker until it is",
        "taken or a person must look; each message is an association of its own.",
        "",
    ]


def mapping(number: str) -> list[str]:
    return [
        *heading(number, "Mapping of services to Application Entities"),
        *table(
            ("Application Entity", "services"),
            [
                (f"{_AE}, as acceptor", "Verification, worklist, MPPS, IAN, dose, commitments"),
                (f"{_AE}, as requestor", "Verification, MPPS, storage, commitment, query"),
            ],
        ),
    ]  # fmt: skip


def across(number: str) -> list[str]:
    return [
        *heading(number, "Cross-service considerations"),
        "- Study Instance UID, accession number, Requested Procedure ID and Scheduled Procedure",
        "  Step ID of a worklist answer find the order again in MPPS, dose reports and IAN.",
        "- What MPPS tells moves the worklist; IAN and dose reports do not. Images listed by MPPS",
        "  are compared with those of IAN.",
        "- A change is in the next worklist answer when the message that caused it is answered.",
        "",
    ]


def objects(number: str) -> list[str]:
    return [
        *heading(number, "Annex A: Information Object Definitions"),
        *heading(f"{number}.1", "Information shared across the objects created"),
        *table(
            ("module", "values"),
            [
                ("Patient", "name, ID with issuer, birth date and sex of the order's patient"),
                ("General Study", "Study Instance UID performed, else ordered; accession number"),
                ("SR Document Series, Encapsulated Document Series",
                 "one series for each kind and report; Modality SR or DOC; a number of its own"),
                ("General Equipment", "manufacturer and version of the product, the site"),
                ("SOP Common", "a SOP Instance UID for every version; character set"),
            ],
        ),
        *heading(f"{number}.2", "Basic Text SR, Enhanced SR"),
        "SR Document General with Completion and Verification Flag, Verifying Observer, Referenced",
        "Request, Performed Procedure Code, Current Requested Procedure Evidence, Predecessor and",
        "Identical Documents; SR Document Content by annex B. No private attributes.",
        "",
        *heading(f"{number}.3", "Encapsulated PDF"),
        "MIME type application/pdf; Burned In Annotation YES; document title (18748-4, LN). The",
        "PDF has the very bytes that are printed; where their number is odd, one byte follows and",
        "Encapsulated Document Length (0042,0015) tells it apart. No private attributes.",
        "",
    ]  # fmt: skip


def attributes(number: str) -> list[str]:
    return [
        *heading(number, "Annex D: Mapping of attributes"),
        "No images are created, so nothing is mapped from the worklist into images here. What a",
        "modality should copy is that of PS3.17 and IHE RAD TF-2 4.6: what MPPS is joined by is in",
        "5.2.2.1. Where the attributes of the worklist come from:",
        "",
        *table(
            ("worklist", "HL7 v2", "FHIR R4"),
            [
                ("Patient module", "PID", "Patient"),
                ("Visit modules", "PV1", "Encounter"),
                ("Imaging Service Request", "ORC, OBR", "ServiceRequest"),
                ("Requested Procedure", "OBR-4, OBR-44; IPC-2, IPC-3", "ServiceRequest.code"),
                ("Scheduled Procedure Step", "TQ1-7, OBR-36; IPC-4 to IPC-9",
                 "ServiceRequest.occurrence, Appointment"),
            ],
        ),
        "Segment by segment it is in [the HL7 statement](hl7-conformance.md), element by element",
        "in [the FHIR statement](fhir-conformance.md).",
        "",
    ]  # fmt: skip


def codes(number: str) -> list[str]:
    return [
        *heading(number, "Annex E: Code set usage"),
        *table(
            ("context", "code set"),
            [
                ("Procedure and protocol codes", "those of the site's catalog, or as ordered"),
                ("Discontinuation reasons", "PS3.16 CID 9301, read; others are kept and shown"),
                ("Report titles and headings", "LOINC and DCM, annex B"),
                ("Languages", "RFC 5646"),
                ("Dose", "DCM and UCUM, 5.2.5.2"),
                ("Patient sex, priority, step status", "defined terms of PS3.3"),
            ],
        ),
    ]
