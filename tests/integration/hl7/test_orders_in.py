"""Order messages as commands: what is read from where, what belongs together, what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from integration.hl7.profiles import Profile
from integration.hl7.to_domain.orders import MAX_ORDERS, from_order
from integration.hl7.to_domain.request import Request, located
from ris.domain.errors import (
    ErrorCode,
    InvalidValueError,
    MissingValueError,
    RisError,
    SeveralErrors,
    StateConflictError,
)
from ris.domain.orders import (
    CancelOrder,
    DiscontinueOrder,
    HoldOrder,
    PlaceOrder,
    Priority,
    ReleaseOrder,
    ReviseOrder,
)
from ris.domain.patients import PatientClass, Sex, UpdatePatient
from ris.domain.values import Code, Identifier, PartialDate, PersonName
from tests.integration.hl7 import messages
from tests.integration.hl7.messages import OBR, ORC, PID, ZDS, obr, orc, order, profile


def requests(message: str, agreed: Profile | None = None) -> list[Request]:
    return from_order(messages.read(message), agreed or profile())


def command(message: str, agreed: Profile | None = None) -> Any:
    """The first command of the only request."""
    (request,) = requests(message, agreed)
    return request.commands[0]


def faults(message: str, agreed: Profile | None = None) -> list[tuple[str, str]]:
    """(path, code) of everything that is wrong."""
    with pytest.raises(RisError) as caught:
        requests(message, agreed)
    error = caught.value
    errors = error.errors if isinstance(error, SeveralErrors) else [error]
    return [(each.path, each.code.value) for each in errors]


# --- a new order --------------------------------------------------------------------------------


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
    coded = command(order(obr=obr(f2="P", f44="CTHEAD^CT head^L")))
    worded = command(order(obr=obr(f2="P", f4="^CT of whatever hurts")))

    assert coded.procedures[0].code == Code("CTHEAD", "L", "CT head")
    assert worded.procedures[0].code == Code("", "", "CT of whatever hurts")


def test_notes_to_the_order_are_comments_and_those_to_observations_are_not() -> None:
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

    assert placed.details.comments == "Isolation\nsecond\nline"


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


@pytest.mark.parametrize(
    ("observation", "path"),
    [
        ("OBX|1|NM|29463-7^Body weight^LN||70|stone", "OBX-5"),
        ("OBX|1|NM|29463-7^Body weight^LN||heavy|kg", "OBX-5"),
        ("OBX|1|NM|8302-2^Body height^LN||172|m", "OBX-5"),
    ],
)
def test_a_measure_that_cannot_be_is_refused(observation: str, path: str) -> None:
    assert faults(order(more=(observation,))) == [(path, "invalid-value")]


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
    assert command(order(orc=orc(f1="NW", f2="7"))).placer == Identifier("7", "HIS")
    assert command(order(orc=orc(f1="NW", f2="7^^1.2.3^ISO"))).placer == Identifier("7", "1.2.3")


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


# --- several orders -----------------------------------------------------------------------------


def test_groups_with_different_placer_numbers_are_orders_of_their_own() -> None:
    first, second = requests(
        order(
            more=(
                ZDS,
                orc(f1="NW", f2="PL2^HIS", f4="G1^HIS"),
                obr(f4="CTNECK^CT neck^L", f24="CT"),
                "NTE|1|L|to the second",
            )
        )
    )

    one, other = first.commands[0], second.commands[0]
    assert isinstance(one, PlaceOrder)
    assert isinstance(other, PlaceOrder)
    assert (one.placer, other.placer) == (Identifier("PL1", "HIS"), Identifier("PL2", "HIS"))
    assert other.procedures[0].code.value == "CTNECK"
    assert other.procedures[0].study_instance_uid == ""
    assert one.details.comments is None
    assert other.details.comments == "to the second"
    assert other.group_number == "G1"
    assert second.places == {
        "ORC": 2, "OBR": 2, "NTE": 1,
    }  # fmt: skip


def test_groups_with_one_placer_number_are_procedures_of_one_order() -> None:
    placed = command(order(more=(ZDS, ORC, obr(f4="CTNECK^CT neck^L", f24="CT"))))

    assert [each.code.value for each in placed.procedures] == ["CTHEAD", "CTNECK"]


def test_groups_with_one_study_uid_are_steps_of_one_procedure() -> None:
    second = obr(f4="CTHEAD^CT head^L", f20="S2", f24="CT")

    placed = command(order(more=(ZDS, ORC, second, ZDS)))

    (procedure,) = placed.procedures
    assert [step.step_id for step in procedure.steps] == ["", "S2"]


def test_a_second_obr_without_orc_belongs_to_the_order_before() -> None:
    placed = command(order(more=(obr(f4="CTNECK^CT neck^L", f24="CT"),)))

    assert [each.code.value for each in placed.procedures] == ["CTHEAD", "CTNECK"]
    assert placed.procedures[1].steps[0].start_at == datetime(2029, 3, 11, 8, 0, tzinfo=UTC)


def test_one_order_cannot_have_two_accession_numbers() -> None:
    message = order(
        obr=obr(f4="X", f18="A1"), more=(orc(f1="NW", f2="PL1^HIS"), obr(f4="Y", f18="A2"))
    )

    assert faults(message) == [("OBR[2]-18", "invalid-value")]


def test_more_orders_than_one_transaction_should_hold_are_refused() -> None:
    groups = [
        segment
        for number in range(MAX_ORDERS + 1)
        for segment in (orc(f1="NW", f2=f"P{number}"), obr(f4="X"))
    ]

    assert faults(order(orc="", obr="", more=tuple(groups))) == [("ORC", "invalid-value")]


# --- other order controls -----------------------------------------------------------------------


def test_a_cancellation_needs_no_obr() -> None:
    canceled = command(order(orc=orc(f1="CA", f2="PL1^HIS", f16="^ordered twice"), obr="", more=()))

    assert isinstance(canceled, CancelOrder)
    assert canceled.order.placer == Identifier("PL1", "HIS")
    assert canceled.reason == "ordered twice"


def test_an_order_may_be_named_by_our_number_alone() -> None:
    canceled = command(order(orc=orc(f1="CA", f3="F000000001^RIS"), obr="", more=()))

    assert canceled.order.placer is None
    assert canceled.order.filler == Identifier("F000000001", "RIS")


def test_the_numbers_may_stand_in_obr() -> None:
    canceled = command(order(orc=orc(f1="CA"), obr=obr(f2="PL1^HIS", f4="X"), more=()))

    assert canceled.order.placer == Identifier("PL1", "HIS")


def test_all_groups_of_one_cancellation_cancel_once() -> None:
    first = orc(f1="CA", f2="PL1^HIS")

    (request,) = requests(order(orc=first, more=(first, obr(f4="Y"))))

    assert [type(each) for each in request.commands] == [CancelOrder]


@pytest.mark.parametrize(
    ("control", "kind"), [("DC", DiscontinueOrder), ("HD", HoldOrder), ("RL", ReleaseOrder)]
)
def test_discontinue_hold_and_release(control: str, kind: type) -> None:
    assert isinstance(command(order(orc=orc(f1=control, f2="PL1"), obr="", more=())), kind)


def test_a_change_says_only_what_it_says() -> None:
    revised: ReviseOrder = command(
        order(
            pv1="",
            orc=orc(f1="XO", f2="PL1^HIS"),
            obr=obr(f4="CTHEAD^CT head^L", f27="^^^202903120900", f31='""'),
            more=(),
        )
    )

    assert isinstance(revised, ReviseOrder)
    assert revised.details.reason == ""  # deleted
    assert revised.details.priority is None  # not said
    assert revised.details.requester is None
    assert revised.visit is None
    (procedure,) = revised.procedures
    assert procedure.steps[0].start_at == datetime(2029, 3, 12, 8, 0, tzinfo=UTC)


# --- what is refused ----------------------------------------------------------------------------


def test_everything_wrong_with_a_message_is_told_at_once() -> None:
    message = order(
        pid="PID|1||4711^^^HOSP||Berg^Anna||19701303|X",
        orc=orc(f1="NW", f2="PL1", f7="^^^2029031109zz^^Q"),
    )

    assert faults(message) == [
        ("ORC-7.4", "invalid-value"),
        ("PID-7", "invalid-value"),
        ("PID-8", "invalid-value"),
        ("ORC-7.6", "invalid-value"),
    ]


def test_a_fault_of_the_patient_is_told_once_however_many_orders_there_are() -> None:
    message = order(
        pid="PID|1||4711^^^HOSP||Berg^Anna||19701303|F",
        more=(orc(f1="NW", f2="PL2"), obr(f4="Y")),
    )

    assert faults(message) == [("PID-7", "invalid-value")]


def test_a_fault_names_the_group_it_is_in() -> None:
    message = order(more=(orc(f1="NW", f2="PL2", f7="^^^nonsense"), obr(f4="Y")))

    assert faults(message) == [("ORC[2]-7.4", "invalid-value")]


@pytest.mark.parametrize("control", ["SN", "SC", "RU", "XX", "NA", "RE", "7"])
def test_an_order_control_not_served_is_a_table_value_not_found(control: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        requests(order(orc=orc(f1=control, f2="PL1")))

    assert caught.value.path == "ORC-1"
    assert caught.value.details == {"table": "0119"}


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"orc": orc(f1="", f2="PL1")}, "ORC-1"),
        ({"orc": orc(f1="NW"), "obr": obr(f4="X")}, "ORC-2"),
        ({"obr": "", "more": ()}, "OBR"),
        ({"pid": ""}, "PID"),
        ({"pid": "PID|1||||Berg^Anna"}, "PID-3"),
        ({"orc": ""}, "ORC"),
        ({"orc": "", "obr": "", "more": ()}, "ORC"),
    ],
    ids=["control", "number", "OBR", "PID", "identifier", "ORC before OBR", "no ORC"],
)
def test_what_is_required_is_missed(given: dict[str, Any], path: str) -> None:
    assert faults(order(**given)) == [(path, "missing-value")]


def test_a_message_about_two_patients_is_refused() -> None:
    with pytest.raises(InvalidValueError) as caught:
        requests(order(more=(PID,)))

    assert caught.value.path == "PID[2]"


# --- where the core finds a fault ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "places", "expected"),
    [
        ("ORC-2", {"ORC": 1}, "ORC-2"),
        ("ORC-2", {"ORC": 3}, "ORC[3]-2"),
        ("OBR-18", {"OBR": 1, "IPC": 1}, "IPC-1"),
        ("ZDS-1", {"ZDS": 2}, "ZDS[2]-1"),
        ("ZDS-1", {"IPC": 2}, "IPC[2]-3"),
        ("ORC-7", {"ORC": 1}, "ORC-7.4"),
        ("ORC-7", {"ORC": 1, "TQ1": 1}, "TQ1-7"),
        ("phone", {}, "PID-13"),
        ("station", {"OBR": 2}, "OBR[2]-21"),
        ("something else", {}, "something else"),
        ("", {}, ""),
    ],
)
def test_the_place_of_a_fault_is_told_in_words_of_the_message(
    path: str, places: dict[str, int], expected: str
) -> None:
    error = located(StateConflictError("no", path=path), Request(commands=(), places=places))

    assert error.path == expected
    assert error.code is ErrorCode.STATE_CONFLICT


def test_each_of_several_faults_gets_its_place() -> None:
    several = SeveralErrors([MissingValueError("a", path="ORC-2"), MissingValueError("b", path="")])

    located(several, Request(commands=(), places={"ORC": 2}))

    assert [each.path for each in several.errors] == ["ORC[2]-2", ""]


def test_the_same_order_reads_the_same_without_its_optional_segments() -> None:
    placed = command(order(pv1="", obr=OBR, more=()))

    assert placed.visit is None
    assert placed.details.referring is None


def test_a_change_that_is_not_possible_now_is_told_of_the_order_control() -> None:
    request = Request(commands=(), places={"ORC": 2}, control="RL")

    assert located(StateConflictError("no"), request).path == "ORC[2]-1"


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"pid": f"PID|1||{'9' * 65}^^^HOSP||Berg^Anna"}, "PID-3.1"),
        ({"pid": f"PID|1||4711^^^{'H' * 201}||Berg^Anna"}, "PID-3.4"),
        ({"pid": "PID|1||4711^^^HOSP^IDENTIFIERS||Berg^Anna"}, "PID-3.5"),
        ({"orc": orc(f1="NW", f2="9" * 65)}, "ORC-2.1"),
        ({"orc": orc(f1="NW", f2="PL1^HIS", f3="9" * 65)}, "ORC-3.1"),
        ({"orc": orc(f1="NW", f2="PL1^HIS", f4="9" * 65)}, "ORC-4"),
        ({"orc": orc(f1="NW", f2="PL1^HIS", f12=f"{'9' * 65}^Ordonez")}, "ORC-12.1"),
        ({"orc": orc(f1="NW", f2="PL1^HIS", f12=f"1^{'x' * 330}")}, "ORC-12"),
        ({"obr": obr(f2="PL1^HIS", f4="CTHEAD^CT head^L^^^^version of the code")}, "OBR-4.7"),
    ],
)
def test_what_is_too_long_to_be_kept_is_refused_and_never_cut(
    given: dict[str, Any], path: str
) -> None:
    assert (path, "invalid-value") in faults(order(**given))
