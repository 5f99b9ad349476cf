"""What a role may not do changes nothing, however the request is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from ris.models import (
    Appointment,
    AuditEvent,
    Booking,
    Delivery,
    Device,
    DomainEvent,
    Endpoint,
    InboundMessage,
    Order,
    Patient,
    PerformedProcedureStep,
    Report,
    ScheduledProcedureStep,
)
from ris.services import permitted_roles
from tests import make
from tests.web.department import Department
from tests.web.posts import POSTS, REASON

ROLES = ("scheduler", "frontdesk", "technologist", "radiologist", "manager", "admin")
KINDS = (
    Appointment,
    Booking,
    Delivery,
    Device,
    DomainEvent,
    Endpoint,
    InboundMessage,
    Order,
    Patient,
    PerformedProcedureStep,
    Report,
    ScheduledProcedureStep,
)


def everything() -> list[list[dict[str, Any]]]:
    """All that a command could change, as stored."""
    return [list(kind.objects.order_by("pk").values()) for kind in KINDS]


@pytest.mark.parametrize("role", ROLES)
def test_forbidden_posts_change_nothing(
    role: str, full: Department, as_: Callable[[str], Client]
) -> None:
    client = as_(role)
    forbidden = [
        post
        for post in POSTS
        if role not in {allowed.value for allowed in permitted_roles(post.command)}
    ]
    before = everything()

    answers = {}
    for post in forbidden:
        path = post.path(full)
        answers[path] = client.post(path, post.form(full)).status_code

    assert answers == dict.fromkeys(answers, 403)
    assert everything() == before


def test_each_form_is_forbidden_to_somebody() -> None:
    for post in POSTS:
        assert set(ROLES) - {role.value for role in permitted_roles(post.command)}, post.command


# Outside a transaction, as in a request: inside one the caller's own record tells of the denial.
@pytest.mark.django_db(transaction=True)
def test_denial_is_audited(full: Department, as_: Callable[[str], Client]) -> None:
    AuditEvent.objects.all().delete()

    as_("manager").post(f"/orders/{full.waiting.public_id}/cancel/", REASON)

    row = AuditEvent.objects.get(action="CancelOrder")
    assert (row.actor_name, row.outcome) == ("manager", "denied")


def test_nothing_happens_without_login(full: Department, client: Client) -> None:
    before = everything()

    answers = [client.post(post.path(full), post.form(full)) for post in POSTS]

    # What was typed is given back with the way to the login; where nothing was, the login comes.
    assert {answer.status_code for answer in answers} == {302, 401}
    moved = [answer for answer in answers if answer.status_code == 302]
    assert all(answer["Location"].startswith("/login/?next=") for answer in moved)
    assert everything() == before


def test_forms_of_other_sites_are_refused(full: Department, as_: Callable[[str], Client]) -> None:
    client = Client(enforce_csrf_checks=True)
    client.cookies = as_("scheduler").cookies

    response = client.post(f"/orders/{full.waiting.public_id}/cancel/", REASON)

    full.waiting.refresh_from_db()
    assert response.status_code == 403
    assert "Send again" in response.content.decode()
    assert full.waiting.status == "ACTIVE"


def test_get_changes_nothing(full: Department, as_: Callable[[str], Client]) -> None:
    client = as_("scheduler")
    before = everything()

    answers = {
        path: client.get(path).status_code
        for path in (
            f"/orders/{full.waiting.public_id}/cancel/",
            f"/appointments/{make.appointment_of(full.booked).public_id}/arrive/",
            "/reading/open/",
        )
    }

    assert answers == dict.fromkeys(answers, 405)
    assert everything() == before
