"""Saved views: a list with its filters, columns and order, under a name.

A view is an address: what stands behind the question mark. It belongs to one login, or to a role
and then to everybody who has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qsl, urlencode

from ris.domain.commands import Command, Event


class ViewedPage(StrEnum):
    """The lists that views are kept of."""

    ORDERS = "orders"
    BOARD = "board"
    READING = "reading"
    EXCEPTIONS = "exceptions"
    MESSAGES = "messages"
    ARRIVALS = "arrivals"


ADDRESS: dict[ViewedPage, str] = {
    ViewedPage.ORDERS: "/orders/",
    ViewedPage.BOARD: "/board/",
    ViewedPage.READING: "/reading/",
    ViewedPage.EXCEPTIONS: "/exceptions/",
    ViewedPage.MESSAGES: "/messages/",
    ViewedPage.ARRIVALS: "/arrivals/",
}

MOST = 40  # of one login, and of one role, on one page

# What says where somebody is in a list, and which view was opened, but not what they look at.
_PASSING = frozenset({"page", "view", "csrfmiddlewaretoken", "format"})
# A day passes, and so does who was looked for; the board's day, week or list is what somebody looks
# at.
_OF_PAGES: dict[ViewedPage, frozenset[str]] = {
    ViewedPage.ARRIVALS: _PASSING | {"day", "q", "done"},
    ViewedPage.BOARD: _PASSING - {"view"} | {"day", "focus"},
}
ALL = "all"  # ?view=all: the list as it is without a view


def normal(page: ViewedPage, query: str) -> str:
    """An address' question without what passes, in one spelling, so that two can be compared."""
    passing = _OF_PAGES.get(page, _PASSING)
    pairs = [
        (name, value)
        for name, value in parse_qsl(query.lstrip("?"), keep_blank_values=False)
        if name not in passing and (name, value) != ("view", ALL)
    ]
    return urlencode(sorted(pairs))


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveView(Command[str]):
    """Keep a view under a name; one of the same name is replaced. Returns its public id.

    ``role`` empty: for the login alone. Sharing with a role is for administrators and managers.
    """

    page: ViewedPage
    name: str
    query: str
    role: str = ""
    is_default: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteView(Command[None]):
    view: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetDefaultView(Command[None]):
    """Open a page with this view; ``is_default`` false: with all of it again."""

    view: str
    is_default: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewShared(Event):
    """A view was given to a role, changed or taken back."""

    page: str
    view_name: str
    role: str
    what: str  # saved, deleted, opens first, opens no more
