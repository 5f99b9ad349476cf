"""The standard's tables: structures by trigger, fields, types, codes, and checks with them."""

from __future__ import annotations

import pytest

from integration.hl7 import charset, schema
from integration.hl7.er7 import Message
from ris.domain.errors import ErrorCode, InvalidValueError

ORDER = (
    "MSH|^~\\&|HIS|GENERAL|RIS|RAD|20290310101500||ORM^O01|M1|P|2.3.1||||||8859/1\r"
    "PID|||4711^^^HOSP||Miller^Anna||19700503|F\r"
    "ORC|NW|PL1^HIS|||||^^^20290311093000^^R\r"
    "OBR|1|PL1^HIS||CTHEAD^CT head^L\r"
    "ZDS|1.2.3.4^HIS^Application^DICOM\r"
)


def faults(text: str, **options: bool) -> list[tuple[ErrorCode, str]]:
    message = Message.from_bytes(text.encode("latin-1"), default_charset="8859/1")
    return [(fault.code, fault.path) for fault in schema.check(message, **options)]


# --- structures ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "code", "trigger", "expected"),
    [
        ("2.3.1", "ORM", "O01", "ORM_O01"),
        ("2.5.1", "OMI", "O23", "OMI_O23"),
        ("2.5.1", "ADT", "A01", "ADT_A01"),
        ("2.5.1", "ADT", "A04", "ADT_A01"),
        ("2.5.1", "ADT", "A05", "ADT_A05"),
        ("2.5.1", "ADT", "A08", "ADT_A01"),
        ("2.5.1", "ADT", "A31", "ADT_A05"),
        ("2.5.1", "ADT", "A40", "ADT_A39"),
        ("2.5.1", "ADT", "A47", "ADT_A30"),
        ("2.3.1", "ADT", "A28", "ADT_A01"),
        ("2.3.1", "ADT", "A40", "ADT_A39"),
        ("2.3", "SIU", "S26", "SIU_S12"),
        ("2.3.1", "SIU", "S15", "SIU_S12"),
        ("2.4", "SIU", "S13", "SIU_S12"),
        ("2.5.1", "MDM", "T06", "MDM_T02"),
        ("2.5.1", "QBP", "Q22", "QBP_Q21"),
        ("2.5.1", "ACK", "O01", "ACK"),
        ("2.5.1", "ORU", "R01", "ORU_R01"),
        ("2.7", "ORM", "O01", None),
        ("2.5.1", "XYZ", "Z01", None),
    ],
)
def test_a_trigger_finds_its_structure_without_being_told(
    version: str, code: str, trigger: str, expected: str | None
) -> None:
    assert schema.structure(version, code, trigger) == expected


def test_a_trigger_in_the_place_of_the_structure_does_no_harm() -> None:
    assert schema.structure("2.5.1", "ADT", "A08", "ADT_A08") == "ADT_A01"
    assert schema.structure("2.5.1", "ADT", "Z99", "ADT_A01") == "ADT_A01"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2.3.1", "2.3.1"),
        ("2.5", "2.5"),
        ("2.1", "2.3"),
        ("2.5.2", "2.5.1"),
        ("2.7.1", "2.7"),
        ("2.9", "2.8.2"),
        (" 2.4 ", "2.4"),
    ],
)
def test_an_unknown_version_is_read_by_the_nearest_older_one(text: str, expected: str) -> None:
    assert schema.known_version(text) == expected


@pytest.mark.parametrize("text", ["", "3.0", "two", "2", "2.3.1.4", "2.x"])
def test_what_is_no_version_2_is_refused(text: str) -> None:
    with pytest.raises(InvalidValueError) as refused:
        schema.known_version(text)

    assert refused.value.path == "MSH-12.1"


def test_a_structure_says_what_must_occur() -> None:
    order = schema.message("2.3.1", "ORM_O01")
    imaging = schema.message("2.5.1", "OMI_O23")

    assert order is not None
    assert imaging is not None
    assert order.required == (("MSH",), ("ORC",))
    assert imaging.required == (("MSH",), ("ORC",), ("OBR",), ("IPC",))
    assert {"PID", "OBR", "OBX", "NTE"} <= order.segments
    assert schema.message("2.3.1", "OMI_O23") is None


# --- segments, types, tables --------------------------------------------------------------------


def test_fields_are_known_by_their_number() -> None:
    pid = schema.segment("2.5.1", "PID")
    assert pid is not None

    assert (pid[3].data_type, pid[3].required, pid[3].repeats) == ("CX", True, True)
    assert (pid[8].data_type, pid[8].table, pid[8].repeats) == ("IS", "0001", False)
    assert pid[7].name == "DATE TIME OF BIRTH"


def test_a_withdrawn_field_does_not_move_the_others() -> None:
    evn = schema.segment("2.8", "EVN")
    assert evn is not None

    assert sorted(evn) == [2, 3, 4, 5, 6, 7]
    assert evn[2].name == "RECORDED DATE TIME"


@pytest.mark.parametrize("name", ["IPC", "TQ1", "PRT"])
def test_segments_of_later_versions_are_known_in_older_ones(name: str) -> None:
    assert schema.segment("2.3.1", name) is not None


