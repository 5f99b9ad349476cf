"""The scan before pydicom: what it lets through is harmless to parse, what it refuses is named."""

from __future__ import annotations

import logging
import struct
import warnings
from collections.abc import Iterator
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom._private_dict import private_dictionaries
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence

from ris.domain.errors import InvalidValueError
from worklist.prescan import prescan

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
SYNTAXES = (IMPLICIT, EXPLICIT, BIG_ENDIAN)

ITEM = b"\xfe\xff\x00\xe0"
ITEM_END = b"\xfe\xff\x0d\xe0\x00\x00\x00\x00"
SEQUENCE_END = b"\xfe\xff\xdd\xe0\x00\x00\x00\x00"


@pytest.fixture(autouse=True, scope="module")
def _quiet_pydicom() -> Iterator[None]:
    """It warns about every odd value, and the examples here are all odd."""
    logger = logging.getLogger("pydicom")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(level)


def encoded(dataset: Dataset, syntax: str) -> bytes:
    stream = DicomBytesIO()
    stream.is_implicit_VR = syntax == IMPLICIT
    stream.is_little_endian = syntax != BIG_ENDIAN
    write_dataset(stream, dataset)
    return stream.getvalue()


def element(tag: int, value: bytes, *, length: int | None = None) -> bytes:
    """An element in Implicit VR Little Endian."""
    size = len(value) if length is None else length
    return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, size) + value


def explicit(tag: int, vr: bytes, value: bytes, *, length: int | None = None) -> bytes:
    """An element in Explicit VR Little Endian."""
    size = len(value) if length is None else length
    if vr in (b"SQ", b"UN", b"OB", b"UT"):
        return struct.pack("<HH2sHL", tag >> 16, tag & 0xFFFF, vr, 0, size) + value
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, size) + value


def item(value: bytes) -> bytes:
    return ITEM + struct.pack("<L", len(value)) + value


def nested(levels: int, tag: int = 0x00400100) -> bytes:
    """Sequences in sequences, of defined length, in Implicit VR."""
    raw = element(0x00080060, b"CT")
    for _ in range(levels):
        raw = element(tag, item(raw))
    return raw


def worklist_query() -> Dataset:
    code = Dataset()
    code.CodeValue = ""
    step = Dataset()
    step.Modality = "CT"
    step.ScheduledStationAETitle = "CT1"
    step.ScheduledProtocolCodeSequence = [code]
    query = Dataset()
    query.SpecificCharacterSet = "ISO_IR 192"
    query.PatientName = "Müller*"
    query.ScheduledProcedureStepSequence = [step]
    query.ReferencedStudySequence = Sequence()
    block = query.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
    block.add_new(0x10, "OB", b"\x01\x02")
    return query


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_worklist_query_passes(syntax: str) -> None:
    prescan(encoded(worklist_query(), syntax), syntax)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_sequences_and_items_of_undefined_length_pass(syntax: str) -> None:
    query = worklist_query()
    query["ScheduledProcedureStepSequence"].is_undefined_length = True
    query.ScheduledProcedureStepSequence[0].is_undefined_length_sequence_item = True
    query["ReferencedStudySequence"].is_undefined_length = True

    prescan(encoded(query, syntax), syntax)


def test_an_empty_dataset_passes() -> None:
    prescan(b"", IMPLICIT)


def test_eight_levels_pass_and_the_ninth_is_refused() -> None:
    prescan(nested(8), IMPLICIT, depth=8)
    with pytest.raises(InvalidValueError, match="nested too deep") as caught:
        prescan(nested(9), IMPLICIT, depth=8)
    assert caught.value.path == "(0040,0100)"


def test_a_thousand_levels_are_refused_without_descending() -> None:
    with pytest.raises(InvalidValueError, match="nested too deep"):
        prescan(nested(1_000), IMPLICIT)


def test_a_thousand_open_sequences_are_refused_without_descending() -> None:
    opening = struct.pack("<HHL", 0x0040, 0x0100, 0xFFFFFFFF) + ITEM + b"\xff\xff\xff\xff"
    with pytest.raises(InvalidValueError, match="nested too deep"):
        prescan(opening * 1_000, IMPLICIT)


def test_elements_are_counted_with_the_items_around_them() -> None:
    raw = element(0x00400100, item(element(0x00080060, b"CT")) * 2)  # 1 + 2 items + 2

    prescan(raw, IMPLICIT, elements=5)
    with pytest.raises(InvalidValueError, match="too many elements"):
        prescan(raw, IMPLICIT, elements=4)


