"""The Native DICOM Model: read strictly, written so that it is read the same."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.dataset import Dataset

from ris.domain.errors import InvalidValueError
from tests.worklist.performed import n_create, n_set
from worklist import dicom_json
from worklist.elements import Texts, read
from worklist.sop_classes import EXPLICIT_VR_LITTLE_ENDIAN
from worklist.web import xml_model
from worklist.web.encoding import encode

OPEN = f'<NativeDicomModel xmlns="{xml_model.NAMESPACE}" xml:space="preserve">'
CLOSE = "</NativeDicomModel>"


def document(content: str, head: str = "") -> bytes:
    return f"{head}{OPEN}{content}{CLOSE}".encode()


def attribute(content: str = "", tag: str = "00100020", vr: str = "LO") -> str:
    return f'<DicomAttribute tag="{tag}" vr="{vr}">{content}</DicomAttribute>'


def refusal(raw: bytes) -> str:
    with pytest.raises(InvalidValueError) as caught:
        xml_model.read(raw)
    return caught.value.message


def as_json(dataset: Dataset) -> dict[str, Any]:
    """The dataset in the form the answers have."""
    encoded = encode(dataset.to_json_dict())
    return dicom_json.to_json(Texts.of(read(encoded, EXPLICIT_VR_LITTLE_ENDIAN)))


@pytest.mark.parametrize(
    "dataset",
    [
        n_create(PatientName="Müller^Jörg^^Dr=山田^太郎=やまだ"),
        n_set(),
        n_create(PatientID="<&>\"'"),
    ],
)
def test_what_is_written_is_read_the_same(dataset: Dataset) -> None:
    data = as_json(dataset)

    assert xml_model.read(xml_model.write(data)) == data


def test_a_value_of_each_kind_survives() -> None:
    data = {
        "00091001": {"vr": "US", "Value": [1, None, 3]},
        "00091002": {"vr": "OB", "InlineBinary": "AQIDBA=="},
        "00091003": {"vr": "LT", "Value": ["two\r\nlines\tand  spaces "]},
        "00091004": {"vr": "SQ", "Value": [{}, {"00100020": {"vr": "LO", "Value": ["x"]}}]},
        "00091005": {"vr": "LO"},
        "00091006": {"vr": "PN", "Value": [{"Alphabetic": "A^^C"}, {"Phonetic": "B"}]},
    }

    assert xml_model.read(xml_model.write(data)) == data


def test_characters_that_xml_cannot_hold_become_spaces() -> None:
    data = {"00104000": {"vr": "LT", "Value": ["a\x0cb\x1bc"]}}

    assert xml_model.read(xml_model.write(data))["00104000"]["Value"] == ["a b c"]


def test_keywords_and_private_creators_are_named() -> None:
    text = xml_model.write(
        {
            "00090010": {"vr": "LO", "Value": ["ACME & Co"]},
            "00091001": {"vr": "LO", "Value": ["x"]},
            "00100020": {"vr": "LO", "Value": ["1"]},
        }
    ).decode()

    assert '<DicomAttribute tag="00091001" vr="LO" privateCreator="ACME &amp; Co">' in text
    assert '<DicomAttribute tag="00100020" vr="LO" keyword="PatientID">' in text


def test_a_private_attribute_gets_a_block_of_its_creator() -> None:
    data = xml_model.read(
        document(
            '<DicomAttribute tag="00090001" vr="LO" privateCreator="ACME"/>'
            '<DicomAttribute tag="00090002" vr="LO" privateCreator="ACME"/>'
            '<DicomAttribute tag="00090001" vr="LO" privateCreator="Other"/>'
        )
    )

    assert {key: one.get("Value") for key, one in data.items()} == {
        "00090010": ["ACME"],
        "00091001": None,
        "00091002": None,
        "00090011": ["Other"],
        "00091101": None,
    }


def test_the_namespace_may_be_missing_and_the_vr_too() -> None:
    raw = (
        b'<NativeDicomModel><DicomAttribute tag="00100020">'
        b'<Value number="1">1</Value></DicomAttribute></NativeDicomModel>'
    )

    assert xml_model.read(raw) == {"00100020": {"vr": "LO", "Value": ["1"]}}


LAUGHS = """<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>"""


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (document(attribute('<Value number="1">&c;</Value>'), LAUGHS),
         "a document type or entity is not accepted"),
        (document("", '<!DOCTYPE x SYSTEM "http://127.0.0.1/x.dtd">'),
         "a document type or entity is not accepted"),
        (document("", '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>'),
         "a document type or entity is not accepted"),
        (document(attribute('<Value number="1">&a;</Value>')),
         "not XML: undefined entity in line 1"),
        (b"", "not XML: no element found in line 1"),
        (b"<NativeDicomModel>", "not XML: no element found in line 1"),
        (b'<?xml version="1.0" encoding="x-none"?><NativeDicomModel/>',
         "not XML in an encoding that is understood"),
        (b"<html/>", "not a NativeDicomModel: no such element in it"),
        (b'<NativeDicomModel xmlns="urn:x"/>', "not a NativeDicomModel: no such element in it"),
        (document("<Value number='1'>x</Value>"),
         "not a NativeDicomModel: no such element in NativeDicomModel"),
        (document("text"), "text between the elements"),
        (document(attribute(tag="PatientID")),
         "an attribute is named by eight hexadecimal digits"),
        (document(attribute() * 2), "stands twice in one dataset"),
        (document(attribute('<Value number="1">a</Value><Value number="1">b</Value>')),
         "two values have one number"),
        (document(attribute('<Value number="0">a</Value>')),
         "a value has a number from 1 to 10000"),
        (document(attribute('<Value number="999999">a</Value>')),
         "a value has a number from 1 to 10000"),
        (document(attribute("<Value>a</Value>")), "a value has a number from 1 to 10000"),
        (document(attribute('<BulkData uri="http://127.0.0.1/x"/>')),
         "bulk data is not fetched: send the value"),
        (document(attribute('<Value number="1">x</Value>', vr="US")), "not a number"),
        (document(attribute('<Value number="1">x</Value>', "00400100", "SQ")),
         "a sequence holds items"),
        (document(attribute("<PersonName number='1'><Alphabetic><FamilyName>A^B</FamilyName>"
                            "</Alphabetic></PersonName>", "00100010", "PN")),
         "a component of a name holds a caret"),
        (document(attribute("<InlineBinary>AA==</InlineBinary><Value number='1'>x</Value>")),
         "more than one kind of value"),
    ],
)  # fmt: skip
def test_what_is_no_native_dicom_model_is_refused(raw: bytes, message: str) -> None:
    assert refusal(raw) == message


def test_depth_is_limited() -> None:
    item = '<DicomAttribute tag="00400100" vr="SQ"><Item number="1">'
    raw = document(item * 5000 + "</Item></DicomAttribute>" * 5000)

    assert refusal(raw) == "nested more than 64 levels deep"


def test_the_number_of_elements_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml_model, "MAX_ELEMENTS", 10)
    values = "".join(f'<Value number="{number}">x</Value>' for number in range(1, 20))

    assert refusal(document(attribute(values))) == "more than 10 elements"
