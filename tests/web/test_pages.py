"""Every page, as each member of the cast: shown to whom it is for, refused to all others."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from ris.models import AuditEvent
from tests.web.department import Department

pytestmark = pytest.mark.database  # each page asks it something of its own
ROLES = ("scheduler", "frontdesk", "technologist", "radiologist", "manager", "admin")
EVERYBODY = frozenset(ROLES)
FLOOR = EVERYBODY - {"radiologist"}
SYSTEM = frozenset({"manager", "admin"})
READERS = frozenset({"radiologist", "manager", "admin"})

PAGES: dict[str, frozenset[str]] = {
    "/": EVERYBODY,
    "/orders/": EVERYBODY,
    "/orders/?tab=needs-information": EVERYBODY,
    "/orders/?tab=scheduled": EVERYBODY,
    "/orders/?tab=performed": EVERYBODY,
    "/orders/?tab=on-hold": EVERYBODY,
    "/orders/?tab=closed&sort=name": EVERYBODY,
    "/orders/new/": frozenset({"scheduler", "frontdesk"}),
    "/board/": EVERYBODY,
    "/arrivals/": FLOOR,
    "/room/": FLOOR,
    "/room/CT1/": FLOOR,
    "/reading/": READERS,
    "/reading/?pile=drafts": READERS,
    "/reading/?pile=preliminary": READERS,
    "/reading/?pile=unfinished": READERS,
    "/reading/?pile=signed": READERS,
    "/reading/mine/": frozenset({"radiologist"}),
    "/reading/targets/": READERS,
    "/critical/": EVERYBODY - {"technologist"},
    "/critical/?pile=done": EVERYBODY - {"technologist"},
    "/critical/categories/": SYSTEM,
    "/follow-ups/": EVERYBODY - {"technologist"},
    "/follow-ups/?pile=closed": EVERYBODY - {"technologist"},
    "/peer-review/": frozenset({"radiologist", "manager"}),
    "/peer-review/rules/": frozenset({"manager"}),
    "/patients/": EVERYBODY,
    "/patients/new/": frozenset({"scheduler", "frontdesk"}),
    "/exceptions/": frozenset({"technologist", "scheduler", "manager", "admin"}),
    "/messages/": SYSTEM,
    "/messages/?way=out": SYSTEM,
    "/messages/?state=open": SYSTEM,
    "/messages/?way=out&state=open": SYSTEM,
    "/messages/parked/": SYSTEM,
    "/messages/compare/": SYSTEM,
    "/messages/runs/": SYSTEM,
    "/messages/runs/new/?state=open": frozenset({"admin"}),
    "/interfaces/": SYSTEM,
    "/interfaces/new/": SYSTEM,
    "/interfaces/subscriptions/": SYSTEM,
    "/interfaces/mappings/": SYSTEM,
    "/interfaces/clients/": SYSTEM,
    "/interfaces/try/": SYSTEM,
    "/interfaces/new/?protocol=hl7&direction=out": frozenset({"admin"}),
    "/devices/": SYSTEM,
    "/devices/CT1/": SYSTEM,
    "/devices/why/": frozenset({"technologist", "manager", "admin"}),
    "/audit/": SYSTEM,
    "/account/": EVERYBODY,
    "/search/?q=nobody": EVERYBODY,
}


@pytest.mark.parametrize("role", ROLES)
def test_pages_are_shown_to_those_they_are_for(
    role: str, full: Department, as_: Callable[[str], Client]
) -> None:
    client = as_(role)

    shown = {path: client.get(path).status_code for path in PAGES}

    assert shown == {path: 200 if role in roles else 403 for path, roles in PAGES.items()}


@pytest.mark.parametrize("role", ROLES)
def test_pages_of_one_thing_are_shown(
    role: str, full: Department, as_: Callable[[str], Client]
) -> None:
    client = as_(role)
    orders = (
        full.waiting,
        full.urgent,
        full.without_modality,
        full.booked,
        full.arrived,
        full.started,
        full.unread,
        full.held,
        full.late,
    )
    paths = [f"/orders/{order.public_id}/" for order in orders]
    paths += [
        f"/reports/{report.public_id}/" for report in (full.draft, full.preliminary, full.final)
    ]
    paths += [f"/patients/{full.urgent.patient.public_id}/"]
    paths += [
        f"/messages/in/{full.rejected.public_id}/",
        f"/messages/out/{full.delivery.public_id}/",
    ]
    paths += [f"{path}body/" for path in paths[-2:]]

    shown = {path: client.get(path).status_code for path in paths}

    assert shown == dict.fromkeys(paths, 200)


@pytest.mark.parametrize("path", [path for path in PAGES if "?" not in path])
def test_nothing_is_shown_without_login(path: str, db: None, client: Client) -> None:
    response = client.get(path)

    assert response.status_code == 302
    assert response["Location"] == f"/login/?next={path}"


@pytest.mark.parametrize(
    "path", ["/orders/", "/board/", "/arrivals/", "/room/CT1/", "/exceptions/"]
)
def test_refresh_brings_only_the_live_part(
    path: str, full: Department, as_: Callable[[str], Client]
) -> None:
    client = as_("admin")

    text = client.get(path, headers={"X-Ris-Poll": "1", "HX-Request": "true"}).content.decode()

    assert text.lstrip().startswith("<div id=")
    assert "<html" not in text


@pytest.mark.parametrize(
    "path", ["/", "/orders/", "/arrivals/", "/reading/", "/exceptions/", "/board/"]
)
def test_empty_pages_say_what_will_appear(
    path: str, users: object, as_: Callable[[str], Client]
) -> None:
    text = as_("admin").get(path).content.decode()

    assert 'class="empty"' in text or path == "/"


def test_showing_an_order_is_audited(full: Department, as_: Callable[[str], Client]) -> None:
    AuditEvent.objects.all().delete()

    as_("frontdesk").get(f"/orders/{full.waiting.public_id}/")

    row = AuditEvent.objects.get()
    assert (row.action, row.actor_name, row.outcome) == ("ViewOrder", "frontdesk", "success")
    assert row.order == full.waiting
    assert row.patients == [str(full.waiting.patient.public_id)]


def test_refresh_audits_only_patients_who_are_new_in_it(
    full: Department, as_: Callable[[str], Client]
) -> None:
    from tests import make

    client = as_("scheduler")
    client.get("/orders/")
    AuditEvent.objects.all().delete()
    poll = {"X-Ris-Poll": "1", "HX-Request": "true"}

    client.get("/orders/", headers=poll)
    unchanged = AuditEvent.objects.count()
    added = make.order()
    AuditEvent.objects.all().delete()
    client.get("/orders/", headers=poll)

    assert unchanged == 0
    assert AuditEvent.objects.get().patients == [str(added.patient.public_id)]


def test_refresh_without_session_reloads_the_page(db: None, client: Client) -> None:
    response = client.get("/orders/", headers={"X-Ris-Poll": "1", "HX-Request": "true"})

    assert response.status_code == 200
    assert response["HX-Refresh"] == "true"
    assert response.content == b""


def test_policy_allows_nothing_inline(full: Department, as_: Callable[[str], Client]) -> None:
    client = as_("admin")

    for path in PAGES:
        response = client.get(path)
        text = response.content.decode()
        assert "'unsafe-inline'" not in response["Content-Security-Policy"]
        assert " style=" not in text, path
        assert "<style" not in text, path
        assert " onclick=" not in text, path
        assert "<script>" not in text, path
