"""The Native DICOM Model in XML, read into and written from DICOM JSON (PS3.19 A.1).

Read with expat alone: a document type, and with it every entity, is refused where it begins, and
depth and number of elements are counted while they come.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from html import escape
from typing import Any, NoReturn
from xml.parsers import expat

from pydicom.datadict import keyword_for_tag

from ris.domain.errors import InvalidValueError
from worklist.elements import tag_path
from worklist.web.encoding import BINARY_VRS, GROUPS, NUMBER_VRS, known_vrs

NAMESPACE = "http://dicom.nema.org/PS3.19/models/NativeDICOM"
COMPONENTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")

MAX_DEPTH = 64
MAX_ELEMENTS = 200_000
MAX_VALUES = 10_000  # the highest number a value, name or item may have
_TEXTS = frozenset({"Value", "InlineBinary", *COMPONENTS})
# What may stand in what.
_WITHIN: Mapping[str, frozenset[str]] = {
    "": frozenset({"NativeDicomModel"}),
    "NativeDicomModel": frozenset({"DicomAttribute"}),
    "DicomAttribute": frozenset({"Value", "PersonName", "Item", "InlineBinary", "BulkData"}),
    "Item": frozenset({"DicomAttribute"}),
    "PersonName": frozenset(GROUPS),
    **{group: frozenset(COMPONENTS) for group in GROUPS},
}
_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BLOCKS = range(0x10, 0x100)


@dataclass(slots=True)
class _Frame:
    """An element that is open, and what was found in it."""

    name: str
    number: int = 0
    attribute: dict[str, Any] = field(default_factory=dict)  # DicomAttribute
    tag: str = ""
    creator: str = ""
    found: dict[Any, Any] = field(default_factory=dict)  # tag, number or component → value
    text: list[str] = field(default_factory=list)
    # Of a dataset: the blocks of private creators, and which of their elements were made here.
    creators: dict[tuple[str, str], int] = field(default_factory=dict)
    made: set[tuple[str, int]] = field(default_factory=set)


def read(raw: bytes) -> dict[str, Any]:
    """The dataset of a NativeDicomModel as DICOM JSON; raises InvalidValueError."""
    reader = _Reader()
    # The space cannot stand in a namespace name: "namespace local".
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.EntityDeclHandler = _refuse_doctype
    try:
        parser.Parse(raw, True)
    except expat.ExpatError as error:
        raise InvalidValueError(
            f"not XML: {expat.ErrorString(error.code)} in line {error.lineno}"
        ) from None
    except (LookupError, ValueError):  # an encoding that does not exist or takes several bytes
        raise InvalidValueError("not XML in an encoding that is understood") from None
    if reader.result is None:
        raise InvalidValueError("the body is empty")
    return reader.result


def _refuse_doctype(*_: Any) -> NoReturn:
    raise InvalidValueError("a document type or entity is not accepted")


class _Reader:
    """Builds the dataset while expat reads."""

    def __init__(self) -> None:
        self.open: list[_Frame] = []
        self.count = 0
        self.result: dict[str, Any] | None = None

    def start(self, qualified: str, attributes: dict[str, str]) -> None:
        namespace, _, name = qualified.rpartition(" ")
        above = self.open[-1].name if self.open else ""
        if namespace not in {"", NAMESPACE} or name not in _WITHIN.get(above, ()):
            raise InvalidValueError(f"not a NativeDicomModel: no such element in {above or 'it'}")
        self.count += 1
        if self.count > MAX_ELEMENTS:
            raise InvalidValueError(f"more than {MAX_ELEMENTS} elements")
        if len(self.open) >= MAX_DEPTH:
            raise InvalidValueError(f"nested more than {MAX_DEPTH} levels deep")
        frame = _Frame(name)
        if name == "DicomAttribute":
            self._begin_attribute(frame, attributes)
        elif name in {"Value", "PersonName", "Item"}:
            frame.number = _number_of(attributes, self.open[-1].tag)
            if frame.number in self.open[-1].found:
                _refuse(self.open[-1].tag, "two values have one number")
        elif name == "BulkData":
            _refuse(self.open[-1].tag, "bulk data is not fetched: send the value")
        self.open.append(frame)

    def _begin_attribute(self, frame: _Frame, attributes: dict[str, str]) -> None:
        tag = attributes.get("tag", "")
        if not _TAG.fullmatch(tag):
            raise InvalidValueError("an attribute is named by eight hexadecimal digits")
        frame.tag = self._placed(tag.upper(), attributes.get("privateCreator", ""))
        dataset = self.open[-1]
        made = (frame.tag[:4], int(frame.tag[4:], 16)) in dataset.made
        if frame.tag in dataset.found and not made:
            _refuse(frame.tag, "stands twice in one dataset")
        vr = attributes.get("vr", "")
        if not vr:
            vr = next(iter(known_vrs(int(frame.tag, 16))), "")
        frame.attribute = {"vr": vr}

    def _placed(self, tag: str, creator: str) -> str:
        """The tag of a private attribute with its block, for which a creator element is made.

        The model names the creator beside each attribute and may leave the block to the reader.
        """
        group, block, element = tag[:4], tag[4:6], tag[6:]
        if not creator or not int(group, 16) & 1:
            return tag
        dataset = self.open[-1]
        known = dataset.creators.get((group, creator))
        if known is None:
            wanted = int(block, 16)
            taken = {place for (one, _), place in dataset.creators.items() if one == group}
            free = [place for place in _BLOCKS if place not in taken]
            if wanted not in free and not free:
                _refuse(tag, "too many private creators")
            known = wanted if wanted in free else free[0]
            dataset.creators[group, creator] = known
            made = {"vr": "LO", "Value": [creator]}
            if dataset.found.setdefault(f"{group}{known:04X}", made) is made:
                dataset.made.add((group, known))
        return f"{group}{known:02X}{element}"

    def text(self, text: str) -> None:
        if self.open and self.open[-1].name in _TEXTS:
            self.open[-1].text.append(text)
        elif text.strip():
            raise InvalidValueError("text between the elements")

    def end(self, _: str) -> None:
        frame = self.open.pop()
        above = self.open[-1] if self.open else None
        if above is None:
            self.result = frame.found
        elif frame.name == "DicomAttribute":
            above.found[frame.tag] = _attribute(frame)
        elif frame.name == "Value":
            above.found[frame.number] = _value(above, "".join(frame.text))
        elif frame.name == "InlineBinary":
            above.attribute["InlineBinary"] = "".join("".join(frame.text).split())
        elif frame.name in COMPONENTS:
            if frame.name in above.found:
                raise InvalidValueError("a name has one component twice")
            above.found[frame.name] = "".join(frame.text)
        elif frame.name in GROUPS:
            parts = [_part(frame, name) for name in COMPONENTS]
            above.found[frame.name] = "^".join(parts).rstrip("^")
        else:  # PersonName, Item
            above.found[frame.number] = frame.found


def _part(frame: _Frame, name: str) -> str:
    """A component of a name; the caret between them must not be part of one."""
    part = str(frame.found.get(name, ""))
    if "^" in part:
        raise InvalidValueError("a component of a name holds a caret")
    return part


def _attribute(frame: _Frame) -> dict[str, Any]:
    if not frame.found:
        return frame.attribute
    if "InlineBinary" in frame.attribute:
        _refuse(frame.tag, "more than one kind of value")
    values = [frame.found.get(number) for number in range(1, max(frame.found) + 1)]
    is_sequence = frame.attribute["vr"] == "SQ"
    if is_sequence and not all(isinstance(value, dict) for value in values):
        _refuse(frame.tag, "a sequence holds items")
    return {**frame.attribute, "Value": values}


def _value(above: _Frame, text: str) -> Any:
    """A value with the type it has in JSON."""
    if not text:
        return None
    if above.attribute["vr"] not in NUMBER_VRS:
        return text
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        _refuse(above.tag, "not a number")
    return number


def _number_of(attributes: dict[str, str], tag: str) -> int:
    text = attributes.get("number", "")
    if not re.fullmatch(r"[1-9]\d{0,5}", text) or int(text) > MAX_VALUES:
        _refuse(tag, f"a value has a number from 1 to {MAX_VALUES}")
    return int(text)


def _refuse(tag: str, message: str) -> NoReturn:
    raise InvalidValueError(message, path=tag_path(int(tag, 16)) if tag else "")


# --- writing


def write(data: Mapping[str, Any]) -> bytes:
    """One dataset as a document."""
    parts = [
        '<?xml version="1.0" encoding="UTF-8"?>\n',
        f'<NativeDicomModel xmlns="{NAMESPACE}" xml:space="preserve">',
        *_dataset(data),
        "</NativeDicomModel>\n",
    ]
    return "".join(parts).encode()


def _dataset(data: Mapping[str, Any]) -> Iterable[str]:
    for tag in sorted(data):
        attribute = data[tag]
        number = int(tag, 16)
        keyword = keyword_for_tag(number)
        names = f' keyword="{keyword}"' if keyword else ""
        if (number >> 16) & 1 and number & 0xFF00:
            creator = data.get(f"{tag[:4]}00{tag[4:6]}", {}).get("Value", [""])[0]
            names += f' privateCreator="{_text(str(creator))}"' if creator else ""
        yield f'<DicomAttribute tag="{tag}" vr="{attribute["vr"]}"{names}>'
        if "InlineBinary" in attribute:
            yield f"<InlineBinary>{attribute['InlineBinary']}</InlineBinary>"
        for place, value in enumerate(attribute.get("Value", ()), start=1):
            yield from _written(attribute["vr"], place, value)
        yield "</DicomAttribute>"


def _written(vr: str, place: int, value: Any) -> Iterable[str]:
    if vr == "SQ":
        yield f'<Item number="{place}">'
        yield from _dataset(value or {})
        yield "</Item>"
    elif vr == "PN":
        yield f'<PersonName number="{place}">'
        for group in GROUPS:
            if value and value.get(group):
                yield f"<{group}>{_components(value[group])}</{group}>"
        yield "</PersonName>"
    elif vr not in BINARY_VRS:
        yield f'<Value number="{place}">{_text("" if value is None else str(value))}</Value>'


def _components(group: str) -> str:
    return "".join(
        f"<{name}>{_text(part)}</{name}>"
        for name, part in zip(COMPONENTS, group.split("^", 4), strict=False)
        if part
    )


def _text(text: str) -> str:
    """Escaped; characters that XML 1.0 cannot hold become spaces, line ends stay what they are."""
    return escape(_NOT_IN_XML.sub(" ", text)).replace("\r", "&#13;")
