"""Mapping without code: what rules and value maps make of a message."""

from __future__ import annotations

from typing import Any

import pytest

from integration.hl7 import mapping
from integration.hl7.er7 import Message
from integration.hl7.er7_writer import Raw
from ris.domain.errors import InvalidValueError, RisError, SeveralErrors
from ris.domain.exchange import Direction

ORDER = (
    "MSH|^~\\&|EHR|HOSP|RIS|RAD|20300301||ORM^O01|1|P|2.3.1",
    "PID|1||0004711^^^KIS&1.2.3&ISO^PAT~99^^^^SS||Doe^Jane||1980|W",
    "PV1|1|STAT|4711^12^A",
    "ORC|NW|P1|F1|||^^^203003010900",
    "OBR|1|P1||SCHAEDEL^CT Schädel^ORBIS||||||||||||^^^||A/1-7",
    "ORC|NW|P2|F2",
    "OBR|2|P2||KNIE^Knie^ORBIS",
    "ZRA|1|KONTRAST",
)


def read(rules: list[str] = [], maps: dict[str, Any] = {}, lines: tuple[str, ...] = ORDER) -> Any:  # noqa: B006
    """The message as it is understood under these rules, and what was done."""
    content = mapping.check({"rules": rules, "maps": maps}, Direction.IN)
    made = mapping.compiled(content, Direction.IN)
    message = Message.from_bytes("\r".join(lines).encode(), default_charset="UNICODE UTF-8")
    if made is None:
        return message, mapping.Applied([])
    return made.read(message)


def after(rule: str, path: str) -> str | None:
    message, _ = read([rule])
    return message.get(path)