def test_zds_is_known_and_other_local_segments_are_not() -> None:
    zds = schema.segment("2.3.1", "ZDS")

    assert zds is not None
    assert zds[1].data_type == "RP"
    assert schema.segment("2.5.1", "ZZZ") is None


def test_types_are_taken_apart() -> None:
    cx = schema.data_type("2.5.1", "CX")

    assert [cx[number].data_type for number in (1, 4, 5)] == ["ST", "HD", "ID"]
    assert cx[5].table == "0203"
    assert schema.data_type("2.5.1", "ST") == {}


def test_tables_hold_their_codes() -> None:
    assert schema.table("2.5.1", "0001") == {"A", "F", "M", "N", "O", "U"}
    assert "NW" in schema.table("2.5.1", "0119")
    assert schema.table("2.3", "0001") == frozenset()
    assert schema.table("2.5.1", "9999") == frozenset()


def test_every_version_is_compiled_whole() -> None:
    for version in schema.VERSIONS:
        for code, trigger in (("ADT", "A08"), ("ORU", "R01"), ("SIU", "S12")):
            name = schema.structure(version, code, trigger)
            assert name is not None
            spec = schema.message(version, name)
            assert spec is not None
            for segment in spec.segments:
                assert schema.segment(version, segment), (version, segment)


@pytest.mark.parametrize("version", ["2.5.1", "2.7", "2.8.2"])
def test_every_character_set_of_the_standard_is_known(version: str) -> None:
    for name in schema.table(version, "0211"):
        assert charset.find(name).names == (name,)


# --- checks -------------------------------------------------------------------------------------


def test_a_good_order_has_no_fault() -> None:
    assert faults(ORDER) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("||4711^^^HOSP", "||", (ErrorCode.MISSING_VALUE, "PID-3")),
        ("||19700503|", "||19701503|", (ErrorCode.INVALID_VALUE, "PID-7.1")),
        ("^^^20290311093000", "^^^tomorrow", (ErrorCode.INVALID_VALUE, "ORC-7.4")),
        ("OBR|1|", "OBR|one|", (ErrorCode.INVALID_VALUE, "OBR-1")),
        ("OBR|1|", "OBR|1~2|", (ErrorCode.INVALID_VALUE, "OBR-1")),
        ("ORC|NW|", "ORC|QQ|", (ErrorCode.INVALID_VALUE, "ORC-1")),
        ("ORC|NW|", "ORC||", (ErrorCode.MISSING_VALUE, "ORC-1")),
        ("ORC|NW|", "ZRC|NW|", (ErrorCode.MISSING_VALUE, "ORC")),
        ("|P|2.3.1", "|P|3.0", (ErrorCode.INVALID_VALUE, "MSH-12.1")),
        ("ZDS|1.2.3.4^HIS^Application^DICOM", "ZDS|", (ErrorCode.MISSING_VALUE, "ZDS-1")),
    ],
)
def test_each_fault_is_told_with_its_place(
    old: str, new: str, fault: tuple[ErrorCode, str]
) -> None:
    assert old in ORDER

    assert faults(ORDER.replace(old, new)) == [fault]


def test_faults_are_told_all_at_once_and_by_segment() -> None:
    second = (
        "OBX|1|NM|1^x^L||5||||||F\rOBX|x|NM|1^x^L||5||||||F|2029\rOBX|3|NM|||5||||||F|2029|no|no\r"
    )

    assert faults(ORDER + second) == [
        (ErrorCode.INVALID_VALUE, "OBX[2]-1"),
        (ErrorCode.MISSING_VALUE, "OBX[3]-3"),
        (ErrorCode.INVALID_VALUE, "OBX[3]-14.1"),
    ]


def test_a_code_outside_of_its_table_names_the_table() -> None:
    message = Message.from_bytes(ORDER.replace("ORC|NW", "ORC|QQ").encode())

    (fault,) = schema.check(message)

    assert fault.details == {"table": "0119"}
    assert schema.check(message, tables=False) == []


def test_unknown_segments_extra_fields_and_deletions_are_no_faults() -> None:
    extra = ORDER.replace("|F\r", '|F|""' + "|" * 50 + "x\r").replace("19700503", '""')

    assert faults(extra + "ZZ9|?\rIPC|A^B|C|1.2|D\r") == []


def test_an_unknown_message_is_checked_by_its_segments() -> None:
    assert faults(ORDER.replace("ORM^O01", "XYZ^Z01").replace("|19700503", "|x"), tables=False) == [
        (ErrorCode.INVALID_VALUE, "PID-7.1")
    ]


def test_the_number_of_faults_is_limited() -> None:
    assert len(faults(ORDER + "OBX|x\r" * 4_000)) == 50


@pytest.mark.parametrize("trigger", ["A01", "A04", "A08", "A31", "A40"])
def test_patient_messages_need_their_event(trigger: str) -> None:
    rest = "PID|||1^^^H||A^B\rMRG|2^^^H\rPV1||O\r"
    head = f"MSH|^~\\&|A|B|C|D|20290310||ADT^{trigger}|1|P|2.5.1\r"

    assert faults(head + rest) == [(ErrorCode.MISSING_VALUE, "EVN")]
    assert faults(head + "EVN||20290310\r" + rest) == []
