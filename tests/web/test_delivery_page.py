"""What an administrator reads of a message that did not leave as it should."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone

from ris.models import Delivery, Endpoint
from tests import make

As = Callable[[str], Client]


def page(as_: As, **values: object) -> str:
    make.endpoint("EHR")
    row = Delivery.objects.create(
        **{
            "endpoint": Endpoint.objects.get(name="EHR"),
            "lane": "order:1",
            "control_id": "C1",
            "message_type": "ORM^O01",
            "payload": b"MSH|^~\\&|RIS|RAD|EHR|X|2029||ORM^O01|C1|P|2.3.1\r",
            "due_at": timezone.now(),
            **values,
        }
    )
    text: str = as_("admin").get(f"/messages/out/{row.public_id}/").content.decode()
    return text


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"state": "DEAD", "payload": b"", "last_error": "U+00FC cannot be written (PID-5)"},
            "U+00FC cannot be written (PID-5)</strong></p><p>This message could not be written",
        ),
        (
            {"state": "DEAD", "last_error": "the sender stopped before an answer came"},
            "Whoever sent it stopped each time before an answer came",
        ),
        ({"state": "REFUSED", "last_error": "AE: 204"}, "The peer will not take it as it is"),
        ({"state": "PENDING", "last_error": "no answer: timed out"}, "It is tried again by itself"),
        (
            {"state": "DELIVERED", "last_error": "delivered, but the answer could not be applied"},
            "could not be applied</strong></p><p>The peer has the message.",
        ),
        ({"state": "SKIPPED", "last_error": "AE: 204 passed over"}, "AE: 204 passed over"),
    ],
    ids=["not written", "given up", "refused", "waiting", "answer not applied", "skipped"],
)
def test_the_page_says_what_is_wrong_and_what_to_do(
    as_: As, values: dict[str, object], said: str
) -> None:
    assert said in page(as_, **values)


def test_a_message_that_was_delivered_has_nothing_wrong_with_it(as_: As) -> None:
    text = page(as_, state="DELIVERED")

    assert "note tone-" not in text.partition("<main")[2].partition("Attempts")[0]