class TestRules:
    @pytest.mark.parametrize(
        ("rule", "path", "value"),
        [
            ("OBR-18 <- ORC-3", "OBR-18", "F1"),
            ("OBR-18 <- ORC-3", "OBR[2]-18", "F2"),
            ("OBR-20 <- ZRA-2", "OBR[2]-20", "KONTRAST"),
            ("PID-18 <- PID-3[2].1", "PID-18", "99"),
            ("move PID-3[2].1 to PID-19", "PID-19", "99"),
            ("move PID-3[2].1 to PID-19", "PID-3[2].1", None),
            ('PID-3[*].4 = "HOSP" if empty', "PID-3[2].4", "HOSP"),
            ('PID-3[*].4 = "HOSP" if empty', "PID-3[1].4.1", "KIS"),
            ('OBR-20 = ORC-2 + "-1"', "OBR[2]-20", "P2-1"),
            ('PID-8 = ""', "PID-8", ""),
            ('PID-5.2 = "A^B"', "PID-5.2", "A^B"),
            ('PV1-3 = wire "4W^7"', "PV1-3.2", "7"),
            ("drop PID-8", "PID-8", None),
            ("drop ZRA", "ZRA-2", None),
            ("trim PID-8", "PID-8", "W"),
            ("lower PID-8", "PID-8", "w"),
            ("upper PID-5.2", "PID-5.2", "JANE"),
            ("digits OBR-18", "OBR-18", "17"),
            ('strip "0" from start of PID-3.1', "PID-3", "4711"),
            ('strip "17-" from end of OBR-18', "OBR-18", "A/"),
            ("cut OBR-18 to 3", "OBR-18", "A/1"),
            ("cut OBR-18 to last 3", "OBR-18", "1-7"),
            ('pad ORC-2 to 5 with "0"', "ORC-2", "000P1"),
            ('replace "/" with "^" in OBR-18', "OBR-18", "A^1-7"),
            ('split OBR-18 at "/" keep 2', "OBR-18", "1-7"),
            ('split OBR-18 at ";" keep 2', "OBR-18", "A/1-7"),
        ],
    )
    def test_a_rule_changes_what_it_names(self, rule: str, path: str, value: str | None) -> None:
        assert after(rule, path) == value

    @pytest.mark.parametrize(
        ("condition", "holds"),
        [
            ("empty", False),
            ("not empty", True),
            ("PID-30 empty", True),
            ("PV1-2 not empty", True),
            ('PV1-2 = "STAT"', True),
            ('PV1-2 != "STAT"', False),
            ('PV1-2 in "I", "STAT"', True),
            ('PV1-2 not in "I", "O"', True),
            ('PV1-2 starts with "ST"', True),
            ('PV1-2 ends with "X"', False),
            ('PID-3.1 contains "47"', True),
            ("ZRA present", True),
            ("no ZRA", False),
            ('PV1-2 = "STAT" and PV1-3.2 = "12"', True),
            ('PV1-2 = "STAT" and PV1-3.2 = "13"', False),
        ],
    )
    def test_a_condition_decides(self, condition: str, holds: bool) -> None:
        assert after(f'PID-8 = "M" if {condition}', "PID-8") == ("M" if holds else "W")

    @pytest.mark.parametrize(
        ("types", "holds"), [("ORM", True), ("ADT, ORM^O01", True), ("ADT^A01", False)]
    )
    def test_a_rule_may_be_for_some_messages(self, types: str, holds: bool) -> None:
        assert after(f'PID-8 = "M" on {types}', "PID-8") == ("M" if holds else "W")

    def test_each_order_is_given_its_own_values_and_never_those_of_another(self) -> None:
        lines = (*ORDER[:6], "ORC|NW|P3", *ORDER[6:])
        message, _ = read(["OBR-18 <- ORC-3"], lines=lines)
        assert [each.get("18") for each in message.segments("OBR")] == ["F1", None]

    def test_each_patient_is_given_its_own_values(self) -> None:
        lines = (
            "MSH|^~\\&|A|B|||2030||ADT^A40|1|P|2.5.1",
            "PID|1||1^^^H", "MRG|2^^^H||K1", "PID|2||3^^^H", "MRG|4^^^H||K2",
        )  # fmt: skip
        message, _ = read(["PID-18 <- MRG-3"], lines=lines)
        assert [each.get("18") for each in message.segments("PID")] == ["K1", "K2"]

    def test_a_segment_is_added_where_an_order_lacks_it(self) -> None:
        lines = (*ORDER[:5], "ZDS|1.2.3^a^b^c", *ORDER[5:])
        message, _ = read(["add ZDS after OBR", 'ZDS-1 = "9.9" if empty'], lines=lines)
        assert [each.get("1") for each in message.segments("ZDS")] == ["1.2.3", "9.9"]

    def test_rules_run_in_their_order(self) -> None:
        message, applied = read(['PID-8 = "A"', 'PID-8 = "B" if PID-8 = "A"'])
        assert message.get("PID-8") == "B"
        assert [(each.source, each.before, each.after) for each in applied.fired] == [
            ("line 1", "W", "A"),
            ("line 2", "A", "B"),
        ]

    def test_what_no_rule_names_stays_to_the_byte(self) -> None:
        message, applied = read(['PID-8 = "M"'])
        expected = list(ORDER)
        expected[1] = expected[1].replace("|W", "|M")
        assert applied.lines == expected
        assert message.raw == "\r".join(ORDER).encode()

    def test_a_rule_that_changes_nothing_leaves_the_message_itself(self) -> None:
        _, applied = read(['PID-8 = "M" if PID-8 = "X"'])
        assert not applied.changed
        assert applied.fired == []

    def test_delimiters_of_the_message_are_respected(self) -> None:
        lines = ("MSH*$%?@*A*B***2030**ADT$A08*1*P*2.5.1", "PID*1**7$$$H@1*")
        message, _ = read(['PID-3.4.2 = "x*y"', 'PID-5 = wire "A^B"'], lines=lines)
        assert message.get("PID-3.4.2") == "x*y"
        assert message.get("PID-5.2") == "B"

    def test_an_escaped_value_is_compared_and_written_as_text(self) -> None:
        lines = (ORDER[0], "PID|1||7||O\\T\\B^X")
        message, _ = read(['lower PID-5.1 if PID-5.1 contains "&"'], lines=lines)
        assert message.get("PID-5.1") == "o&b"

    def test_rules_cannot_make_a_message_grow_without_end(self) -> None:
        lines = (ORDER[0], *(f"OBX|{n}|TX|||x" for n in range(1, 300)))
        lines = (*lines, "ZZZ|" + "y" * 60_000)
        _, applied = read(["OBX-5 <- ZZZ-1"], lines=lines)
        assert [error.message for error in applied.faults] == [
            "the rules make the message too long"
        ]