def test_a_flood_of_values_in_one_element_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="too many values"):
        prescan(element(0x00080060, b"\\" * 10_000), IMPLICIT, elements=2_000)


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (element(0x00100010, b"A^B ", length=6), "(0010,0010)"),
        (element(0x00400100, item(element(0x00080060, b"CT", length=4))), "(0008,0060)"),
        (element(0x00400100, ITEM + b"\x10\0\0\0"), "(0040,0100)"),
        (element(0x00100010, b"", length=0xFFFFFFFF), "(0010,0010)"),
        (element(0x00400100, b"", length=0xFFFFFFFF), "(0040,0100)"),
        (element(0x00400100, ITEM_END), "(0040,0100)"),
        (element(0x00400100, b"AB"), "(0040,0100)"),
        (SEQUENCE_END, "(FFFE,E0DD)"),
        (ITEM_END, "(FFFE,E00D)"),
        (element(0x00080060, b"CT") + b"\x10\x00", ""),
        (element(0x00400100, ITEM + b"\xff\xff\xff\xff", length=0xFFFFFFFF), ""),
    ],
    ids=[
        "value beyond the end",
        "value beyond its item",
        "item beyond its sequence",
        "undefined length of a text",
        "sequence without end",
        "delimiter instead of an item",
        "rest instead of an item",
        "sequence delimiter at the top",
        "item delimiter at the top",
        "half an element",
        "item without end",
    ],
)
def test_lengths_that_do_not_fit_are_refused(raw: bytes, path: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        prescan(raw, IMPLICIT)
    assert caught.value.path == path


def test_an_unknown_value_representation_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="no such value representation"):
        prescan(explicit(0x00100010, b"QQ", b"A^B "), EXPLICIT)


def test_explicit_data_in_an_implicit_context_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="not in Implicit VR"):
        prescan(encoded(worklist_query(), EXPLICIT), IMPLICIT)


def test_an_unsupported_transfer_syntax_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="transfer syntax"):
        prescan(b"", "1.2.840.10008.1.2.1.99")


def test_a_known_sequence_sent_as_unknown_is_scanned() -> None:
    inner = explicit(0x00080060, b"CS", b"CT")
    for _ in range(9):
        inner = explicit(0x00400100, b"UN", item(inner))
    with pytest.raises(InvalidValueError, match="nested too deep"):
        prescan(inner, EXPLICIT, depth=8)


def test_an_unknown_element_of_undefined_length_is_scanned_as_implicit_items() -> None:
    fits = explicit(0x00091010, b"UN", item(nested(7)) + SEQUENCE_END, length=0xFFFFFFFF)
    deep = explicit(0x00091010, b"UN", item(nested(8)) + SEQUENCE_END, length=0xFFFFFFFF)

    prescan(fits, EXPLICIT, depth=8)
    with pytest.raises(InvalidValueError, match="nested too deep"):
        prescan(deep, EXPLICIT, depth=8)


@pytest.fixture(scope="module")
def private_sequence_of() -> tuple[int, bytes]:
    """A tag in block 10 that some private creator defines as a sequence, and that creator."""
    for creator, entries in sorted(private_dictionaries.items()):
        for pattern, entry in entries.items():
            if entry[0] == "SQ" and pattern[4:6] == "xx":
                return int(pattern.replace("xx", "10"), 16), creator.encode()
    raise AssertionError("no private sequence is known")


def test_a_private_sequence_is_scanned_under_its_creator_only(
    private_sequence_of: tuple[int, bytes],
) -> None:
    tag, creator = private_sequence_of
    owner_tag = tag & 0xFFFF0000 | 0x10
    padded = creator + b" " * (len(creator) % 2)
    deep = element(tag, item(nested(8)))

    prescan(element(owner_tag, b"SOMEBODY") + deep, IMPLICIT, depth=8)
    with pytest.raises(InvalidValueError, match="nested too deep"):
        prescan(element(owner_tag, padded) + deep, IMPLICIT, depth=8)
    with pytest.raises(InvalidValueError, match="nested too deep"):
        prescan(deep + element(owner_tag, padded), IMPLICIT, depth=8)
    with pytest.raises(InvalidValueError, match="nested too deep"):
        prescan(element(owner_tag, b"\x1b(B" + padded) + deep, IMPLICIT, depth=8)


def test_a_private_creator_under_a_strange_character_set_is_not_trusted(
    private_sequence_of: tuple[int, bytes],
) -> None:
    tag, _ = private_sequence_of
    charset = element(0x00080005, b"cp037 ")
    raw = charset + element(tag & 0xFFFF0000 | 0x10, b"SOMEBODY") + element(tag, item(nested(8)))
    with pytest.raises(InvalidValueError, match="nested too deep"):
        prescan(raw, IMPLICIT, depth=8)


def test_a_character_set_after_a_sequence_is_refused() -> None:
    raw = element(0x00400100, b"") + element(0x00080005, b"ISO_IR 192")
    with pytest.raises(InvalidValueError) as caught:
        prescan(raw, IMPLICIT)
    assert caught.value.path == "(0008,0005)"


