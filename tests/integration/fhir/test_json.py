"""What a JSON body may hold."""

from __future__ import annotations

from decimal import Decimal

import pytest

from integration.fhir import json
from integration.fhir.outcome import HttpError


def refusal(raw: bytes) -> str:
    with pytest.raises(HttpError) as caught:
        json.read(raw)
    assert (caught.value.status, caught.value.issue) == (400, "structure")
    return caught.value.message


def test_decimals_keep_their_digits() -> None:
    assert json.read(b'{"value": 1.50}') == {"value": Decimal("1.50")}
    assert str(json.read(b'{"value": 1.50}')["value"]) == "1.50"


def test_a_byte_order_mark_is_tolerated() -> None:
    assert json.read(b'\xef\xbb\xbf{"a": "b"}') == {"a": "b"}


def test_tab_and_line_breaks_may_stand_in_a_text() -> None:
    assert json.read(b'{"a": "x\\n\\t\\ry"}') == {"a": "x\n\t\ry"}


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "the body is empty"),
        (b"  \n", "the body is empty"),
        (b"{", "not JSON: Expecting property name enclosed in double quotes: line 1 column 2"),
        (b'{"a": 1} x', "not JSON: Extra data: line 1 column 10 (char 9)"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": -Infinity}', "-Infinity is not JSON"),
        (b'{"a": 1, "b": 2, "a": 3}', "the key 'a' stands twice in one object"),
        (b'{"a": {"b": 1, "b": 1}}', "the key 'b' stands twice in one object"),
        (b'{"a": "\xff"}', "not UTF-8 at byte 7"),
        (b'{"a": "\\u0000"}', "a text holds a control character or half a surrogate pair"),
        (b'{"a": "\\ud800"}', "a text holds a control character or half a surrogate pair"),
        (b'{"\\u0000": 1}', "a text holds a control character or half a surrogate pair"),
        (b'{"a": "\\u0007"}', "a text holds a control character or half a surrogate pair"),
    ],
)
def test_doubtful_json_is_refused(raw: bytes, words: str) -> None:
    assert refusal(raw).startswith(words.partition(" (char")[0])


def test_depth_is_limited() -> None:
    fits = b"[" * json.MAX_DEPTH + b"]" * json.MAX_DEPTH

    json.read(fits)

    assert refusal(b"[" + fits + b"]") == "nested more than 64 levels deep"


@pytest.mark.parametrize("depth", [1_000, 100_000])
def test_any_depth_is_answered_and_not_fatal(depth: int) -> None:
    assert refusal(b"[" * depth + b"]" * depth) == "nested more than 64 levels deep"
    assert refusal(b'{"a":' * depth + b"1" + b"}" * depth) == "nested more than 64 levels deep"


def test_the_number_of_values_is_limited() -> None:
    # The list itself is a value.
    json.read(b"[" + b",".join([b"1"] * (json.MAX_NODES - 1)) + b"]")

    assert refusal(b"[" + b",".join([b"1"] * json.MAX_NODES) + b"]") == "more than 10000 values"


def test_an_integer_of_thousands_of_digits_is_refused() -> None:
    assert refusal(b"[" + b"9" * 5000 + b"]") == "a number has thousands of digits"


def test_a_body_must_be_an_object_where_a_resource_is_expected() -> None:
    with pytest.raises(HttpError) as caught:
        json.read_object(b"[]")

    assert caught.value.message == "the body must be a JSON object"


def test_json_is_written_as_utf8_without_spaces() -> None:
    assert (
        json.write({"a": ["Åsa", Decimal("1.5"), Decimal("2")]}) == '{"a":["Åsa",1.5,2]}'.encode()
    )


def test_json_is_written_for_people_on_request() -> None:
    assert json.write({"a": 1}, pretty=True) == b'{\n  "a": 1\n}'


def test_numbers_are_written_with_the_digits_they_came_with() -> None:
    raw = (
        b'{"a":[1.50,100.00,0.00,-0.10,7,1.2345678901234567890123456,0.0000001],'
        b'"b":"1.50","c":"\\\\u00001.5","d":"\\"1.50\\""}'
    )

    assert json.write(json.read(raw)) == raw
    assert json.write(json.read_stored(raw)) == raw


@pytest.mark.parametrize(
    ("text", "written"),
    [("1e2", "1E+2"), ("1E-3", "0.001"), ("2.50e-60", "2.50E-60"), ("1e9999", "1E+9999")],
)
def test_an_exponent_keeps_the_digits(text: str, written: str) -> None:
    found = json.write({"a": json.read(f'{{"a":{text}}}'.encode())["a"]})

    assert found == f'{{"a":{written}}}'.encode()


def test_what_has_no_form_in_json_is_not_written() -> None:
    for value in (Decimal("NaN"), Decimal("Infinity"), float("nan")):
        with pytest.raises(ValueError, match=r"finite|compliant"):
            json.write({"a": value})
    with pytest.raises(TypeError):
        json.write({"a": object()})
