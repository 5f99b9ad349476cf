"""A message from its bytes to its answer: stored, applied and answered in one go."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError, connection

from integration.hl7.inbound import handle
from integration.hl7.routes import ROUTES
from integration.hl7.server import Reply
from ris.domain.exchange import ReplayMessage
from ris.domain.orders import HoldOrder, OrderReference
from ris.models import (
    DomainEvent,
    InboundMessage,
    Order,
    Patient,
    PatientIdentifier,
    ScheduledProcedureStep,
)
from ris.services import execute
from tests import make, people
from tests.integration.hl7 import messages
from tests.integration.hl7.intake import PEER, answer, outcome, register
from tests.integration.hl7.messages import OBR, ORC, PID, obr, orc, order

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("accepting")]


# --- stored, applied, answered ------------------------------------------------------------------


def test_an_order_is_stored_applied_and_answered() -> None:
    make.device()

    segments = answer(order(key="M1"))

    assert segments[0].startswith("MSH|^~\\&|RIS|RAD|HIS|GENERAL|")
    assert segments[1] == "MSA|AA|M1"
    placed = Order.objects.get()
    assert (placed.placer_order_number, placed.placer_issuer) == ("PL1", "HIS")
    step = ScheduledProcedureStep.objects.get()
    assert (step.status, step.station_ae_title) == ("SCHEDULED", "CT1")
    message = InboundMessage.objects.get()
    assert (message.state, message.outcome, message.key) == ("APPLIED", "AA", "M1")
    assert message.message_type == "ORM^O01"
    assert message.sender == "HIS^GENERAL"
    assert message.peer == "127.0.0.1"
    assert bytes(message.raw) == order(key="M1").encode()
    assert list(message.orders.all()) == [placed]
    assert message.patient == placed.patient


def test_whether_the_answer_could_be_written_is_noted() -> None:
    reply = handle(order().encode(), PEER)
    assert isinstance(reply, Reply)
    before = InboundMessage.objects.get().reply_state

    reply.sent(False)

    assert (before, InboundMessage.objects.get().reply_state) == ("PENDING", "UNDELIVERED")
    reply.sent(True)
    assert InboundMessage.objects.get().reply_state == "SENT"


def test_the_same_bytes_get_the_same_answer_and_have_no_second_effect() -> None:
    first = answer(order())
    events = DomainEvent.objects.count()

    second = answer(order())

    assert second == first
    assert Order.objects.count() == 1
    assert DomainEvent.objects.count() == events
    assert InboundMessage.objects.get().repeats == 1


def test_a_known_control_id_with_another_body_is_a_new_message() -> None:
    answer(order(key="M1"))

    code, _ = outcome(
        order(orc=ORC.replace("PL1", "PL2"), obr=OBR.replace("PL1", "PL2"), key="M1", more=())
    )

    assert code == "AA"
    assert Order.objects.count() == 2
    assert list(InboundMessage.objects.order_by("id").values_list("key_reused", flat=True)) == [
        False,
        True,
    ]


def test_the_same_order_under_a_new_control_id_is_no_second_order() -> None:
    answer(order(key="M1"))

    assert outcome(order(key="M2")) == ("AA", [])
    assert Order.objects.count() == 1


def test_another_order_under_a_known_number_is_a_duplicate_key() -> None:
    answer(order(key="M1"))

    code, faults = outcome(order(obr=OBR.replace("CTHEAD", "MRHEAD"), key="M2"))

    assert (code, faults) == ("AE", ["205 ORC^1^2"])
    assert Order.objects.count() == 1
    refused = InboundMessage.objects.get(key="M2")
    assert (refused.state, refused.error_path) == ("REJECTED", "ORC-2")
    assert list(refused.orders.all()) == list(Order.objects.all())


def test_a_procedure_is_the_one_that_the_catalog_knows_by_its_alternate_code() -> None:
    make.device()
    make.definition()
    told = obr(f1="1", f2="PL1^HIS", f4="70450^CT HEAD WO^C4^CTHEAD^CT head^L", f24="CT")

    assert outcome(order(obr=told, key="M1")) == ("AA", [])

    procedure = Order.objects.get().procedures.get()
    assert procedure.definition is not None
    assert (procedure.code_value, procedure.code_meaning) == ("CTHEAD", "CT head")
    again = outcome(order(obr=told, key="M2"))
    assert (again, Order.objects.count()) == (("AA", []), 1)


def test_a_change_that_brings_a_result_leaves_the_notes_of_the_order() -> None:
    make.device()
    note, told = "NTE|1||Claustrophobic", "OBX|1|NM|2160-0^Creatinine^LN||0.9|mg/dL"
    assert answer(order(key="M1", pv1="PV1|1|I|4W^401^A", more=(note,)))[1] == "MSA|AA|M1"
    # The patient was moved to another bed: that is no other order.
    assert answer(order(key="M2", pv1="PV1|1|I|5E^1^A", more=(note,)))[1] == "MSA|AA|M2"

    change = ORC.replace("NW", "XO")
    assert answer(order(key="M3", pv1="", orc=change, more=(told,)))[1] == "MSA|AA|M3"
    assert answer(order(key="M4", pv1="", orc=change, more=(told,)))[1] == "MSA|AA|M4"

    assert Order.objects.get().comments == (
        "Claustrophobic\nPatient is at 4W / 401 / A\nCreatinine: 0.9 mg/dL"
    )


def test_all_orders_of_a_message_are_done_or_none() -> None:
    answer(order(key="M1"))
    good = (orc(f1="NW", f2="PL2^HIS"), obr(f4="CTNECK^CT neck^L", f24="CT"))
    wrong = (orc(f1="CA", f2="NOPE^HIS"), orc(f1="NW", f2="PL1^HIS"), obr(f4="OTHER^x^L"))

    code, faults = outcome(order(orc=good[0], obr=good[1], more=wrong, key="M2"))

    assert (code, faults) == ("AE", ["204 ORC^2^2", "205 ORC^3^2"])
    assert list(Order.objects.values_list("placer_order_number", flat=True)) == ["PL1"]


def test_a_patient_known_under_the_old_number_is_found_after_a_merge() -> None:
    answer(messages.text(PID, key="A1", message_type="ADT^A04"))
    answer(
        messages.text(
            "PID|1||4712^^^HOSP^MR||Berg^Anna||19700503|F", key="A2", message_type="ADT^A04"
        )
    )
    merge = messages.text(PID, "MRG|4712^^^HOSP^MR", key="A3", message_type="ADT^A40")

    assert outcome(merge) == ("AA", [])
    answer(order(pid="PID|1||4712^^^HOSP^MR||Berg^Anna||19700503|F"))

    survivor = PatientIdentifier.objects.get(value="4711").patient
    assert Order.objects.get().patient == survivor


def test_an_update_changes_and_deletes() -> None:
    answer(messages.text(PID + "|||Ringstrasse 1", key="A1", message_type="ADT^A04"))

    answer(
        messages.text('PID|1||4711^^^HOSP^MR||Berg^Anne||||||""', key="A2", message_type="ADT^A08")
    )

    patient = Patient.objects.get()
    assert patient.name == "Berg^Anne"
    assert patient.address == ""
    assert patient.birth_date == "1970-05-03"


def test_a_new_weight_reaches_a_known_patient_with_the_order() -> None:
    answer(messages.text(PID, key="A1", message_type="ADT^A04"))

    answer(order(more=("OBX|1|NM|29463-7^Body weight^LN||70|kg",)))

    patient = Patient.objects.get()
    assert patient.weight_kg == 70
    assert patient.name == "Berg^Anna^Maria"


# --- cancel, hold, change -----------------------------------------------------------------------

CANCEL = orc(f1="CA", f2="PL1^HIS", f16="^ordered twice")


def test_a_cancellation_without_obr_removes_the_step() -> None:
    make.device()
    answer(order(key="M1"))

    assert outcome(order(orc=CANCEL, obr="", more=(), key="M2")) == ("AA", [])
    assert Order.objects.get().status == "CANCELED"
    assert ScheduledProcedureStep.objects.get().status == "CANCELED"


def test_a_cancellation_before_its_order_is_an_unknown_key() -> None:
    assert outcome(order(orc=CANCEL, obr="", more=())) == ("AE", ["204 ORC^1^2"])


def test_a_cancellation_after_the_start_is_refused_with_the_reason() -> None:
    make.device()
    answer(order(key="M1"))
    execute(make.start(Order.objects.get()), actor=people.ct1)

    segments = answer(order(orc=CANCEL, obr="", more=(), key="M2"))

    assert segments[1] == "MSA|AE|M2|cannot cancel: the exam was started"
    assert segments[2].startswith("ERR|ORC^1^1^207&")
    assert Order.objects.get().status == "ACTIVE"
    assert ScheduledProcedureStep.objects.get().status == "STARTED"


def test_hold_release_and_change() -> None:
    make.device()
    answer(order(key="M1"))

    assert outcome(order(orc=orc(f1="HD", f2="PL1^HIS"), obr="", more=(), key="M2"))[0] == "AA"
    held = Order.objects.get().status
    assert outcome(order(orc=orc(f1="RL", f2="PL1^HIS"), obr="", more=(), key="M3"))[0] == "AA"
    changed = order(
        orc=orc(f1="XO", f2="PL1^HIS", f7="^^^202903121030"),
        obr=obr(f4="CTHEAD^CT head^L"),
        more=(),
        key="M4",
    )
    assert outcome(changed)[0] == "AA"

    assert (held, Order.objects.get().status) == ("ON_HOLD", "ACTIVE")
    start = ScheduledProcedureStep.objects.get().start_at
    assert start is not None
    assert start.isoformat() == "2029-03-12T10:30:00+00:00"


# --- answers of an application ------------------------------------------------------------------


def typed(message: str) -> list[str]:
    return [segment for segment in answer(message) if not segment.startswith("ERR|")]


@pytest.mark.parametrize(
    ("kind", "version", "told"),
    [
        ("ORM^O01", "2.3.1", "ORR^O02"),
        ("ORM^O01", "2.5.1", "ORR^O02^ORR_O02"),
        ("OMG^O19", "2.5.1", "ORG^O20^ORG_O20"),
        ("OMI^O23", "2.5.1", "ORI^O24^ORI_O24"),
    ],
)
def test_a_peer_may_want_an_answer_to_the_order(kind: str, version: str, told: str) -> None:
    register(settings={"reply": "typed"})

    segments = typed(order(message_type=kind, version=version))

    assert segments[0].split("|")[8] == told
    assert segments[1] == "MSA|AA|M1"
    filler = Order.objects.get().filler_order_number
    assert segments[2] == f"ORC|OK|PL1^HIS|{filler}^RIS"


def test_the_answer_to_an_order_says_what_became_of_it() -> None:
    register(settings={"reply": "typed"})
    make.device()
    cancel = order(orc=CANCEL, obr="", more=(), key="M2")

    unknown = "no such order; canceled if it comes within 15 minutes"
    assert typed(cancel)[1:] == [
        f"MSA|AE|M2|{unknown}",
        "ORC|UC|PL1^HIS" + "|" * 14 + f"^{unknown}",
    ]
    other = obr(f2="PL2^HIS", f4="CTHEAD^CT head^L")
    typed(order(orc=orc(f1="NW", f2="PL2^HIS"), obr=other, more=(), key="M3"))
    filler = Order.objects.get().filler_order_number
    accepted = typed(order(orc=orc(f1="CA", f2="PL2^HIS"), obr="", more=(), key="M4"))
    assert accepted[2] == f"ORC|CR|PL2^HIS|{filler}^RIS||CA"


def test_enhanced_mode_is_answered_by_what_was_agreed() -> None:
    enhanced = order().replace("|P|2.3.1||||||", "|P|2.3.1|||AL|NE||")
    assert answer(enhanced)[1] == "MSA|AA|M1"
    register(settings={"acknowledgement": "accept"})

    assert answer(enhanced.replace("M1", "M2"))[1] == "MSA|CA|M2"
    assert answer(enhanced.replace("M1", "M3").replace("M^O01", "M^O99"))[1].startswith("MSA|CR|")
    assert answer(order(key="M4"))[1] == "MSA|AA|M4"


# --- again, and when the database is away -------------------------------------------------------


def test_a_refused_message_is_applied_once_its_cause_is_mended() -> None:
    make.device()
    cancel = order(orc=CANCEL, obr="", more=(), key="M1")
    answer(cancel)
    answer(order(key="M2"))
    message = InboundMessage.objects.get(key="M1")

    execute(
        ReplayMessage(message=str(message.public_id), reason="order arrived"), actor=people.admin
    )

    message.refresh_from_db()
    assert (message.state, message.outcome) == ("APPLIED", "AA")
    assert Order.objects.get().status == "CANCELED"


def test_without_the_database_nothing_is_acknowledged() -> None:
    def away(run: Any, sql: str, *args: Any) -> Any:
        if "ris_inboundmessage" in sql:
            raise OperationalError("database is locked")
        return run(sql, *args)

    with connection.execute_wrapper(away):
        reply = handle(order().encode(), PEER)

    assert isinstance(reply, Reply)
    assert b"MSA|AE|M1|" in reply.payload
    assert b"206&" in reply.payload


def test_a_hold_by_people_stops_a_change_by_the_placer_no_more_than_a_page_would() -> None:
    answer(order(key="M1"))
    placed = Order.objects.get()
    execute(
        HoldOrder(order=OrderReference(public_id=str(placed.public_id))), actor=people.scheduler
    )

    code, _ = outcome(order(orc=CANCEL, obr="", more=(), key="M2"))

    assert code == "AA"


def test_an_order_costs_a_bounded_number_of_statements(
    django_assert_max_num_queries: Any,
) -> None:
    make.device()
    with django_assert_max_num_queries(80):
        answer(order())


def test_every_route_of_orders_has_an_answer_of_its_own() -> None:
    assert {key: route.reply[:2] for key, route in ROUTES.items() if route.reply} == {
        ("ORM", "O01"): ("ORR", "O02"),
        ("OMG", "O19"): ("ORG", "O20"),
        ("OMI", "O23"): ("ORI", "O24"),
    }
