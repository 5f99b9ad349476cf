"""Rules on messages nobody foresaw: only refusals leave, and what no rule names stays."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from integration.hl7 import mapping
from integration.hl7.er7 import Message
from integration.hl7.mapping.rules import Rule, parse
from ris.domain.errors import RisError
from ris.domain.exchange import Direction

NAMES = st.sampled_from(["PID", "PV1", "ORC", "OBR", "OBX", "ZAA", "NTE", "MRG", "RGS"])
PIECES = st.sampled_from(["A", "7", "", '""', "^", "~", "&", "\\F\\", "\\X41\\", "\\", "ö", " "])
FIELD = st.lists(PIECES, max_size=6).map("".join)
SEGMENT = st.tuples(NAMES, st.lists(FIELD, max_size=8)).map(lambda one: "|".join([one[0], *one[1]]))
MESSAGE = st.lists(SEGMENT, max_size=12).map(
    lambda lines: "\r".join(["MSH|^~\\&|A|B|C|D|2030||ORM^O01|1|P|2.5.1", *lines]).encode()
)
PLACES = st.builds(
    "{}-{}{}{}".format,
    NAMES,
    st.integers(1, 9),
    st.sampled_from(["", "[2]"]),
    st.sampled_from(["", ".1", ".2", ".2.2"]),
)
TEXTS = st.sampled_from(['"A"', '"7"', '""', '"^"', '"a|b"'])
CONDITIONS = st.one_of(
    st.just(""),
    st.builds(" if {} empty".format, PLACES),
    st.builds(" if {} = {}".format, PLACES, TEXTS),
    st.builds(" if {} present".format, NAMES),
)
ACTIONS = st.one_of(
    st.builds("{} <- {}".format, PLACES, PLACES),
    st.builds("move {} to {}".format, PLACES, PLACES),
    st.builds("{} = {} + {}".format, PLACES, TEXTS, PLACES),
    st.builds("drop {}".format, st.one_of(PLACES, NAMES)),
    st.builds("add {} after {}".format, NAMES, NAMES),
    st.builds("upper {}".format, PLACES),
    st.builds("cut {} to 2".format, PLACES),
    st.builds('replace "A" with "~|" in {}'.format, PLACES),
    st.builds('split {} at "7" keep 2'.format, PLACES),
)
RULES = st.lists(st.builds("{}{}".format, ACTIONS, CONDITIONS), min_size=1, max_size=6)


@settings(max_examples=60)
@given(MESSAGE, RULES)
def test_whatever_comes_the_result_is_a_message(raw: bytes, lines: list[str]) -> None:
    rules, faults = parse(lines)
    assert all(fault.path.startswith("rules[") for fault in faults)
    made = mapping.Compiled(Direction.IN, tuple(rules))
    message = Message.from_bytes(raw, default_charset="UNICODE UTF-8")

    read, applied = made.read(message)

    assert read.raw == raw
    assert read.names[0] == "MSH"
    again = Message.from_bytes("\r".join(applied.lines).encode(), default_charset="UNICODE UTF-8")
    assert again.names == read.names
    named = {place.segment for rule in rules for place in rule.places} | _dropped(rules)
    untouched = [line.raw for line in message.segments() if line.name not in named]
    assert [line.raw for line in read.segments() if line.name not in named] == untouched


def _dropped(rules: list[Rule]) -> set[str]:
    return {rule.segment for rule in rules if rule.segment}


@settings(max_examples=60)
@given(st.text(max_size=80))
def test_whatever_is_written_is_a_rule_or_refused_by_its_row(line: str) -> None:
    assert _refused(line) in {None, "rules[1]"}


def _refused(line: str) -> str | None:
    """The place of the refusal; None if it is a rule."""
    try:
        mapping.check({"rules": [line]}, Direction.IN)
    except RisError as error:
        return error.path
    return None


@settings(max_examples=40)
@example(b"MSH|^~\\&|A|B|C|D|2030||ORM^O01|1|P|2.5.1\rPID|||||||| ")
@given(MESSAGE)
def test_maps_never_touch_what_is_not_theirs(raw: bytes) -> None:
    content = {"maps": {"sex": {"otherwise": "fixed", "fixed": "U", "values": {"A": "F"}}}}
    made = mapping.compiled(mapping.check(content, Direction.IN), Direction.IN)
    assert made is not None
    message = Message.from_bytes(raw, default_charset="UNICODE UTF-8")

    read, applied = made.read(message)

    assert applied.faults == []
    for before, after in zip(message.segments(), read.segments(), strict=True):
        if before.name != "PID":
            assert before.raw == after.raw
        elif (before.get("8") or "").strip():  # blanks alone are no value
            assert after.get("8") in {"U", "F"}
        else:
            assert before.raw == after.raw
