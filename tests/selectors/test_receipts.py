"""Receipts of a report: who has which version, what came back, what it waits for."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from ris.domain.exchange import DELIVERY, DeliveryTrigger, Subscription
from ris.domain.reporting import AmendReport, VersionKind
from ris.models import Delivery, DeliveryAttempt, Endpoint, Report
from ris.selectors import receipts
from ris.selectors.receipts import Receipt, Waiting
from ris.services import execute, outbox
from ris.services._transition import move
from ris.web.templatetags.ris_receipts import why_waiting
from tests import make, people

pytestmark = pytest.mark.django_db
RESULTS = (Subscription.RESULTS,)


@pytest.fixture
def report() -> Report:
    make.site()
    make.device()
    make.endpoint("EHR", sends=RESULTS)
    report = make.final_report(make.performed())
    outbox.fan_out()
    return report


def amended(report: Report) -> None:
    execute(
        AmendReport(
            report=str(report.public_id),
            kind=VersionKind.ADDENDUM,
            sections={"addendum": "Compared."},
        ),
        actor=people.radiologist,
    )
    outbox.fan_out()


def went(row: Delivery, trigger: DeliveryTrigger, reply: bytes = b"", error: str = "") -> None:
    move(row, DELIVERY, DeliveryTrigger.LEASE)
    row.last_error = error
    if trigger is DeliveryTrigger.SUCCEED:
        row.delivered_at = timezone.now()
    move(row, DELIVERY, trigger, "last_error", "delivered_at")
    DeliveryAttempt.objects.create(delivery=row, number=1, started_at=timezone.now(), reply=reply)


def only(report: Report) -> Receipt:
    (group,) = receipts.of_report(str(report.public_id))
    (receipt,) = group.receipts
    return receipt


def test_what_was_just_signed_leaves_at_once(report: Report) -> None:
    receipt = only(report)

    assert (receipt.endpoint, receipt.message_type, receipt.version) == ("EHR", "ORU^R01", 1)
    assert receipt.waiting is Waiting.SOON
    assert receipts.unsettled(receipts.of_report(str(report.public_id)))


def test_a_delivered_version_shows_when_and_what_the_receiver_said(report: Report) -> None:
    went(Delivery.objects.get(), DeliveryTrigger.SUCCEED, b"MSH|^~\\&|EHR\rMSA|AA|C1\r")

    receipt = only(report)

    assert (receipt.answer, receipt.waiting) == ("AA", Waiting.NOT)
    assert receipt.delivered_at is not None
    assert not receipts.unsettled(receipts.of_report(str(report.public_id)))


def test_what_comes_after_a_refused_version_waits_behind_it(report: Report) -> None:
    first = Delivery.objects.get()
    went(first, DeliveryTrigger.REFUSE, b"MSA|AE|C1\rERR|", "AE: no such order")
    amended(report)

    newest, oldest = receipts.of_report(str(report.public_id))

    assert (newest.version, oldest.version) == (2, 1)
    assert newest.receipts[0].waiting is Waiting.BEHIND
    assert newest.receipts[0].blocker == str(first.public_id)
    refused = oldest.receipts[0]
    assert (refused.waiting, refused.answer, refused.error) == (
        Waiting.REFUSED,
        "AE",
        "AE: no such order",
    )
    assert refused.needs_a_person


def test_a_receiver_that_answered_is_not_said_to_be_silent(report: Report) -> None:
    went(Delivery.objects.get(), DeliveryTrigger.DEFER, b"MSA|AE|C1\r", "AE: no such patient here")

    assert only(report).waiting is Waiting.AGAIN
    assert why_waiting(only(report)) == "Answered AE; it is asked again by itself."


def test_a_receiver_without_a_word_is_tried_again(report: Report) -> None:
    went(Delivery.objects.get(), DeliveryTrigger.DEFER, error="no answer within 30 s")

    assert why_waiting(only(report)) == "No answer yet; it is tried again by itself."


def test_what_comes_after_a_version_on_its_way_waits_for_it(report: Report) -> None:
    went(Delivery.objects.get(), DeliveryTrigger.DEFER, b"MSA|AE|C1\r", "AE: no such patient here")
    amended(report)

    newest, oldest = receipts.of_report(str(report.public_id))

    assert (newest.receipts[0].waiting, newest.receipts[0].ahead) == (Waiting.QUEUED, 1)
    assert why_waiting(newest.receipts[0]) == "Waits until version 1 is there."
    assert not newest.receipts[0].needs_a_person
    assert oldest.receipts[0].waiting is Waiting.AGAIN


@pytest.mark.parametrize(
    ("field", "value", "waiting"),
    [("paused", True, Waiting.PAUSED), ("active", False, Waiting.OFF)],
)
def test_an_interface_that_sends_nothing_is_named_as_the_reason(
    report: Report, field: str, value: bool, waiting: Waiting
) -> None:
    Endpoint.objects.update(**{field: value})

    assert only(report).waiting is waiting
    assert only(report).needs_a_person


def test_all_receivers_and_versions_are_one_question(
    report: Report, django_assert_num_queries: Any
) -> None:
    make.endpoint("GP", sends=RESULTS)
    amended(report)

    with django_assert_num_queries(1):
        groups = receipts.of_report(str(report.public_id))

    assert [[each.endpoint for each in group.receipts] for group in groups] == [
        ["EHR", "GP"],
        ["EHR"],
    ]


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        (b"", ""),
        (b"\x0bMSH|^~\\&\rMSA|CA|1\r", "CA"),
        (b"MSH#\r\nMSA#AR#1", "AR"),
        (b'{"resourceType": "OperationOutcome"}', ""),
        (b"OBX|1|TX|||MSA|AA", ""),
    ],
)
def test_the_answer_is_the_receivers_word(reply: bytes, answer: str) -> None:
    assert receipts.answer_of(reply) == answer
