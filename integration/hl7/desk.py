"""What the interface desk shows of HL7: messages as trees, settings as fields, a test of a line.

Names come from the standard's own tables (:mod:`integration.hl7.schema`), in the version that the
message states. Nothing here decides anything; it is for the eye, and for text that a person wrote.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from integration.hl7 import charset as charsets
from integration.hl7 import inbound, mllp_client, outbound, schema, versions
from integration.hl7.er7 import Header, Message
from integration.hl7.er7_segment import Repetition, Segment
from integration.hl7.numbers import about
from integration.hl7.settings import Settings, read_settings
from ris.domain.errors import InvalidValueError, RisError, SeveralErrors
from ris.domain.exchange import Direction, Protocol
from ris.domain.protocol import EndpointInfo
from ris.services import desk, peers
from ris.services.desk import Fault, Kind, Node, Setting

_NODES = 3000
_ONE_BYTE = ("8859/", "CP125")
_LONG = 400  # characters shown of one value: documents come as text, too

# The chapters name segments in their titles only; these turn up in radiology.
SEGMENTS = {
    "MSH": "Message header",
    "MSA": "Acknowledgment",
    "ERR": "Error",
    "EVN": "Event",
    "FHS": "File header",
    "BHS": "Batch header",
    "BTS": "Batch trailer",
    "FTS": "File trailer",
    "PID": "Patient",
    "PD1": "Patient, additional",
    "NK1": "Next of kin",
    "PV1": "Visit",
    "PV2": "Visit, additional",
    "MRG": "Merge",
    "AL1": "Allergy",
    "IAM": "Allergy",
    "DG1": "Diagnosis",
    "PR1": "Procedure",
    "GT1": "Guarantor",
    "IN1": "Insurance",
    "FT1": "Charge",
    "ORC": "Common order",
    "OBR": "Order detail",
    "OBX": "Observation",
    "TQ1": "Timing",
    "TQ2": "Timing, dependencies",
    "IPC": "Imaging procedure control",
    "ZDS": "Study Instance UID",
    "NTE": "Note",
    "SCH": "Appointment",
    "RGS": "Resource group",
    "AIS": "Service of the appointment",
    "AIL": "Location of the appointment",
    "AIP": "Person of the appointment",
    "AIG": "Resource of the appointment",
    "TXA": "Document",
    "DSC": "Continuation pointer",
    "ADD": "Addendum",
    "CTI": "Clinical trial",
    "ROL": "Role",
    "PRT": "Participation",
    "SPM": "Specimen",
    "SFT": "Software",
}


class Text:
    """HL7 v2 messages for people (ris.services.desk.TextForm)."""

    def text(self, raw: bytes, character_set: str) -> str:
        message = _read(raw, character_set)
        return "\n".join(message.segment(number).raw for number in range(len(message.names)))

    def raw(self, text: str, character_set: str) -> bytes:
        lines = text.replace("\r\n", "\r").replace("\n", "\r").split("\r")
        body = "".join(f"{line}\r" for line in lines if line.strip())
        header = Header.read(body.encode(), charsets.UTF_8)
        if header is None:
            raise InvalidValueError("a message starts with MSH", path="MSH")
        mark = header.delimiters.repetition
        declared = header.raw_field(18)
        if mark:
            declared = declared.replace(mark, "~")
        default = character_set or charsets.UTF_8
        return charsets.find(declared, default).encode(body)

    def tree(self, raw: bytes, character_set: str) -> Sequence[Node]:
        message = _read(raw, character_set)
        version = _version(message.header)
        nodes, left = [], _NODES
        for segment in message.segments():
            fields = tuple(_fields(segment, version))[:left]
            left -= len(fields)
            nodes.append(Node(segment.at("").rstrip("-"), _segment_words(segment.name), "", fields))
            if left <= 0:
                break
        return nodes

    def faults(self, raw: bytes, character_set: str) -> Sequence[Fault]:
        found = schema.check(_read(raw, character_set))
        return [Fault(each.path, each.message) for each in found]

    def remarks(self, raw: bytes, character_set: str) -> Sequence[Fault]:
        message = _read(raw, character_set)
        found = [Fault("", note) for note in message.notes]
        if _is_rather_utf_8(message):
            label = message.charset.label
            text = f"the bytes are those of UTF-8, and the message says {label}: names may be wrong"
            found.append(Fault("MSH-18", text))
        said = message.header.version
        if (taken := versions.misread(said)) is not None:
            version = ".".join(map(str, taken))
            text = f"{said.strip()[:40]} is no version of HL7; the message was read as {version}"
            found.append(Fault("MSH-12", text))
        with suppress(RisError):  # of a message that is refused nothing is taken
            found += [
                Fault(each.path, f"cannot be read and is left out: {each.fault}")
                for each in inbound.left_out(raw)
            ]
        return found

    def about(self, raw: bytes, character_set: str) -> desk.About:
        return about(_read(raw, character_set))

    def header(self, raw: bytes) -> tuple[str, str]:
        header = Header.read(raw, charsets.UTF_8)
        if header is None or not header.control_id:
            raise InvalidValueError("the message lacks its header or MSH-10", path="MSH-10")
        return f"{header.code}^{header.trigger}".strip("^")[:60], header.control_id[:160]

    def character_sets(self) -> Sequence[str]:
        return charsets.names()

    def check_character_set(self, name: str) -> None:
        try:
            charsets.find("", name)
        except InvalidValueError:
            raise InvalidValueError("no character set of HL7 table 0211", path="") from None

    def check_version(self, text: str) -> None:
        if text not in schema.NAMED_VERSIONS:
            raise InvalidValueError(f"no version of HL7 v2: {', '.join(schema.NAMED_VERSIONS)}")


def _read(raw: bytes, character_set: str) -> Message:
    try:
        return Message.from_bytes(
            raw.strip(b"\x0b\x1c"), default_charset=character_set or charsets.UTF_8
        )
    except SeveralErrors as error:
        raise error.errors[0] from None


def _is_rather_utf_8(message: Message) -> bool:
    """Whether a set of one byte a character was told or agreed on, and UTF-8 was sent.

    What people write in one of these sets is next to never UTF-8 by chance, but is always readable.
    """
    if not message.charset.label.startswith(_ONE_BYTE) or message.raw.isascii():
        return False
    try:
        message.raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _version(header: Header) -> str:
    try:
        return schema.known_version(header.version)
    except InvalidValueError:
        return schema.VERSIONS[-1]


def _segment_words(name: str) -> str:
    return SEGMENTS.get(name, "Segment of the sender's own" if name[0] == "Z" else "")


def _fields(segment: Segment, version: str) -> Iterator[Node]:
    specs = schema.segment(version, segment.name) or {}
    for number in range(1, len(segment.fields)):
        spec = specs.get(number)
        words = spec.name.capitalize() if spec else ""
        if segment.name in ("MSH", "FHS", "BHS") and number <= 2:
            yield Node(segment.at(str(number)), words, segment.fields[number])
            continue
        try:
            repeats = segment.repeats(str(number))
        except RisError as error:
            yield Node(segment.at(str(number)), words, error.message)
            continue
        for repeat in repeats:
            kind = spec.data_type if spec else ""
            parts = tuple(_components(segment, repeat, kind, version))
            yield Node(repeat.at(), words, _shown(repeat.raw if parts else repeat.text), parts)


def _components(segment: Segment, repeat: Repetition, kind: str, version: str) -> Iterator[Node]:
    """The components of a repetition, if it has more than one; subcomponents within them."""
    delimiters = segment.delimiters
    if kind in ("FT", "TX") or delimiters.component not in repeat.raw:
        return
    specs = schema.data_type(version, kind) if kind else {}
    for number, text in enumerate(repeat.raw.split(delimiters.component), start=1):
        if not text:
            continue
        spec = specs.get(number)
        words = spec.name.capitalize() if spec else ""
        inner: list[Node] = []
        mark = delimiters.subcomponent
        if mark and mark in text:
            below = schema.data_type(version, spec.data_type) if spec else {}
            for place, part in enumerate(text.split(mark), start=1):
                if part:
                    name = below[place].name.capitalize() if place in below else ""
                    at = repeat.at(f"{number}.{place}")
                    inner.append(Node(at, name, _shown(segment.unescape(part))))
        value = text if inner else segment.unescape(text)
        yield Node(repeat.at(str(number)), words, _shown(value), tuple(inner))


def _shown(text: str) -> str:
    return text if len(text) <= _LONG else f"{text[:_LONG]} … ({len(text)} characters)"


# --- settings as fields -------------------------------------------------------------------------

_SECTIONS = {"application": "Both ways", "addresses": "What comes in", "orders": "What goes out"}


def described() -> list[Setting]:
    """The fields of :class:`Settings` for a page, in their order."""
    found, group = [], "Both ways"
    for name, info in Settings.model_fields.items():
        group = _SECTIONS.get(name, group)
        kind, choices = _kind(info)
        found.append(
            Setting(
                name=name,
                kind=kind,
                text=info.description or "",
                group=group,
                default=_plain(info.get_default(call_default_factory=True)),
                choices=choices,
            )
        )
    return found


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _kind(info: FieldInfo) -> tuple[Kind, tuple[str, ...]]:
    annotation: Any = info.annotation
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return Kind.DOCUMENT, ()
    if origin is Literal:
        return Kind.CHOICE, tuple(map(str, arguments))
    if origin is tuple:
        inner = arguments[0]
        if get_origin(inner) is Literal:
            return Kind.LIST, tuple(map(str, get_args(inner)))
        return (Kind.LIST, ()) if inner is str else (Kind.DOCUMENT, ())
    if annotation is bool:
        return Kind.YES, ()
    if annotation in (int, float):
        return Kind.NUMBER, ()
    return (Kind.TEXT, ()) if annotation is str else (Kind.DOCUMENT, ())


# --- a test of a line ---------------------------------------------------------------------------


def probe(peer: peers.Peer) -> str:
    """Connect and shake hands; nothing is sent, for HL7 v2 has no message without meaning."""
    try:
        settings = read_settings(peer.settings)
    except InvalidValueError as error:
        return error.message
    here = EndpointInfo(
        id=0,
        public_id="",
        name=peer.name,
        protocol_name=peer.name,
        host=peer.host,
        port=peer.port,
        version="",
        character_set="",
        time_zone="",
        sends=frozenset(),
        settings=peer.settings,
    )
    return mllp_client.try_connection(outbound.target(here, settings))


desk.register_text(Protocol.HL7, Text())
for _direction in Direction:
    desk.register_settings(Protocol.HL7, _direction, described())
peers.register_probe(Protocol.HL7, probe)
