"""Every golden message as two other readers see it: no segment and no value is lost (B6)."""

from __future__ import annotations

from pathlib import Path

import hl7
import pytest
from hl7apy.exceptions import HL7apyException
from hl7apy.parser import parse_message

from integration.hl7 import continuation, schema
from integration.hl7.batch import take_apart
from integration.hl7.er7 import Header, Message
from integration.hl7.routes import ROUTES
from ris.domain.errors import RisError

ROOT = Path(__file__).resolve().parents[3]
PATHS = sorted((ROOT / "fixtures" / "hl7").glob("*/*/in.hl7"))


def read(path: Path) -> Message | None:
    """None for the cases about what cannot be read."""
    raw = path.read_bytes()
    try:
        return Message.from_bytes(raw, default_charset="UNICODE UTF-8")
    except RisError:
        return None


MESSAGES = [(f"{path.parts[-3]}/{path.parts[-2]}", read(path)) for path in PATHS]
READABLE = [(name, message) for name, message in MESSAGES if message is not None]


def test_there_is_a_corpus() -> None:
    assert len(READABLE) >= 60


@pytest.mark.parametrize("start", range(4))
def test_python_hl7_sees_the_same_segments_and_values(start: int) -> None:
    for name, message in READABLE[start::4]:
        text = "\r".join(segment.raw for segment in message.segments()) + "\r"
        oracle = hl7.parse(text)
        assert [str(each[0]) for each in oracle] == message.names, name
        for position, segment in enumerate(message.segments()):
            for number in range(1, len(segment.fields)):
                theirs = oracle[position][number]
                assert segment.fields[number] == str(theirs), (name, segment.name, number)
                if segment.name == "MSH" and number <= 2:
                    continue
                for repeat in segment.repeats(str(number)):
                    _compare(name, repeat, theirs)


def _compare(name: str, repeat: object, field: hl7.Field) -> None:
    """Component by component, as far as nothing is escaped."""
    theirs = field[repeat.number - 1]  # type: ignore[attr-defined]
    components = list(theirs) if isinstance(theirs, hl7.Repetition) else [theirs]
    for index, component in enumerate(components, start=1):
        parts = list(component) if isinstance(component, hl7.Component) else [component]
        for sub, part in enumerate(parts, start=1):
            text = str(part)
            if "\\" in text or repeat.null:  # type: ignore[attr-defined]
                continue
            expected = "" if text == '""' else (text or None)
            assert repeat.get(index, sub) == expected, (name, repeat.at(f"{index}.{sub}"))  # type: ignore[attr-defined]


def test_hl7apy_sees_the_same_fields_where_it_can_read_them() -> None:
    compared = 0
    seen = set()
    for name, message in READABLE:
        kind = name.partition("/")[0]
        if kind in seen:  # it takes 15 ms for each
            continue
        text = "\r".join(segment.raw for segment in message.segments()) + "\r"
        try:
            oracle = parse_message(text, find_groups=False)
        except HL7apyException:
            continue  # a segment that its version lacks, or a type that it does not know
        seen.add(kind)
        children = [child for child in oracle.children if child.name != "MSH"]
        segments = message.segments()[1:]
        assert [child.name for child in children] == [segment.name for segment in segments], name
        for child, segment in zip(children, segments, strict=True):
            for number in range(1, len(segment.fields)):
                raw = segment.fields[number]
                if "\\" in raw or segment.name[0] == "Z" or segment.name == "EVN":
                    continue  # its faults 4 and 5 in spec 3.1
                told = getattr(child, f"{segment.name.lower()}_{number}")
                assert "~".join(each.to_er7() for each in told) == raw, (name, segment.name, number)
                compared += 1
    assert len(seen) >= 20
    assert compared >= 500


def test_every_event_that_is_served_has_its_structure_in_every_version() -> None:
    for version in schema.VERSIONS:
        for code, trigger in ROUTES:
            spec = schema.described(version, code, trigger)
            assert spec is not None, (version, code, trigger)
            assert ("MSH",) in spec.required, (version, code, trigger)


@pytest.mark.parametrize("start", range(4))
def test_a_message_cut_in_parts_anywhere_is_the_same_when_it_is_joined(start: int) -> None:
    for name, message in READABLE[start::4]:
        raw = b"\r".join(line for line in message.raw.replace(b"\n", b"\r").split(b"\r") if line)
        header = Header.read(raw)
        assert header is not None
        lines = raw.split(b"\r")
        if len(lines) < 3 or take_apart(raw).header:
            continue
        head = lines[0].split(b"|")
        head += [b""] * (14 - len(head))
        second = b"|".join([*head[:13], b"P1", *head[14:]])
        cut = len(lines[-1]) // 2
        first = b"\r".join((*lines[:-1], lines[-1][: max(cut, 4)], b"DSC|P1|F", b""))
        last = b"\r".join((second, b"ADD|" + lines[-1][max(cut, 4) :], b""))
        if lines[0][3:4] == b"|" and len(lines[-1]) > 8:
            assert continuation.join([first, last]) == raw + b"\r", name
