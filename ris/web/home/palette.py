"""The palette: pages, actions, patients and orders, found by a few letters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_GET

from ris.domain.actors import Actor, Role
from ris.domain.values import fold
from ris.selectors import patient_lists
from ris.web import navigation
from ris.web.access import PageRequest, page, saw, show
from ris.web.asking import asked
from ris.web.templatetags.ris_web import birth, person

FEWEST = 3  # letters or digits before anybody's name is looked for
MOST = 8  # patients shown


@dataclass(frozen=True, slots=True)
class Choice:
    words: str
    address: str
    icon: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Action:
    """Something to begin; ``text`` is English."""

    text: str
    address: str
    icon: str
    roles: tuple[Role, ...] = ()


ACTIONS: tuple[Action, ...] = (
    Action(gettext_noop("New order"), "/orders/new/", "plus", (Role.SCHEDULER, Role.FRONTDESK)),
    Action(
        gettext_noop("New patient"), "/patients/new/", "person", (Role.SCHEDULER, Role.FRONTDESK)
    ),
    Action(
        gettext_noop("Orders that need information"), "/orders/?tab=needs-information", "question"
    ),
    Action(
        gettext_noop("Why is an exam not on a scanner's list?"),
        "/devices/why/",
        "device",
        (Role.TECHNOLOGIST, Role.MANAGER, Role.ADMIN),
    ),
    Action(gettext_noop("Account, language and theme"), "/account/", "person"),
)


@require_GET
@page()
def palette(request: PageRequest) -> HttpResponse:
    """What fits the letters typed so far, the likeliest first."""
    text = asked(request, "q", 100).strip()
    groups = {
        _("Orders"): _orders(request, text),
        _("Patients"): _patients(request, text),
        _("Pages"): list(_pages(request.actor, text)),
        _("Begin"): list(_actions(request.actor, text)),
    }
    found = [(name, choices) for name, choices in groups.items() if choices]
    return show(request, "home/_palette.html", {"groups": found})


def _fits(words: str, text: str) -> bool:
    """Each word typed begins some word of ``words``."""
    there = fold(words).split()
    return all(any(word.startswith(typed) for word in there) for typed in fold(text).split())


def _pages(actor: Actor, text: str) -> Iterable[Choice]:
    for entry in navigation.ENTRIES:
        if entry.visible_to(actor) and _fits(entry.words, text):
            yield Choice(entry.words, entry.address, entry.icon)


def _actions(actor: Actor, text: str) -> Iterable[Choice]:
    for action in ACTIONS:
        words = _(action.text)
        if (not action.roles or actor.has(*action.roles)) and _fits(words, text):
            yield Choice(words, action.address, action.icon)


def _orders(request: PageRequest, text: str) -> list[Choice]:
    if len(text) < FEWEST or not any(char.isdigit() for char in text):
        return []
    found = patient_lists.orders_by_number(text)
    saw(request, "Search", [item.patient.public_id for item in found])
    return [
        Choice(
            item.accession_number,
            f"/orders/{item.order}/",
            "list",
            str(person(item.patient.name)),
        )
        for item in found
    ]


def _patients(request: PageRequest, text: str) -> list[Choice]:
    if len(text) < FEWEST:
        return []
    found = patient_lists.find(text, MOST)
    saw(request, "Search", [line.public_id for line in found])
    return [
        Choice(
            str(person(line.name)) or _("Name unknown"),
            f"/patients/{line.public_id}/",
            "person",
            " · ".join(part for part in (birth(line.birth_date), line.number) if part),
        )
        for line in found
    ]
