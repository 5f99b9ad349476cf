"""Formats and limits of the identifiers this system makes or takes (spec: dicom.md section 6)."""

from __future__ import annotations

import re
import uuid

from ris.domain.errors import InvalidValueError
from ris.domain.values import require_text

# DICOM VR SH, which every scanner keeps; a longer number would be cut by devices and collide.
SH_LIMIT = 16
UID_LIMIT = 64
_UID = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*))+$")
_SENT_UID = re.compile(r"\d+(\.\d+)+", re.ASCII)

_AE_TITLE = re.compile(r"(?=.*\S)[\x20-\x5b\x5d-\x7e]{1,16}")


def is_ae_title(value: str) -> bool:
    """PS3.5 6.2, VR AE: 1 to 16 ASCII characters without backslash, and not only spaces."""
    return _AE_TITLE.fullmatch(value) is not None


def new_uid() -> str:
    """A new UID under 2.25 (PS3.5 B.2): a random UUID as one integer."""
    return f"2.25.{uuid.uuid4().int}"


def require_uid(value: str, path: str) -> str:
    """``value`` if it is a UID (PS3.5 9.1): digits and dots, no leading zeros, 64 characters."""
    uid = value.strip().rstrip("\0")
    if len(uid) > UID_LIMIT or _UID.match(uid) is None:
        raise InvalidValueError("not a DICOM UID", path=path)
    return uid


def require_sent_uid(value: str, path: str) -> str:
    """``value`` if it can be the UID of an object that exists: digits and dots, 64 characters.

    Leading zeros are not allowed (PS3.5 9.1), and there are devices that make UIDs of date and
    time. What they made has that name everywhere.
    """
    uid = value.strip().rstrip("\0")
    if len(uid) > UID_LIMIT or _SENT_UID.fullmatch(uid) is None:
        raise InvalidValueError("not a DICOM UID", path=path)
    return uid


def require_accession_number(value: str, path: str) -> str:
    """``value`` if it fits (0008,0050): VR SH. Longer numbers are refused, never cut."""
    return require_text(value, path=path, limit=SH_LIMIT, name="accession number")


def accession_number(sequence: int, year: int) -> str:
    """Our own accession number: two digits of the year, then a counter that never restarts."""
    return f"A{year % 100:02d}{sequence:08d}"


def filler_order_number(sequence: int) -> str:
    return f"F{sequence:09d}"


def procedure_id(sequence: int) -> str:
    return f"P{sequence:09d}"


def step_id(sequence: int) -> str:
    return f"S{sequence:09d}"


def patient_number(sequence: int) -> str:
    """A number for a patient who came without one."""
    return f"R{sequence:08d}"


def same_issuer(stored: str, said: str) -> bool:
    """Whether two issuers may be one; who is silent does not contradict."""
    if not stored or not said:
        return True
    return _bare(stored) == _bare(said)


# Fixed texts that Python, SQLite (by Django's REGEXP) and PostgreSQL read alike.
OID = r"(0|[1-9][0-9]*)([.](0|[1-9][0-9]*))+"
UUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
URI = "(https?://|urn:)"
_UNIVERSAL = (
    (re.compile(f"(?:urn:oid:)?({OID})", re.DOTALL), "ISO"),
    (re.compile(f"(?:urn:uuid:)?({UUID})", re.DOTALL), "UUID"),
    (re.compile(f"({URI}.*)", re.DOTALL), "URI"),
)


def universal_id(issuer: str) -> tuple[str, str]:
    """(universal id, its type) if the issuer is named by one (HL7 table 0301), else empty."""
    for pattern, kind in _UNIVERSAL:
        if match := pattern.fullmatch(issuer):
            return match[1], kind
    return "", ""


def _bare(issuer: str) -> str:
    """``urn:oid:1.2.3`` goes into a dataset as ``1.2.3`` (PS3.3 Table 10-17)."""
    return issuer.removeprefix("urn:oid:").removeprefix("urn:uuid:")