class TestMaps:
    def test_a_code_becomes_ours_whatever_its_case(self) -> None:
        message, applied = read(maps={"sex": {"values": {"w": "F"}}})
        assert message.get("PID-8") == "F"
        assert [(each.source, each.text, each.place) for each in applied.fired] == [
            ("map sex", "W = F", "PID-8")
        ]

    def test_a_code_without_a_row_passes_unless_said_otherwise(self) -> None:
        message, applied = read(maps={"patient_class": {"values": {"AMB": "O"}}})
        assert message.get("PV1-2") == "STAT"
        assert applied.faults == []

    def test_a_code_without_a_row_can_be_refused_with_its_place_and_table(self) -> None:
        _, applied = read(
            maps={
                "sex": {"otherwise": "refuse", "values": {"M": "M"}},
                "procedure": {"otherwise": "refuse", "values": {"SCHAEDEL": "CTHEAD"}},
            }
        )
        assert [(fault.path, fault.details) for fault in applied.faults] == [
            ("OBR[2]-4", {}),
            ("PID-8", {"table": "0001"}),
        ]

    def test_a_code_without_a_row_can_have_a_fixed_value(self) -> None:
        message, _ = read(maps={"sex": {"otherwise": "fixed", "fixed": "U", "values": {}}})
        assert message.get("PID-8") == "U"

    def test_a_procedure_is_given_code_text_and_scheme(self) -> None:
        values = {"SCHAEDEL": "CTHEAD^CT head^99RIS", "KNIE^^ORBIS": "MRKNEE", "KNIE": "DXKNEE"}
        message, _ = read(maps={"procedure": {"values": values}})
        first, second = message.segments("OBR")
        assert [first.get(f"4.{at}") for at in (1, 2, 3)] == ["CTHEAD", "CT head", "99RIS"]
        assert [second.get(f"4.{at}") for at in (1, 2, 3)] == ["MRKNEE", "Knie", None]

    def test_authorities_and_types_of_every_identifier_are_mapped(self) -> None:
        message, _ = read(
            maps={
                "authority": {"values": {"KIS": "HOSP"}},
                "identifier_type": {"values": {"PAT": "MR"}},
            }
        )
        assert message.segments("PID")[0].raw.split("|")[3] == (
            "0004711^^^HOSP&1.2.3&ISO^MR~99^^^^SS"
        )

    def test_maps_come_after_the_rules(self) -> None:
        message, _ = read(["PV1-2 <- ZRA-2"], {"patient_class": {"values": {"KONTRAST": "I"}}})
        assert message.get("PV1-2") == "I"

    def test_a_value_that_stands_elsewhere_is_mapped_there_too(self) -> None:
        content = {"maps": {"station": {"values": {"CT1": "CT_ER"}}}}
        lines = (*ORDER[:3], "ORC|NW|P1" + "|" * 16 + "CT1", "OBR|1|P1")
        made = mapping.compiled(content, Direction.IN, {"station": ["ORC-18"]})
        assert made is not None

        message, _ = made.read(Message.from_bytes("\r".join(lines).encode()))

        assert message.get("ORC-18") == "CT_ER"

    def test_an_answers_control_is_no_order_control(self) -> None:
        maps = {"order_control": {"otherwise": "refuse", "values": {"NEW": "NW"}}}
        lines = (ORDER[0].replace("ORM^O01", "ORR^O02"), "MSA|AA|1", "ORC|NA|P1|F1")

        assert read(maps=maps, lines=lines)[1].faults == []
        assert [fault.path for fault in read(maps=maps)[1].faults] == ["ORC-1", "ORC[2]-1"]

    def test_a_deleted_value_stays_deleted(self) -> None:
        lines = (ORDER[0], 'PID|1||7|||||""')
        message, applied = read(
            maps={"sex": {"otherwise": "refuse", "values": {"W": "F"}}}, lines=lines
        )
        assert message.get("PID-8") == ""
        assert applied.faults == []


class TestWriting:
    def made(self, **content: Any) -> Any:
        return mapping.compiled(mapping.check(content, Direction.OUT), Direction.OUT)

    def test_maps_come_before_the_rules_and_the_header_may_be_ours_to_change(self) -> None:
        made = self.made(
            maps={"order_status": {"values": {"IP": "ZP"}}},
            rules=['MSH-6 = "WEST"', 'ZST-1 = "x"', 'ORC-6 = "late" if ORC-5 = "ZP"'],
        )
        rows = [("MSH", None, None, "RIS"), ("ORC", "SC", "P1", None, None, "IP")]
        assert made.write(rows, "ORM", "O01") == [
            Raw("MSH|^~\\&|RIS|||WEST"),
            Raw("ORC|SC|P1|||ZP|late"),
        ]

    def test_what_the_peer_has_no_code_for_is_not_sent(self) -> None:
        made = self.made(maps={"sex": {"otherwise": "refuse", "values": {"F": "W"}}})
        with pytest.raises(InvalidValueError) as raised:
            made.write([("PID", *(None,) * 7, "M")], "ADT", "A08")
        assert raised.value.path == "PID-8"


def faults(content: dict[str, Any], way: Direction = Direction.IN) -> list[tuple[str, str]]:
    try:
        mapping.check(content, way)
    except SeveralErrors as several:
        return [(each.path, each.message) for each in several.errors]
    except RisError as error:
        return [(error.path, error.message)]
    return []


