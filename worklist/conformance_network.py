"""Associations, contexts and character sets in the conformance statement (PS3.2 N.5.7, N.7)."""

from __future__ import annotations

from pydicom.uid import UID

from ris.config_sections import Dicom
from ris.domain.transliteration import ROWS
from ris.markdown import table
from ris.version import version
from worklist.charset import EXTENDED, SINGLE
from worklist.config import IMPLEMENTATION_CLASS_UID, Deadlines, Limits, ListenerConfig
from worklist.conformance_archives import services as of_archives
from worklist.conformance_form import heading
from worklist.conformance_scu import services as of_managers
from worklist.conformance_scu import verification
from worklist.scu import WRITABLE
from worklist.sop_classes import SOP_CLASSES, TRANSFER_SYNTAXES


def general(number: str) -> list[str]:
    limits, deadlines, listener, said = Limits(), Deadlines(), ListenerConfig(), Dicom()
    return [
        *heading(number, "General"),
        *heading(f"{number}.1", "General association parameters"),
        *table(
            ("", ""),
            [
                ("Application context", "1.2.840.10008.3.1.1.1"),
                ("Implementation class UID", IMPLEMENTATION_CLASS_UID),
                ("Implementation version name", f"RIS_{version()}"[:16]),
                ("Maximum length received", str(limits.pdu_bytes)),
                ("Asynchronous operations", "not negotiated: one operation at a time"),
                ("Associations accepted at once", f"{said.associations}, a setting"),
                ("... per address", f"{said.associations_per_address}, a setting"),
                ("... per calling AE title", f"{said.associations_per_ae}, a setting"),
                ("Associations requested at once", "one for each application"),
                ("Connections waiting", str(listener.backlog)),
                ("Time for A-ASSOCIATE-RQ (ARTIM)", f"{said.associate_seconds:g} s, a setting"),
                ("Time for the rest of a PDU", f"{said.pdu_seconds:g} s, a setting"),
                ("Time for the rest of a message", f"{deadlines.message:g} s"),
                ("Time for a peer to read", f"{said.write_seconds:g} s, a setting"),
                ("Idle association", f"{said.idle_seconds:g} s, a setting"),
                ("Idle association with an MPPS context", "4 hours"),
                ("IP", "version 4 and 6"),
            ],
        ),
    ]


def specification(number: str) -> list[str]:
    return [
        *heading(number, "Specifications"),
        *heading(f"{number}.1", "RIS Application Entity"),
        *heading(f"{number}.1.1", "Sequencing of real-world activities"),
        "Order, worklist, exam in progress, exam ended, images told of, report signed, report",
        "stored and looked for. None of them waits for the one before: what comes early is kept",
        "and joined.",
        "",
        *heading(f"{number}.1.2", "Association initiation"),
        "An association for each message; contexts proposed, in this order: the transfer syntax",
        f"the message is in, then {' and '.join(UID(one).name for one in WRITABLE)}.",
        "",
        *table(
            ("activity", "abstract syntax", "role"),
            [
                (name, uid, role.split(",")[0])
                for name, uid, role, _ in [*of_managers(), *of_archives(), verification()]
            ],
        ),
        *heading(f"{number}.1.3", "Association acceptance"),
        "For each class, in our order of preference; Deflated transfer syntaxes are not accepted:",
        "",
        *table(
            ("transfer syntax", "UID"), ((UID(one).name, str(one)) for one in TRANSFER_SYNTAXES)
        ),
        *table(
            ("abstract syntax", "UID", "role of ours", "extended negotiation"),
            (
                (
                    one.name,
                    one.uid,
                    "SCU" if one.reversed else "SCP",
                    "fuzzy names: no; time zone: yes (PS3.4 K.5.1)" if one.extended else "",
                )
                for one in SOP_CLASSES
            ),
        ),
    ]


def failures(number: str) -> list[str]:
    return [
        *heading(number, "General communication and failure behavior"),
        *table(
            ("A-ASSOCIATE-RJ", "reason"),
            [
                ("1, 1, 2", "another application context"),
                ("1, 1, 3", "the calling AE title is not known, or does not call as it must"),
                ("1, 1, 7", "another AE title is called"),
                ("1, 2, 1", "the user identity is missing, wrong or of another kind"),
                ("1, 2, 2", "another protocol version"),
                ("2, 3, 1", "busy; we are stopping; a passcode within a second of a wrong one"),
                ("2, 3, 2", "above a limit"),
            ],
        ),
        "As a device must call: from its address, with its TLS and certificate (6.2).",
        "A setting admits AE titles that are not registered. A PDU that is too long, malformed,",
        "out of order or too slow ends in A-ABORT. What we send and gets no answer is sent again",
        "with the same SOP Instance UID.",
        "",
    ]  # fmt: skip


def characters(number: str) -> list[str]:
    return [
        *heading(number, "Specific Character Sets"),
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
        "What was received is kept as Unicode.",
        "",
        "A device may be registered with `text = fixed` (its own set only) or `text = ascii`:",
        f"letters it lacks are then transliterated by a fixed table of {len(ROWS)} rows (accents",
        "are dropped; Cyrillic and Arabic by ICAO 9303-3, Greek by ELOT 743, kana by Hepburn,",
        "Hangul by the Revised Romanization), of a name the groups it cannot show are left out,",
        "and what has no row is written as U+ and its number. Identifiers are never",
        "transliterated: their answer is in ISO_IR 192.",
        "",
    ]