# Properties: pydicom is the oracle.

_TAGS = st.sampled_from(
    [
        0x00080005, 0x00080060, 0x00100010, 0x00100020, 0x00400100, 0x00400008, 0x00081110,
        0x00190010, 0x00191001, 0x00290010, 0x00291010, 0x00291140, 0x20050010, 0x20051080,
        0x50002600, 0x60003000, 0x7FE00010, 0x00090001, 0x00091001, 0x12345678, 0x00400000,
    ]
)  # fmt: skip
_VALUES = st.sampled_from(
    [
        b"", b"CT", b"ISO_IR 192", b"A\\B ", b"\xff\xff", b"utf_7 ", b"Philips MR Imaging DD 005",
        b"SIEMENS MEDCOM HEADER ", b"GEMS_IDEN_01", ITEM, SEQUENCE_END, ITEM_END, b"\0" * 8,
    ]
)  # fmt: skip
_VRS = st.sampled_from([b"SQ", b"UN", b"CS", b"LO", b"OB", b"PN", b"UI", b"ZZ", b"\0\0"])


def _header(draw: st.DrawFn, tag: int, value: bytes, style: str) -> bytes:
    length = draw(st.sampled_from([len(value)] * 12 + [0xFFFFFFFF, 0, len(value) + 2]))
    if style == "implicit":
        return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, length) + value
    vr = draw(_VRS)
    if vr in (b"SQ", b"UN", b"OB"):
        return struct.pack("<HH2sHL", tag >> 16, tag & 0xFFFF, vr, 0, length) + value
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, length & 0xFFFF) + value


@st.composite
def nested_bytes(draw: st.DrawFn, levels: int = 12) -> tuple[bytes, str]:
    """Elements wrapped in sequences of every kind, some of them broken."""
    syntax = draw(st.sampled_from([IMPLICIT, EXPLICIT]))
    style = "implicit" if syntax == IMPLICIT else "explicit"
    raw = b""
    for _ in range(draw(st.integers(0, levels))):
        if draw(st.integers(0, 9)) == 0:
            style = "implicit"
        siblings = draw(st.lists(st.tuples(_TAGS, _VALUES), max_size=3))
        around = b"".join(_header(draw, tag, value, style) for tag, value in siblings)
        shape = draw(st.integers(0, 3))
        inner = item(raw) if shape & 1 else ITEM + b"\xff\xff\xff\xff" + raw + ITEM_END
        tag = draw(_TAGS)
        if shape & 2:
            raw = around + _header(draw, tag, inner, style)
        elif style == "implicit":
            raw = around + element(tag, inner + SEQUENCE_END, length=0xFFFFFFFF)
        else:
            vr = draw(st.sampled_from([b"SQ", b"UN"]))
            raw = around + explicit(tag, vr, inner + SEQUENCE_END, length=0xFFFFFFFF)
    return raw, syntax


def parse_everything(raw: bytes, syntax: str) -> tuple[int, int]:
    """Read all values with pydicom; return how deep and how many the elements are."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        top = read_dataset(BytesIO(raw), syntax == IMPLICIT, syntax != BIG_ENDIAN)
        deepest = count = 0
        left = [(top, 0)]
        while left:
            dataset, level = left.pop()
            deepest = max(deepest, level)
            for tag in list(dataset.keys()):
                count += 1
                try:
                    found = dataset[tag]
                except RecursionError:
                    raise
                except Exception:
                    continue
                if found.VR == "SQ" and found.value:
                    left += [(child, level + 1) for child in found.value]
    return deepest, count


def accepted(raw: bytes, syntax: str) -> bool:
    try:
        prescan(raw, syntax, depth=8, elements=60)
    except InvalidValueError:
        return False
    return True


@settings(max_examples=600, deadline=None)
@given(nested_bytes())
def test_what_passes_is_as_shallow_for_pydicom_as_for_the_scan(made: tuple[bytes, str]) -> None:
    raw, syntax = made
    if accepted(raw, syntax):
        deepest, count = parse_everything(raw, syntax)
        assert deepest <= 8
        assert count <= 60


@settings(max_examples=300, deadline=None)
@given(nested_bytes(), st.data())
def test_damaged_datasets_are_refused_or_harmless(
    made: tuple[bytes, str], data: st.DataObject
) -> None:
    raw, syntax = made
    damaged = bytearray(raw)
    for _ in range(data.draw(st.integers(1, 4))):
        if damaged:
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    if accepted(bytes(damaged), syntax):
        assert parse_everything(bytes(damaged), syntax)[0] <= 8


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(SYNTAXES))
def test_noise_is_refused_or_harmless(raw: bytes, syntax: str) -> None:
    if accepted(raw, syntax):
        assert parse_everything(raw, syntax)[0] <= 8
