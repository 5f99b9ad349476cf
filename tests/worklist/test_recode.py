"""Datasets in another transfer syntax; pydicom, which does it its own way, is the oracle."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from ris.domain.errors import InvalidValueError, UnsupportedError
from tests.worklist.performed import n_create, n_set
from worklist.mwl import write
from worklist.recode import recode
from worklist.sop_classes import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)

FORMS = {
    IMPLICIT_VR_LITTLE_ENDIAN: {"explicit": False, "little_endian": True},
    EXPLICIT_VR_LITTLE_ENDIAN: {"explicit": True, "little_endian": True},
    EXPLICIT_VR_BIG_ENDIAN: {"explicit": True, "little_endian": False},
}


def of_all_kinds() -> Dataset:
    """Text of another script, numbers of every width, tags, nested and empty sequences."""
    dataset = n_create(SpecificCharacterSet="ISO_IR 144", PatientName="Люкceмбypг")
    dataset.update(n_set())
    dataset.PerformedProcedureStepStatus = "IN PROGRESS"
    dataset.TotalTimeOfFluoroscopy = 513
    dataset.add_new(0x00189346, "SQ", [Dataset()])
    dataset.SelectorFDValue = [1.5, -2.25]
    dataset.SelectorUSValue = [1, 258]
    dataset.SelectorSLValue = [-70000]
    dataset.SelectorATValue = [0x00100020, 0x00081030]
    dataset.add_new(0x00281201, "OW", b"\1\2\3\4")
    return dataset


@pytest.mark.parametrize("before", FORMS)
@pytest.mark.parametrize("after", [IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN])
def test_every_value_arrives_as_it_was(before: str, after: str) -> None:
    data = write(of_all_kinds(), **FORMS[before])
    if before == EXPLICIT_VR_BIG_ENDIAN:
        data = data.replace(b"\1\2\3\4", b"\2\1\4\3")  # pydicom leaves the words of OW to us

    assert recode(data, before, after) == write(of_all_kinds(), **FORMS[after])


def test_the_same_syntax_leaves_every_byte() -> None:
    odd = b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100whatever"

    assert recode(odd, EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN) is odd


def test_what_no_dictionary_knows_stays_unknown() -> None:
    private = b"\x09\x00\x10\x00\x04\x00\x00\x00ACME" + b"\x09\x00\x01\x10\x02\x00\x00\x00\x07\x08"

    told = recode(private, IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN)

    assert told.endswith(b"\x09\x00\x01\x10UN\0\0\x02\0\0\0\x07\x08")


def test_a_text_too_long_for_its_representation_is_not_cut() -> None:
    long = b"\x40\x00\x80\x02" + (70_000).to_bytes(4, "little") + b"x" * 70_000

    told = recode(long, IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN)

    assert told == b"\x40\x00\x80\x02UN\0\0" + (70_000).to_bytes(4, "little") + b"x" * 70_000


def test_big_endian_is_not_written() -> None:
    with pytest.raises(UnsupportedError):
        recode(b"", IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN)


def test_broken_bytes_are_said_to_be_broken() -> None:
    with pytest.raises(InvalidValueError):
        recode(b"\x08\x00\x60", EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)
