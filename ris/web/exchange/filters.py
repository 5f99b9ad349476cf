"""What an address asks of the message list, and pages of it by key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ris.domain.exchange import DeliveryState, MessageState, Protocol
from ris.selectors.message_filters import Filter
from ris.web import labels
from ris.web.asking import asked

M = TypeVar("M", bound=Model)

IN_STATES = [
    ("open", _("Need a person")),
    ("flagged", _("Key came before")),
    *((state.value, labels.MESSAGE[state].lazy) for state in MessageState),
]
OUT_STATES = [
    ("open", _("Need a person")),
    *((state.value, labels.DELIVERY[state].lazy) for state in DeliveryState),
]
SIZE = 50


def _one_of(text: str, choices: Sequence[tuple[str, object]]) -> str:
    return text if text in {value for value, _ in choices} else ""


def filter_of(request: HttpRequest, *, is_out: bool) -> Filter:
    """The filter of an address; words that are none of a list's count as not said."""
    protocols = [(item.value, "") for item in Protocol]
    return Filter(
        state=_one_of(asked(request, "state"), OUT_STATES if is_out else IN_STATES),
        protocol=_one_of(asked(request, "protocol"), protocols),
        endpoint=asked(request, "endpoint"),
        text=asked(request, "q", 100),
        type=asked(request, "type", 20),
        outcome="" if is_out else asked(request, "outcome", 20),
        patient=asked(request, "patient", 64),
        order=asked(request, "order", 64),
        since=asked(request, "since", 30),
        until=asked(request, "until", 30),
        contains=asked(request, "contains", 100),
    )


def address_of(wanted: Filter, *, is_out: bool) -> str:
    """The filter as the part of an address after the question mark."""
    said = wanted.said()
    if "text" in said:
        said["q"] = said.pop("text")
    return urlencode({**({"way": "out"} if is_out else {}), **said})


def in_words(wanted: Filter, names: dict[str, str], *, is_out: bool) -> list[tuple[str, str]]:
    """What a filter asks for, for people; ``names`` are those of the interfaces."""
    states = dict(OUT_STATES if is_out else IN_STATES)
    since, until = wanted.span(timezone.now())
    rows = [
        ("State", states.get(wanted.state, "")),
        ("Interface", names.get(wanted.endpoint, wanted.endpoint)),
        ("Protocol", labels.PROTOCOL[Protocol(wanted.protocol)].words if wanted.protocol else ""),
        ("Found by", wanted.text),
        ("Type", wanted.type),
        ("Answer", wanted.outcome),
        ("Patient number", wanted.patient),
        ("Order number", wanted.order),
        ("From", _local(since)),
        ("Until", _local(until)),
        ("Contains", wanted.contains),
    ]
    return [(title, str(words)) for title, words in rows if words]


def _local(moment: datetime | None) -> str:
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M}" if moment else ""


# --- pages by key


@dataclass(frozen=True, slots=True)
class Keyed(Generic[M]):
    """A page that begins behind a key, so that no page costs more the further back it is."""

    rows: Sequence[M]
    older: str  # the key to go on from; empty: that was all
    is_first: bool


def keyed(rows: QuerySet[M, Any], column: str, request: HttpRequest) -> Keyed[M]:
    """The rows, newest first, behind the key that ``?before=`` names."""
    behind = _key(asked(request, "before", 60))
    if behind is not None:
        at, key = behind
        rows = rows.filter(
            Q(**{f"{column}__lt": at}) | Q(**{column: at, "pk__lt": key}), **{f"{column}__lte": at}
        )
    found = list(rows[: SIZE + 1])
    older = ""
    if len(found) > SIZE:
        last = found[SIZE - 1]
        older = f"{getattr(last, column).isoformat()}_{last.pk}"
    return Keyed(found[:SIZE], older, behind is None)


def _key(text: str) -> tuple[datetime, int] | None:
    moment, _, key = text.partition("_")
    try:
        at, number = datetime.fromisoformat(moment), int(key)
    except ValueError:
        return None
    return (at, number) if at.tzinfo is not None and number < 2**63 else None
