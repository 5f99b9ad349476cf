"""Who may send, and that what was agreed with a sender holds."""

from __future__ import annotations

import pytest

from integration.hl7.server import Peer
from ris.domain.actors import OPERATOR
from ris.domain.errors import DeniedError
from ris.domain.exchange import ReplayMessage
from ris.models import (
    AuditEvent,
    Endpoint,
    InboundMessage,
    Order,
    PatientIdentifier,
    ScheduledProcedureStep,
)
from ris.services import execute
from tests import make
from tests.integration.hl7.intake import answer, outcome, register
from tests.integration.hl7.messages import order

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("refusing")]


def test_an_unregistered_sender_is_refused_kept_and_audited() -> None:
    segments = answer(order())

    assert segments[1] == "MSA|AR|M1|this sender is not registered"
    assert Order.objects.count() == 0
    message = InboundMessage.objects.get()
    assert (message.state, message.outcome) == ("REJECTED", "AR")
    audit = AuditEvent.objects.get(action="HL7 sender refused")
    assert audit.outcome == "refused"
    assert audit.address == "127.0.0.1"
    assert audit.detail == {"sender": "HIS^GENERAL", "message_type": "ORM^O01"}


def test_a_refused_sender_is_heard_once_it_is_registered() -> None:
    answer(order())
    register()

    assert outcome(order()) == ("AA", [])
    assert Order.objects.get().source is not None


def test_a_peer_may_be_registered_by_its_application_alone() -> None:
    register(protocol_name="HIS")

    assert outcome(order()) == ("AA", [])


def test_a_registered_sender_may_be_bound_to_addresses() -> None:
    register(settings={"addresses": ["10.1.0.0/16"]})

    elsewhere = answer(order(key="M1"))
    at_home = answer(order(key="M2"), Peer("10.1.2.3", 5, 2575, 2))

    assert elsewhere[1] == "MSA|AR|M1|this sender may not send from there"
    assert at_home[1] == "MSA|AA|M2"


def again(message: InboundMessage) -> str:
    """The state after an administrator has it applied again."""
    execute(ReplayMessage(message=str(message.public_id), reason="mended"), actor=OPERATOR)
    message.refresh_from_db()
    return message.state


def test_what_an_unregistered_sender_sent_can_be_applied_once_it_is_registered() -> None:
    answer(order())
    register()

    assert again(InboundMessage.objects.get()) == "APPLIED"


def test_what_came_without_the_senders_certificate_is_never_applied_again() -> None:
    register(settings={"certificates": ["his"]})
    assert answer(order())[1] == "MSA|AR|M1|this sender must show its certificate"
    message = InboundMessage.objects.get()

    with pytest.raises(DeniedError, match="has to be sent again"):
        again(message)

    assert (InboundMessage.objects.get().state, Order.objects.count()) == ("REJECTED", 0)


def test_what_came_in_the_folder_of_another_is_not_applied_by_asking_again() -> None:
    register(settings={"folder": "his"})
    register("LAB", "LAB^GENERAL", settings={"folder": "lab"})
    answer(order(), Peer("folder lab", 0, 0, 0, folder="LAB"))
    message = InboundMessage.objects.get()

    assert again(message) == "REJECTED"
    assert message.error == "this folder is another sender's"
    assert Order.objects.count() == 0


def test_a_sender_whose_settings_cannot_be_used_is_asked_to_try_again() -> None:
    register()
    Endpoint.objects.update(time_zone="Middle/Earth")  # by another release, or by hand

    code, faults = outcome(order())

    assert (code, faults[0].split()[0]) == ("AE", "206")


def test_the_agreed_settings_are_in_force() -> None:
    make.device()
    register(time_zone="America/New_York", settings={"wait_for_scheduler": True})

    answer(order(pid="PID|1||4711||Berg^Anna"))

    step = ScheduledProcedureStep.objects.get()
    assert step.status == "PENDING"
    assert step.wished_at is not None
    assert step.wished_at.isoformat() == "2029-03-11T13:00:00+00:00"
    assert PatientIdentifier.objects.get().issuer == "GENERAL"


def test_a_strict_peer_must_use_the_catalog() -> None:
    register(settings={"strict_catalog": True})

    code, faults = outcome(order())

    assert (code, faults) == ("AE", ["102 OBR^1^4"])
