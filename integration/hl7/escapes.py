"""Delimiters and escape sequences of ER7 (HL7 v2.5.1 2.5.4 and 2.7), read once and written once."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from integration.hl7.charset import Charset
from ris.domain.errors import InvalidValueError

NULL = '""'  # the wire form of "delete"


class Delimiters(NamedTuple):
    """MSH-1 and MSH-2; a character that MSH-2 does not name is empty and splits nothing."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"
    truncation: str = ""  # the fifth character, since 2.7

    @property
    def encoding(self) -> str:
        """MSH-2."""
        return "".join(self[1:])


STANDARD = Delimiters()


# --- reading ------------------------------------------------------------------------------------

_MAX_ESCAPES = 200_000
_FORMAT = re.compile(r"\.(br|sp|sk|ce|in|ti|fi|nf)\s*[+-]?\s*(\d{0,3})", re.IGNORECASE)
_HEX = re.compile(r"[0-9A-Fa-f]+")


def unescape(text: str, delimiters: Delimiters = STANDARD, charset: Charset | None = None) -> str:
    """``text`` with its escape sequences resolved, once.

    Highlighting is dropped, formatting becomes line breaks and spaces, hexadecimal bytes are read
    in the message's character set. Sequences of other applications (``\\Z..\\``), of character
    sets (``\\C..\\``, ``\\M..\\``), unknown and unclosed ones stay as they are.
    """
    mark = delimiters.escape
    if not mark or mark not in text:
        return text
    if text.count(mark) > _MAX_ESCAPES:
        raise InvalidValueError(f"more than {_MAX_ESCAPES} escape characters in one value")
    parts = text.split(mark)
    out = [parts[0]]
    at = 1
    while at < len(parts) - 1:
        resolved = _resolve(parts[at], delimiters, charset)
        if resolved is None:
            # Not a sequence: this character is text, and the next one may open a sequence.
            out += (mark, parts[at])
            at += 1
        else:
            out += (resolved, parts[at + 1])
            at += 2
    if at < len(parts):
        out += (mark, parts[at])
    return "".join(out)


def _resolve(sequence: str, delimiters: Delimiters, charset: Charset | None) -> str | None:
    """What a sequence stands for; None if it is none."""
    match sequence[:1]:
        case "F" | "S" | "R" | "E" | "T" | "P" | "H" | "N" if len(sequence) == 1:
            return {
                "F": delimiters.field,
                "S": delimiters.component,
                "R": delimiters.repetition,
                "E": delimiters.escape,
                "T": delimiters.subcomponent or "&",
                "P": delimiters.truncation or "#",
            }.get(sequence, "")
        case "X":
            digits = sequence[1:]
            if len(digits) % 2 or not _HEX.fullmatch(digits):
                return None
            return _from_bytes(bytes.fromhex(digits), charset)
        case "Z" | "C" | "M" if len(sequence) > 1:
            return f"{delimiters.escape}{sequence}{delimiters.escape}"
        case ".":
            formatting = _FORMAT.fullmatch(sequence)
            if formatting is None:
                return None
            count = min(int(formatting[2] or 1), 99)
            match formatting[1].lower():
                case "br" | "ce":
                    return "\n"
                case "sp":
                    return "\n" * count
                case "sk":
                    return " " * count
            return ""
    return None


def _from_bytes(data: bytes, charset: Charset | None) -> str | None:
    if b"\x00" in data:
        return None
    try:
        if charset is None or charset.names[0].startswith("UNICODE"):
            return data.decode("utf-8")
        return charset.decode(data)
    except (InvalidValueError, UnicodeDecodeError):
        return None


# --- writing ------------------------------------------------------------------------------------


@lru_cache(maxsize=16)
def _table(delimiters: Delimiters) -> dict[int, str]:
    mark = delimiters.escape
    if not mark:
        return {}
    # Control characters could end a segment (CR) or an MLLP frame (0x0B, 0x1C); tabs are harmless.
    table = {code: f"{mark}X{code:02X}{mark}" for code in (*range(0x20), 0x7F) if code != 0x09}
    table[0x0A] = table[0x0D] = f"{mark}.br{mark}"
    for char, letter in zip(delimiters, "FSRETP", strict=True):
        if char:
            table[ord(char)] = f"{mark}{letter}{mark}"
    return table


def escape(text: str, delimiters: Delimiters = STANDARD) -> str:
    """``text`` so that it stands in one subcomponent; line breaks become ``\\.br\\``."""
    if text == NULL:
        # Two quotation marks that are meant as such, not as "delete".
        return f"{delimiters.escape}X2222{delimiters.escape}"
    return text.replace("\r\n", "\n").translate(_table(delimiters))
