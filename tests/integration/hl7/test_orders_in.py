"""Order messages as commands: what is read from where, what belongs together, what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ris.domain.orders import (
    PlaceOrder,
    Priority,
)
from ris.domain.patients import PatientClass, Sex, UpdatePatient
from ris.domain.values import Code, Identifier, PartialDate, PersonName
from tests.integration.hl7.messages import PID, ZDS, obr, orc, order, profile
from tests.integration.hl7.orders_read import command, requests


def test_a_new_order_with_everything_usual() -> None:
    placed: PlaceOrder = command(order())

    assert placed.patient.identifiers == (Identifier("4711", "HOSP", "MR"),)
    said = placed.patient.demographics
    assert said.name == PersonName.of("Berg", "Anna", "Maria")
    assert said.birth_date == PartialDate("1970-05-03")
    assert said.sex is Sex.FEMALE
    assert said.phone is None
    assert placed.placer == Identifier("PL1", "HIS")
    assert placed.filler is None
    assert placed.accession is None
    (procedure,) = placed.procedures
    assert procedure.code == Code("CTHEAD", "L", "CT head")
    assert procedure.study_instance_uid == "1.2.276.0.7230010.3.1.2.9"
    (step,) = procedure.steps
    assert step.modality == "CT"
    assert step.start_at == datetime(2029, 3, 11, 8, 0, tzinfo=UTC)  # 09:00 in Vienna
    assert step.duration_minutes == 30
    assert placed.details.priority is Priority.STAT
    assert placed.details.reason == "headache"
    assert placed.details.requester == PersonName.parse("Ordonez^Olga^^Dr.")
    assert placed.details.requester_identifier == Identifier("1234")
    assert placed.details.referring == PersonName.of("Refer", "Ria")
    assert placed.details.ordered_at == datetime(2029, 3, 10, 9, 10, tzinfo=UTC)
    assert placed.visit is not None
    assert placed.visit.number == Identifier("V1", "HOSP")
    assert placed.visit.patient_class is PatientClass.OUTPATIENT
    assert placed.visit.location == "NEURO / 12 / A"
    assert placed.visit.attending == PersonName.of("Attend", "Al")
    assert (placed.wait_for_scheduler, placed.strict_catalog) == (False, False)


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        ({"orc": orc(f1="NW", f2="P", f7="^^^202903110900")}, "2029-03-11T08:00:00+00:00"),
        ({"obr": obr(f4="X", f27="^^^20290311090000+0000")}, "2029-03-11T09:00:00+00:00"),
        ({"obr": obr(f4="X", f36="20290311090000")}, "2029-03-11T08:00:00+00:00"),
        (
            {"obr": obr(f4="X"), "more": ("TQ1|1||||||20290711090000",)},
            "2029-07-11T07:00:00+00:00",  # summer time
        ),
        (
            {
                "orc": orc(f1="NW", f2="P", f7="^^^202903110900"),
                "obr": obr(f4="X", f27="^^^202903121000", f36="202903131100"),
            },
            "2029-03-11T08:00:00+00:00",
        ),
    ],
    ids=["ORC-7", "OBR-27 with offset", "OBR-36", "TQ1-7", "the first one counts"],
)
def test_the_start_is_read_where_it_stands(segments: dict[str, Any], expected: str) -> None:
    given = {"orc": orc(f1="NW", f2="P"), "obr": obr(f4="X"), "more": (), **segments}

    (step,) = command(order(**given)).procedures[0].steps

    assert step.start_at.isoformat() == expected


def test_a_date_without_a_time_of_day_is_a_wish_for_a_person_to_read() -> None:
    placed = command(order(orc=orc(f1="NW", f2="P", f7="^^^20290311"), obr=obr(f4="X"), more=()))

    (step,) = placed.procedures[0].steps or (None,)
    assert step is None or step.start_at is None
    assert placed.details.comments == "Wanted on 20290311, no time given"


@pytest.mark.parametrize(
    ("obr_6", "note"),
    [
        ("20290411", "Wanted on 20290411 (OBR-6)"),
        ("20290411100000", "Wanted on 20290411100000 (OBR-6)"),
        ("20290310100000", None),  # the day of the message: when it was ordered
        ("soon", None),
    ],
)
def test_a_later_day_in_obr_6_is_a_wish_for_a_person_to_read(obr_6: str, note: str | None) -> None:
    """Requested Date/Time, which the standard withdrew in 2.2 and old systems still fill."""
    said = obr(f2="PL1^HIS", f4="CTHEAD", f6=obr_6)

    placed = command(order(orc=orc(f1="NW", f2="PL1^HIS"), obr=said))

    assert (placed.procedures[0].steps[:1], placed.details.comments) == ((), note)


def test_a_day_in_obr_6_is_nothing_beside_the_time_that_is_told() -> None:
    told = command(order(obr=obr(f2="PL1^HIS", f4="CTHEAD", f6="20290411")))

    assert told.details.comments is None


def test_an_order_without_a_time_waits() -> None:
    placed = command(order(orc=orc(f1="NW", f2="P"), obr=obr(f4="X"), more=()))

    assert placed.procedures[0].steps == ()


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        ({"orc": orc(f1="NW", f2="P", f7="^^^^^A")}, Priority.ASAP),
        ({"obr": obr(f4="X", f27="^^^^^R")}, Priority.ROUTINE),
        ({"obr": obr(f4="X", f5="stat")}, Priority.STAT),
        ({"obr": obr(f4="X"), "more": ("TQ1|1||||||||S^Stat^HL70485",)}, Priority.STAT),
        ({"obr": obr(f4="X", f5="TM30")}, Priority.URGENT),
    ],
)
def test_the_priority_is_read_where_it_stands(segments: dict[str, Any], expected: Priority) -> None:
    given = {"orc": orc(f1="NW", f2="P"), "obr": obr(f4="X"), "more": (), **segments}

    assert command(order(**given)).details.priority is expected


def test_every_number_of_the_department_is_taken() -> None:
    placed = command(
        order(obr=obr(f2="PL1^HIS", f4="X", f18="A77", f19="RP7", f20="SPS7", f21="CT1", f24="CT"))
    )

    assert placed.accession == Identifier("A77")
    (procedure,) = placed.procedures
    assert procedure.procedure_id == "RP7"
    (step,) = procedure.steps
    assert (step.step_id, step.station_ae_title) == ("SPS7", "CT1")


def test_ipc_tells_the_steps_of_an_omi() -> None:
    message = order(
        orc=orc(f1="NW", f2="PL1^HIS"),
        obr=obr(f4="CTHEAD^CT head^L"),
        more=(
            "IPC|A77^RIS|RP7|1.2.3.4|S1|CT|P1^Native^99X~P2^Contrast^99X|CT 1|^Room 1|CT1",
            "IPC|A77^RIS|RP7|1.2.3.4|S2|CT||||CT2",
        ),
        message_type="OMI^O23^OMI_O23",
        version="2.5.1",
    )

    placed: PlaceOrder = command(message)

    assert placed.accession == Identifier("A77", "RIS")
    (procedure,) = placed.procedures
    assert (procedure.procedure_id, procedure.study_instance_uid) == ("RP7", "1.2.3.4")
    first, second = procedure.steps
    assert first.protocol_codes == (Code("P1", "99X", "Native"), Code("P2", "99X", "Contrast"))
    assert first.description == "Native"
    assert (first.step_id, first.station_name, first.location) == ("S1", "CT 1", "Room 1")
    assert (second.step_id, second.station_ae_title) == ("S2", "CT2")


@pytest.mark.parametrize(
    ("sent", "modality"),
    [("CT", "CT"), ("mr", "MR"), ("RUS", "US"), ("NMR", "MR"), ("RAD", ""), ("XRAY", "")],
)
def test_the_section_tells_the_modality_only_if_it_names_one(sent: str, modality: str) -> None:
    steps = command(order(orc=orc(f1="NW", f2="P"), obr=obr(f4="X", f24=sent))).procedures[0].steps

    assert (steps[0].modality if steps else "") == modality


@pytest.mark.parametrize(
    ("fields", "side"),
    [({"f45": "LT"}, "L"), ({"f15": "^^^^R"}, "R"), ({"f45": "50"}, "B"), ({"f15": "Blood"}, "")],
)
def test_the_side_is_read_from_modifier_or_source(fields: dict[str, str], side: str) -> None:
    assert command(order(obr=obr(f4="X", **fields))).procedures[0].laterality == side


def test_the_code_may_stand_in_obr_44_and_may_be_a_text() -> None:
    coded = command(order(obr=obr(f2="PL1^HIS", f44="CTHEAD^CT head^L")))
    worded = command(order(obr=obr(f2="PL1^HIS", f4="^CT of whatever hurts")))

    assert coded.procedures[0].code == Code("CTHEAD", "L", "CT head")
    assert worded.procedures[0].code == Code("", "", "CT of whatever hurts")


@pytest.mark.parametrize(
    ("orc_12", "obr_16", "expected"),
    [
        ("5678^Order^Olga", "777^Sixteen^Sam", ("Order^Olga", "5678")),
        ("5678", "777^Sixteen^Sam", ("Sixteen^Sam", "777")),
        ("5678", "5678^Order^Olga", ("Order^Olga", "5678")),
        ("5678", "^Order^Olga", ("Order^Olga", "5678")),
        ("^Order^Olga", "5678^ORDER^OLGA", ("Order^Olga", "5678")),
        ("^Order^Olga", "777^Sixteen^Sam", ("Order^Olga", "")),
        ("5678~777^Sixteen^Sam", "", ("Sixteen^Sam", "777")),
        ("", "777^Sixteen^Sam", ("Sixteen^Sam", "777")),
    ],
)
def test_the_requester_is_one_person_though_two_fields_name_one(
    orc_12: str, obr_16: str, expected: tuple[str, str]
) -> None:
    said = command(order(orc=orc(f1="NW", f2="P", f12=orc_12), obr=obr(f4="X", f16=obr_16))).details

    number = said.requester_identifier
    assert (str(said.requester), number.value if number else "") == expected


def test_from_2_7_on_the_ordering_provider_is_a_participation() -> None:
    told = command(
        order(
            orc=orc(f1="NW", f2="PL1^HIS"),
            more=(
                "PRT|1|AD||AT^Attending^HL70912|78^Second^Sue",
                "PRT|2|AD||OP^Ordering provider^HL70912|77^Ordonez^Olga^^^Dr.",
            ),
            version="2.8",
        )
    ).details

    assert str(told.requester) == "Ordonez^Olga^^Dr."
    assert told.requester_identifier == Identifier("77")


@pytest.mark.parametrize("code", ["X", "D", "x"])
def test_who_is_neither_man_nor_woman_is_no_reason_to_refuse_an_order(code: str) -> None:
    placed = command(order(pid=PID.replace("|F", f"|{code}")))

    assert placed.patient.demographics.sex is Sex.OTHER


def test_the_other_codes_of_a_procedure_are_kept_for_the_catalog_to_choose_from() -> None:
    told = obr(
        f2="PL1", f4="70450^CT HEAD WO^C4^CTHEAD^CT head^L", f44="70450^CT HEAD WO^C4^RPID22"
    )
    (procedure,) = command(order(obr=told)).procedures
    (alone,) = command(order(obr=obr(f2="PL1", f4="^^^CTHEAD^CT head^L"))).procedures

    assert procedure.code == Code("70450", "C4", "CT HEAD WO")
    assert procedure.also == (
        Code("CTHEAD", "L", "CT head"),
        Code("70450", "C4", "CT HEAD WO"),
        Code("RPID22"),
    )
    assert alone.code == Code("CTHEAD", "L", "CT head")


@pytest.mark.parametrize(
    ("pid", "pv1", "expected"),
    [
        (PID, "PV1|1|I|4W^401^A", ("Patient is at 4W / 401 / A",)),
        (PID, "PV1|1|I|4W^401^A" + "|" * 16 + "V1", ()),
        (PID + "|" * 10 + "AC1^^^HOSP", "PV1|1|I|4W^401^A", ()),
        (PID, "PV1|1|I", ()),
    ],
    ids=["no number", "a visit", "an account", "nowhere"],
)
def test_where_the_patient_is_is_told_also_without_a_visit(
    pid: str, pv1: str, expected: tuple[str, ...]
) -> None:
    said = command(order(pid=pid, pv1=pv1)).details

    assert (said.comments, said.remarks) == (None, expected)


def test_a_change_without_notes_adds_what_it_knows_to_the_notes_that_were_told() -> None:
    known = ("OBX|1|NM|2160-0^Creatinine^LN||0.9|mg/dL", ZDS)
    asked = orc(f1="XO", f2="PL1")

    silent = command(order(orc=asked, more=known)).details
    noted = command(order(orc=asked, more=("NTE|1||Isolation", *known))).details
    deleted = command(order(orc=asked, more=('NTE|1||""', ZDS))).details

    assert (silent.comments, silent.remarks) == (None, ("Creatinine: 0.9 mg/dL",))
    assert (noted.comments, noted.remarks) == ("Isolation\nCreatinine: 0.9 mg/dL", ())
    assert (deleted.comments, deleted.remarks) == ("", ())


def test_notes_to_the_order_are_comments_and_those_to_observations_name_them() -> None:
    placed = command(
        order(
            more=(
                "NTE|1|L|Isolation",
                "NTE|2|L|second~line",
                "OBX|1|NM|29463-7^Body weight^LN||70|kg",
                "NTE|1|L|weighed today",
                ZDS,
            )
        )
    )

    assert placed.details.comments == "Isolation\nsecond\nline\nBody weight: weighed today"


def test_what_has_no_field_but_must_be_read_is_a_comment() -> None:
    placed = command(order(obr=obr(f4="X", f12="MRSA", f13="fell from a ladder", f31="^fracture")))

    assert placed.details.reason == "fracture"
    assert placed.details.comments == "Clinical information: fell from a ladder\nHazard: MRSA"


def test_clinical_information_is_the_reason_where_there_is_no_other() -> None:
    placed = command(order(obr=obr(f4="X", f13="fell from a ladder")))

    assert placed.details.reason == "fell from a ladder"
    assert placed.details.comments is None


def test_several_reasons_are_all_told() -> None:
    placed = command(order(obr=obr(f4="X", f31="R51^Headache^I10~R42^Dizziness^I10")))

    assert placed.details.reason == "Headache; Dizziness"
    assert placed.details.reason_code == Code("R51", "I10", "Headache")


def test_transport_is_told_in_words() -> None:
    assert command(order(obr=obr(f4="X", f30="WHLC"))).details.transport == "Wheelchair"
    assert command(order(obr=obr(f4="X", f30="Bed"))).details.transport == "Bed"


def test_weight_and_allergies_reach_a_patient_who_is_known_already() -> None:
    (request,) = requests(
        order(
            more=(
                "AL1|1|DA|^Penicillin",
                "AL1|2|DA|^Iodine contrast",
                "OBX|1|NM|3141-9^Body weight^LN||154|lb",
                "OBX|2|NM|8302-2^Body height^LN||172|cm",
            )
        )
    )

    place, update = request.commands
    assert isinstance(place, PlaceOrder)
    assert isinstance(update, UpdatePatient)
    assert update.patient.identifiers == place.patient.identifiers
    assert update.demographics.allergies == ("Penicillin", "Iodine contrast")
    assert update.demographics.weight_kg == 69.8532
    assert update.demographics.height_m == 1.72
    assert update.demographics.name is None  # who somebody is, is told by ADT


def test_settings_of_the_peer_go_with_the_order() -> None:
    placed = command(order(), profile(wait_for_scheduler=True, strict_catalog=True))

    assert placed.wait_for_scheduler
    assert placed.strict_catalog


def test_a_peer_may_put_values_elsewhere_or_nowhere() -> None:
    message = order(obr=obr(f4="X", f3="ACC9", f18="not a number", f21="WARD"))

    placed = command(message, profile(paths={"accession": ["OBR-3"], "station": []}))

    assert placed.accession == Identifier("ACC9")
    assert placed.procedures[0].steps[0].station_ae_title == ""


def test_the_peers_order_numbers_have_its_own_authority() -> None:
    bare = order(orc=orc(f1="NW", f2="7"), obr=obr(f4="X"))
    named = order(orc=orc(f1="NW", f2="7^^1.2.3^ISO"), obr=obr(f4="X"))

    assert command(bare).placer == Identifier("7", "HIS")
    assert command(named).placer == Identifier("7", "1.2.3")


def test_patient_ids_without_authority_get_the_peers_if_they_are_its_own() -> None:
    placed = command(
        order(pid="PID|1|EXT9^^^OTHER|4711~555-1234^^^^SS~998877^^^NATIONAL^NI||Berg^Anna")
    )

    assert placed.patient.identifiers == (
        Identifier("4711", "HOSP", ""),
        Identifier("998877", "NATIONAL", "NI"),
        Identifier("EXT9", "OTHER", ""),
    )


def test_the_identifier_of_the_agreed_authority_comes_first() -> None:
    message = order(pid="PID|1||998877^^^NATIONAL^NI~4711||Berg^Anna")

    placed = command(message, profile(authority="HOSP", default_authority="HOSP"))

    assert placed.patient.identifiers[0] == Identifier("4711", "HOSP", "")


def test_a_japanese_name_keeps_its_three_writings() -> None:
    placed = command(
        order(pid="PID|1||1^^^H||Yamada^Tarou^^^^^L^A~山田^太郎^^^^^L^I~やまだ^たろう^^^^^L^P")
    )

    assert placed.patient.demographics.name == PersonName.parse(
        "Yamada^Tarou=山田^太郎=やまだ^たろう"
    )
