"""DICOM JSON as a dataset: exactly, or not at all."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset

from ris.domain.errors import InvalidValueError
from tests.worklist.performed import n_create, n_set
from worklist.web.encoding import encode


def decoded(data: bytes) -> Dataset:
    """What pydicom, which had no part in it, reads."""
    return read_dataset(DicomBytesIO(data), is_implicit_VR=False, is_little_endian=True)


def refusal(data: dict[str, Any]) -> tuple[str, str]:
    with pytest.raises(InvalidValueError) as caught:
        encode(data)
    return caught.value.path, caught.value.message


@pytest.mark.parametrize("dataset", [n_create(PatientName="Müller^Jörg=山田"), n_set()])
def test_a_dataset_becomes_what_pydicom_reads(dataset: Dataset) -> None:
    found = decoded(encode(dataset.to_json_dict()))

    assert found.SpecificCharacterSet == "ISO_IR 192"
    del found.SpecificCharacterSet
    assert found == dataset


def test_the_text_is_utf_8_whatever_it_was_before() -> None:
    data = encode(
        {
            "00080005": {"vr": "CS", "Value": ["ISO_IR 100"]},
            "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Müller"}]},
        }
    )

    assert data == (b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 192\x10\x00\x10\x00PN\x08\x00M\xc3\xbcller ")


def test_group_lengths_are_left_out_and_lowercase_tags_read() -> None:
    found = decoded(
        encode({"0040e020": {"vr": "CS", "Value": ["A"]}, "00100000": {"vr": "UL", "Value": [9]}})
    )

    assert found["0040E020"].value == "A"
    assert 0x00100000 not in found


@pytest.mark.parametrize(
    ("vr", "values", "expected"),
    [
        ("US", [1, 65535], b"\x01\x00\xff\xff"),
        ("SS", [-2], b"\xfe\xff"),
        ("UL", [4294967295], b"\xff\xff\xff\xff"),
        ("FL", [Decimal("1.5")], b"\x00\x00\xc0\x3f"),
        ("FD", [Decimal("-2")], b"\x00\x00\x00\x00\x00\x00\x00\xc0"),
        ("UV", ["18446744073709551615"], b"\xff" * 8),
        ("SV", [-1], b"\xff" * 8),
        ("AT", ["00100020"], b"\x10\x00\x20\x00"),
        ("DS", [Decimal("1.50"), "2.0"], b"1.50\\2.0"),
        ("IS", [12], b"12"),
        ("UI", ["1.2.3"], b"1.2.3\0"),
        ("LO", ["a", None, "b"], b"a\\\\b"),
        ("LT", ["a\\b\r\nc"], b"a\\b\r\nc"),
        ("PN", [None, {"Alphabetic": "A", "Phonetic": "C"}], b"\\A==C "),
    ],
)
def test_a_value_of_each_kind(vr: str, values: list[Any], expected: bytes) -> None:
    data = encode({"00091001": {"vr": vr, "Value": values}})

    value = data[18 + 8 :] if vr not in {"UV", "SV"} else data[18 + 12 :]
    assert value == expected


def test_binary_values_come_in_base64() -> None:
    data = encode({"00091001": {"vr": "OB", "InlineBinary": "AQID"}})

    assert data.endswith(b"OB\0\0\x04\0\0\0\x01\x02\x03\0")


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        ({"vr": "XX", "Value": ["a"]}, "no such value representation"),
        ({"vr": []}, "no such value representation"),
        ({"vr": {"LO": "a"}}, "no such value representation"),
        ({"vr": "SQ", "Value": []}, "is LO, not SQ"),
        ({"vr": "LO", "Value": "a"}, "Value is an array"),
        ({"vr": "LO", "Value": [1]}, "a value of LO is a string"),
        ({"vr": "LO", "Value": [{"Alphabetic": "A"}]}, "a value of LO is a string"),
        ({"vr": "LO", "Value": ["a\\b"]}, "a value holds a backslash"),
        ({"vr": "LO", "Value": ["a\x1b"]}, "a value holds a control character"),
        ({"vr": "LO", "Value": ["x" * 70_000]}, "too long for LO"),
        ({"vr": "LO", "Value": ["a"], "InlineBinary": "AA=="}, "more than one kind of value"),
        ({"vr": "LO", "InlineBinary": "AA=="}, "LO comes as Value"),
        ({"vr": "LO", "BulkDataURI": "http://127.0.0.1/x"},
         "bulk data is not fetched: send the value"),
        ({"vr": "OB", "Value": [1]}, "OB comes as InlineBinary"),
        ({"vr": "OB", "InlineBinary": "%%%"}, "InlineBinary is not base64"),
        ({"vr": "US", "Value": [65536]}, "out of the range of US"),
        ({"vr": "US", "Value": [-1]}, "out of the range of US"),
        ({"vr": "US", "Value": [Decimal("1.5")]}, "US is a whole number"),
        ({"vr": "US", "Value": [True]}, "a value of US is a number"),
        ({"vr": "US", "Value": ["1"]}, "a value of US is a number"),
        ({"vr": "UL", "Value": [10**400]}, "out of the range of UL"),
        ({"vr": "FD", "Value": [Decimal("1e999")]}, "out of the range of FD"),
        ({"vr": "FL", "Value": [10**300]}, "out of the range of FL"),
        ({"vr": "DS", "Value": [Decimal("1.00000000000000000001")]}, "too long for DS"),
        ({"vr": "AT", "Value": ["1234"]}, "a value of AT has eight hexadecimal digits"),
        ({"vr": "CS", "Value": ["Ä"]}, "CS is ASCII"),
        ({"vr": "UT", "Value": ["a", "b"]}, "UT has one value"),
        ({"vr": "PN", "Value": ["A^B"]},
         "a name is an object of Alphabetic, Ideographic, Phonetic"),
        ({"vr": "PN", "Value": [{"Latin": "A"}]},
         "a name is an object of Alphabetic, Ideographic, Phonetic"),
        ({"vr": "PN", "Value": [{"Alphabetic": "A=B"}]}, "a component group holds an equals sign"),
        ([], "an attribute is an object with its vr"),
        ("x", "an attribute is an object with its vr"),
    ],
)  # fmt: skip
def test_what_has_no_exact_encoding_is_refused(attribute: Any, message: str) -> None:
    assert refusal({"00100020": attribute}) == ("(0010,0020)", message)


@pytest.mark.parametrize("key", ["PatientID", "0010002", "0010002X", "", "001000200"])
def test_an_attribute_is_named_by_its_tag(key: str) -> None:
    data = {key: {"vr": "LO", "Value": ["1"]}}

    assert refusal(data) == ("", "an attribute is named by eight hexadecimal digits")


@pytest.mark.parametrize("key", ["00000010", "00020010", "FFFEE000", "00041130"])
def test_what_is_no_part_of_a_dataset_is_refused(key: str) -> None:
    path, message = refusal({key: {"vr": "UI", "Value": ["1.2"]}})

    assert (path, message) == (f"({key[:4]},{key[4:]})", "not an attribute of a dataset")


def test_an_attribute_stands_once() -> None:
    data = {"0040E020": {"vr": "CS"}, "0040e020": {"vr": "CS"}}

    assert refusal(data) == ("(0040,E020)", "stands twice in one dataset")


def test_sequences_are_not_nested_without_end() -> None:
    data: dict[str, Any] = {}
    for _ in range(40):
        data = {"00400100": {"vr": "SQ", "Value": [data]}}

    assert refusal(data) == ("", "sequences are nested too deep")


def test_an_item_is_an_object_or_empty() -> None:
    data = encode({"00400100": {"vr": "SQ", "Value": [None, {}]}})

    assert data.endswith(b"\xfe\xff\x00\xe0\0\0\0\0" * 2)
    assert refusal({"00400100": {"vr": "SQ", "Value": ["x"]}}) == (
        "(0040,0100)",
        "an item is an object",
    )
