"""The reader of raw elements agrees with pydicom and refuses bytes that do not add up."""

from __future__ import annotations

import contextlib
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pynetdicom.dsutils import decode

from ris.domain.errors import InvalidValueError
from tests.worklist.entries import SYNTAXES, encoded, identifier
from worklist.elements import Elements, Texts, read, tag_of, tags_in, vr_of


def _values(elements: Elements) -> dict[int, object]:
    return {
        tag: element.value if element.items is None else [_values(item) for item in element.items]
        for tag, element in elements.items()
    }


def _oracle(dataset: Dataset) -> dict[int, object]:
    found: dict[int, object] = {}
    for tag in dataset.keys():  # noqa: SIM118 - a Dataset yields elements
        raw = dataset.get_item(tag)
        if vr_of(int(tag)) == "SQ":
            found[int(tag)] = [_oracle(item) for item in dataset[tag].value]
        else:
            found[int(tag)] = raw.value or b""
    return found


def _query() -> Dataset:
    query = identifier(
        SpecificCharacterSet="ISO_IR 100",
        PatientName="Müller*",
        PatientID="",
        StudyInstanceUID="1.2.3",
        PregnancyStatus=4,
        RequestedProcedureCodeSequence=[],
        step={"Modality": "CT", "ScheduledProtocolCodeSequence": [Dataset()]},
    )
    query.add(DataElement(0x00091001, "UN", b"\x01\x02"))
    return query


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_elements_are_those_pydicom_reads(syntax: str) -> None:
    data = encoded(_query(), syntax)

    expected = decode(BytesIO(data), syntax == "implicit", syntax != "big")
    assert _values(read(data, SYNTAXES[syntax])) == _oracle(expected)


@pytest.mark.parametrize("syntax", ["implicit", "explicit"])
def test_sequences_and_items_of_undefined_length_are_read(syntax: str) -> None:
    query = _query()
    query["ScheduledProcedureStepSequence"].is_undefined_length = True
    query.ScheduledProcedureStepSequence[0].is_undefined_length_sequence_item = True
    data = encoded(query, syntax)

    texts = Texts.of(read(data, SYNTAXES[syntax]))

    assert b"\xff\xff\xff\xff" in data
    assert texts.items("ScheduledProcedureStepSequence")[0].text("Modality") == "CT"
    assert texts.text("PatientName") == "Müller*"


def test_an_unknown_element_of_undefined_length_is_an_implicit_sequence() -> None:
    # (0009,1010) UN of undefined length, holding one item with (0008,0060) CT in Implicit VR
    inner = b"\x08\x00\x60\x00\x02\x00\x00\x00CT"
    data = (
        b"\x09\x00\x10\x10UN\x00\x00\xff\xff\xff\xff"
         b"\xfe\xff\x00\xe0" + len(inner).to_bytes(4, "little") + inner
        + b"\xfe\xff\xdd\xe0\x00\x00\x00\x00"
        + b"\x10\x00\x20\x00LO\x02\x00P1"
    )  # fmt: skip

    elements = read(data, SYNTAXES["explicit"])

    assert elements[0x00091010].items is not None
    assert elements[0x00091010].items[0][0x00080060].value == b"CT"
    assert elements[0x00100020].value == b"P1"


@pytest.mark.parametrize(
    "data",
    [
        b"\x10\x00\x20",
        b"\x10\x00\x20\x00LO\x10\x00P1",
        b"\x10\x00\x20\x00UT\x00\x00\x01",
        b"\xfe\xff\x0d\xe0\x00\x00\x00\x00",
        b"\x40\x00\x00\x01SQ\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff",
        b"\x40\x00\x00\x01SQ\x00\x00\xff\xff\xff\xff",
        b"\x40\x00\x00\x01SQ\x00\x00\x08\x00\x00\x00\x10\x00\x20\x00\x00\x00\x00\x00",
        b"\x40\x00\x00\x01SQ\x00\x00\x08\x00\x00\x00\xfe\xff\x00\xe0\x99\x00\x00\x00",
    ],
)
def test_bytes_that_do_not_add_up_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidValueError):
        read(data, SYNTAXES["explicit"])


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80), st.sampled_from(list(SYNTAXES.values())))
def test_noise_is_read_or_refused_and_nothing_else(data: bytes, syntax: str) -> None:
    with contextlib.suppress(InvalidValueError):
        read(data, syntax)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_query_is_read_or_refused_and_nothing_else(data: st.DataObject) -> None:
    syntax = data.draw(st.sampled_from(list(SYNTAXES)))
    raw = bytearray(encoded(_query(), syntax))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))

    with contextlib.suppress(InvalidValueError):
        Texts.of(read(bytes(raw), SYNTAXES[syntax])).items("ScheduledProcedureStepSequence")


def test_nesting_has_an_end() -> None:
    data = b""
    for _ in range(40):
        item = b"\xfe\xff\x00\xe0" + len(data).to_bytes(4, "little") + data
        data = b"\x40\x00\x00\x01SQ\x00\x00" + len(item).to_bytes(4, "little") + item

    with pytest.raises(InvalidValueError, match="nested too deep"):
        read(data, SYNTAXES["explicit"])


def test_an_item_inherits_the_character_set_or_has_its_own() -> None:
    item, other = Dataset(), Dataset()
    item.CodeMeaning = "Übersicht"
    other.SpecificCharacterSet = "ISO_IR 192"
    other.CodeMeaning = "Übersicht"
    query = identifier(SpecificCharacterSet="ISO_IR 100")
    query.RequestedProcedureCodeSequence = [item, other]

    texts = Texts.of(read(encoded(query), SYNTAXES["explicit"]))

    items = texts.items("RequestedProcedureCodeSequence")
    assert [one.text("CodeMeaning") for one in items] == ["Übersicht", "Übersicht"]


def test_padding_goes_and_several_values_are_told_apart() -> None:
    data = b"\x10\x00\x20\x00LO\x06\x00 P1 \\ " + b"\x20\x00\x0d\x00UI\x06\x001.2.3\0"
    texts = Texts.of(read(data, SYNTAXES["explicit"]))

    assert texts.values("PatientID") == ("P1", "")
    assert texts.text("StudyInstanceUID") == "1.2.3"
    assert texts.values("AccessionNumber") == ()
    assert texts.is_empty("AccessionNumber") is False


def test_text_that_does_not_fit_its_set_is_refused_only_when_asked_for() -> None:
    data = b"\x10\x00\x10\x00PN\x02\x00\xff\xff" + b"\x10\x00\x20\x00LO\x02\x00P1"
    texts = Texts.of(read(data, SYNTAXES["explicit"]))

    assert texts.text("PatientID") == "P1"
    with pytest.raises(InvalidValueError) as refused:
        texts.text("PatientName")
    assert tags_in(refused.value.path) == (tag_of("PatientName"),)