class TestChecking:
    @pytest.mark.parametrize("rule", [rule for rule, _ in mapping.FORMS])
    @pytest.mark.parametrize("way", list(Direction))
    def test_every_form_that_is_documented_can_be_written(self, rule: str, way: Direction) -> None:
        assert mapping.check({"rules": [rule]}, way) == {"rules": [rule]}

    @pytest.mark.parametrize("kind", mapping.KINDS.values(), ids=lambda kind: kind.name)
    def test_every_example_of_a_table_can_be_written(self, kind: mapping.Kind) -> None:
        code, _, ours = kind.example.partition(" = ")
        content = {"maps": {kind.name: {"otherwise": "pass", "values": {code: ours}}}}
        assert mapping.check(content, Direction.IN) == content

    @pytest.mark.parametrize(
        ("rule", "told"),
        [
            ("PID-3", "<- or = is expected at the end"),
            ("PID-3 <-", "ends where a place such as PID-3.4 is expected"),
            ("PID-3 = HOSP", 'a text in "quotation marks" is expected instead of HOSP'),
            ("PID-0 <- PID-3", "PID-0 is no place such as PID-3.4 or OBX[2]-5"),
            ("PID-999 <- PID-3", "PID-999: a field is at most 200"),
            ("PID-3 <- PID-3", "a value is copied to where it stands"),
            ("PID-3 <- PID-4[*]", "PID-4[*]: [*] is for the place that is changed"),
            ("erase PID-3", None),
            ('PID-8 = "M" if ever', "ever is no segment such as ZDS"),
            ('PID-8 = "M" on monday', "monday is no message such as ADT or ORM^O01"),
            ('PID-8 = "M" ; drop PID', "cannot be read from here: ; drop PID"),
            ('PID-8 = "M" twice', "goes on with twice, which is not understood"),
            ('pad PID-3 to 99 with "0"', "99 is not within 1 to 64"),
            ("drop MSH", "a message has one MSH"),
            (
                'MSH-3 = "X"',
                "the header of what comes in stays as it is: the answer is made from it",
            ),
            ("drop ZZZ if empty", "empty needs a place here, as in PID-3 empty"),
        ],
    )
    def test_a_rule_that_cannot_be_meant_is_told_with_its_line(
        self, rule: str, told: str | None
    ) -> None:
        found = faults({"rules": ["# a remark", "", rule]})
        assert [path for path, _ in found] == ["rules[3]"]
        if told is not None:
            assert found[0][1] == told

    def test_every_fault_is_told_at_once(self) -> None:
        content = {
            "rules": ["nonsense", "drop ZZZ", "more nonsense"],
            "maps": {"sex": {"values": {"W": "Q", " ": "F"}}, "weather": {}},
        }
        assert [path for path, _ in faults(content)] == [
            "maps.sex[W]",
            "maps.sex[ ]",
            "maps.weather",
            "rules[1]",
            "rules[3]",
        ]

    def test_ours_must_be_what_the_bindings_know(self) -> None:
        content = {"maps": {"sex": {"values": {"W": "female"}}}}
        assert faults(content) == [("maps.sex[W]", "female is none of A, D, F, M, N, O, U, X")]

    def test_what_the_peer_calls_it_is_free(self) -> None:
        content = {"maps": {"sex": {"values": {"F": "weiblich"}}}}
        assert faults(content, Direction.OUT) == []

    def test_the_queue_owns_the_control_id(self) -> None:
        assert faults({"rules": ['MSH-10 = "1"']}, Direction.OUT) == [
            ("rules[1]", "MSH-10 is not for a rule: the settings of the peer say it")
        ]

    def test_two_rows_that_differ_in_case_are_one(self) -> None:
        content = {"maps": {"room": {"values": {"a": "x", "A": "y"}}}}
        assert faults(content) == [("maps.room[A]", "the same as a: case and blanks do not count")]

    def test_an_empty_mapping_is_none(self) -> None:
        assert mapping.check({"rules": ["", "  "], "maps": {"sex": {}}}, Direction.IN) == {}
        assert mapping.compiled({}, Direction.IN) is None

    def test_a_row_is_one_line(self) -> None:
        content = {"rules": ["# a\nremark"], "maps": {"room": {"values": {"a\nb": "x"}}}}
        assert [path for path, _ in faults(content)] == ["maps.room[a\nb]", "rules[1]"]

    def test_remarks_are_kept_where_they_stand(self) -> None:
        rules = ["# wards", "drop ZZZ", "", "# end"]
        assert mapping.check({"rules": rules}, Direction.IN) == {"rules": rules}
