"""From the bytes of a message to its text: marks, character set, delimiters, places of faults."""

from __future__ import annotations

import re

from integration.hl7 import charset as charsets
from integration.hl7.charset import Charset
from integration.hl7.escapes import STANDARD, Delimiters
from ris.domain.errors import InvalidValueError

# Segments whose first field is the field separator itself.
HEADERS = frozenset({"MSH", "FHS", "BHS"})

_LINE_END = re.compile(rb"[\r\n]")
LINE_END = re.compile(r"[\r\n]")
_LONGEST_HEADER = 65_536
_BOM_UTF_8 = b"\xef\xbb\xbf"


def is_wide(data: bytes) -> bool:
    """UTF-16 or UTF-32: a byte order mark, or zero bytes beside the first letter."""
    return data[:2] in (b"\xff\xfe", b"\xfe\xff", b"\x00M", b"M\x00", b"\x00\x00")


def unwrap(raw: bytes) -> bytes:
    """Without a UTF-8 byte order mark and blanks in front; wide encodings are left alone."""
    if raw.startswith(b"MSH") or is_wide(raw):
        return raw
    data = raw.lstrip(b"\r\n\t ")
    return data.removeprefix(_BOM_UTF_8).lstrip(b"\r\n\t ")


def first_line(data: bytes) -> bytes:
    """The bytes of the first segment; all of a wide encoding, whose line ends are longer."""
    end = None if is_wide(data) else _LINE_END.search(data)
    return data[: end.start()] if end else data


def declared_charset(data: bytes, default: str) -> Charset:
    """The character set that the message itself names in MSH-18, read before it can be decoded."""
    if is_wide(data):
        return charsets.find("UNICODE")
    line = first_line(data)
    separator = line[3:4]
    if not separator or not line.startswith(b"MSH"):
        return charsets.find("", default)
    # A few more than MSH-18, for the case below; never all of a hostile line.
    fields = line.split(separator, 25)[:25]
    if line.isascii() and b"\x1b" not in line:
        return charsets.find(fields[17].decode() if len(fields) > 17 else "", default)
    # The header itself holds other than ASCII characters, of which a byte may look like the
    # separator and shift the fields: take the set which, once decoded, stands in MSH-18.
    if len(line) > _LONGEST_HEADER:
        raise InvalidValueError("the header is too long", path="MSH")
    mark = separator.decode("latin-1")
    for field in fields[17:]:
        name = field.decode("latin-1")
        try:
            charset = charsets.find(name, default)
            if charset.decode(line).split(mark)[17] == name:
                return charset
        except (InvalidValueError, IndexError):
            continue
    declared = fields[17].decode("latin-1") if len(fields) > 17 else ""
    return charsets.find(declared if declared.isascii() else "", default)


def place_after(before: str) -> str:
    """The path of the field at which ``before``, the text in front of it, ends."""
    text = before.lstrip("\ufeff \t\r\n")
    lines = [line for line in LINE_END.split(text) if line]
    if not lines or LINE_END.match(text[-1:]):
        return ""
    separator, name = text[3:4], lines[-1][:3]
    if not separator or len(name) < 3 or not (name.isalnum() and name.isascii()):
        return ""
    occurrence = sum(line.startswith(name) for line in lines)
    number = lines[-1].count(separator) + (name in HEADERS)
    place = name if occurrence == 1 else f"{name}[{occurrence}]"
    return f"{place}-{number}" if number else place


def read_delimiters(text: str) -> Delimiters:
    """The delimiters that a message beginning with MSH declares (2.5.4)."""
    if text.startswith("MSH|^~\\&|"):
        return STANDARD
    separator = text[3:4]
    if not _usable(separator):
        raise InvalidValueError("MSH-1 is not a field separator", path="MSH-1")
    end = LINE_END.search(text)
    encoding = text[4 : end.start() if end else None].split(separator, 1)[0]
    if not 3 <= len(encoding) <= 5:
        raise InvalidValueError("MSH-2 must have three to five characters", path="MSH-2")
    if len({separator, *encoding}) != len(encoding) + 1 or not all(map(_usable, encoding)):
        raise InvalidValueError("MSH-2 holds an unusable character", path="MSH-2")
    return Delimiters(separator, *encoding, *("",) * (5 - len(encoding)))


def _usable(char: str) -> bool:
    return len(char) == 1 and "\x20" < char < "\x7f" and not char.isalnum() and char != '"'
