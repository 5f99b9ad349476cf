"""The timeline in words: what each kind of entry says, with icon and tone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from ris.selectors.timeline import Entry, EntryKind
from ris.web import labels
from ris.web.event_words import event_label
from ris.web.labels import Label, Tone
from ris.web.telling_events import event_detail
from ris.web.telling_words import BY, LOOKS, fault, inside, message_words
from ris.web.templatetags.ris_web import isolated
from ris.web.wall_clock import hour
from ris.web.words import sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An entry ready for the page; ``expands`` is where its raw text can be had."""

    at: datetime
    words: str
    detail: str
    by: str
    icon: str
    tone: Tone
    link: str = ""
    expands: str = ""
    states: tuple[tuple[str, str], ...] = ()


def tell(entry: Entry) -> Told:
    return _TELLERS[entry.kind](entry)


def _by(entry: Entry) -> str:
    pattern = BY.get(entry.actor_kind)
    who = isolated(entry.actor)
    return str(pattern) % {"who": who} if pattern else who


def _event(entry: Entry) -> Told:
    label = event_label(entry.name)
    return Told(
        at=entry.at,
        words=label.words,
        detail=event_detail(entry.name, entry.detail),
        by=_by(entry),
        icon=label.icon,
        tone=label.tone,
    )


def _message_in(entry: Entry) -> Told:
    detail = entry.detail
    notes = []
    if detail["outcome"]:
        notes.append(_("answered %(answer)s") % {"answer": detail["outcome"]})
    if detail["error"]:
        notes.append(sentence(str(detail["error"])))
    if detail["key_reused"]:
        notes.append(_("this key came before with other content"))
    if count := detail["repeats"]:
        again = ngettext(
            "came once more and got the same answer",
            "came %(count)s more times and got the same answer",
            count,
        )
        notes.append(again % {"count": count})
    said = {"protocol": labels.label("protocol", detail["protocol"]).words}
    return Told(
        at=entry.at,
        words=_("%(protocol)s in: %(message)s") % {**said, "message": message_words(entry.name)},
        detail="; ".join(notes),
        by=isolated(entry.actor),
        icon="inbox",
        tone=labels.label("message", detail["state"]).tone,
        link=f"/messages/in/{entry.link}/",
        expands=f"/messages/in/{entry.link}/body/",
        states=(("message", detail["state"]),),
    )


def _message_out(entry: Entry) -> Told:
    detail = entry.detail
    said = {"protocol": labels.label("protocol", detail["protocol"]).words}
    return Told(
        at=entry.at,
        words=_("%(protocol)s out: %(message)s") % {**said, "message": message_words(entry.name)},
        detail=fault(str(detail["error"])) if detail["state"] != "DELIVERED" else "",
        by=_("to %(peer)s") % {"peer": isolated(entry.actor)},
        icon="send",
        tone=labels.label("delivery", detail["state"]).tone,
        link=f"/messages/out/{entry.link}/",
        expands=f"/messages/out/{entry.link}/body/",
        states=(("delivery", detail["state"]),),
    )


def _attempt(entry: Entry) -> Told:
    detail = entry.detail
    result = detail["result"]
    label = labels.label("result", result) if result else Label("Not finished", "clock", Tone.WARN)
    said = {
        "message": message_words(entry.name),
        "peer": isolated(entry.actor),
        "result": inside(label.words),
    }
    return Told(
        at=entry.at,
        words=_("%(message)s to %(peer)s: %(result)s") % said,
        detail=", ".join(filter(None, (fault(str(detail["error"])), _often(detail)))),
        by=_("attempt %(number)s") % {"number": detail["number"]},
        icon=label.icon,
        tone=label.tone,
        link=f"/messages/out/{entry.link}/",
    )


def _sighting(entry: Entry) -> Told:
    step = _("step %(step)s") % {"step": entry.detail["step_id"]}
    return Told(
        at=entry.at,
        words=_("Shown on the worklist of %(device)s") % {"device": entry.actor},
        detail=", ".join(filter(None, (step, _often(entry.detail)))),
        by=_by(entry),
        icon="device",
        tone=Tone.NEUTRAL,
    )


def _access(entry: Entry) -> Told:
    looked = LOOKS.get(entry.name)
    return Told(
        at=entry.at,
        words=str(looked) if looked else _("Looked at: %(what)s") % {"what": entry.name},
        detail=_often(entry.detail),
        by=_by(entry),
        icon="eye",
        tone=Tone.NEUTRAL,
    )


def _often(detail: Mapping[str, Any]) -> str:
    """``3 times until 2 Mar 12:00``; nothing for once."""
    count = detail["count"]
    if count < 2:
        return ""
    last = timezone.localtime(detail["last_at"])
    # Translators: a date as Django writes it (https://docs.djangoproject.com/ref/templates/builtins/#date)
    day = date_format(last, pgettext("day and month", "j M"))
    words = ngettext("%(count)s time until %(last)s", "%(count)s times until %(last)s", count)
    return words % {"count": count, "last": f"{day} {hour(last)}"}


def _refusal(entry: Entry) -> Told:
    return Told(
        at=entry.at,
        words=_("Refused: %(what)s") % {"what": entry.name},
        detail=sentence(str(entry.detail.get("reason", ""))),
        by=_by(entry),
        icon="ban",
        tone=Tone.BAD,
    )


_TELLERS = {
    EntryKind.EVENT: _event,
    EntryKind.MESSAGE_IN: _message_in,
    EntryKind.MESSAGE_OUT: _message_out,
    EntryKind.ATTEMPT: _attempt,
    EntryKind.SIGHTING: _sighting,
    EntryKind.ACCESS: _access,
    EntryKind.REFUSAL: _refusal,
}
