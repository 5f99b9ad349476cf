"""Tags and filters of our templates."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from datetime import date, datetime, tzinfo
from typing import Any

from django import template
from django.http import HttpRequest
from django.template import Context
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import (
    get_language,
    get_language_bidi,
    get_language_info,
    pgettext,
)
from django.utils.translation import gettext as _

from ris.domain.actors import Actor
from ris.domain.local_time import which, whole_day
from ris.domain.reporting import SECTIONS
from ris.domain.values import Code, PartialDate, PersonName
from ris.models import User
from ris.selectors.order_lists import MANY
from ris.selectors.told_allergies import told_for
from ris.selectors.views import PatientView, ToldAllergy
from ris.services import commands
from ris.services import may as door_may
from ris.web import icons, labels, navigation
from ris.web.actors import actor_for
from ris.web.forms import PageForm
from ris.web.live.topics import topic_of
from ris.web.notes import note
from ris.web.wall_clock import hour, twice
from ris.web.words import exam_words, sentence

register = template.Library()


@register.simple_tag
def icon(name: str) -> SafeString:
    return icons.svg(name)


@register.simple_tag
def status(table: str, value: Any) -> SafeString:
    """A state as icon, words and tone together."""
    label = labels.label(table, str(value))
    return format_html(
        '<span class="badge-state tone-{}">{}{}</span>',
        label.tone.value,
        icons.svg(label.icon),
        label.words,
    )


@register.simple_tag
def words(table: str, value: Any) -> str:
    return labels.label(table, str(value)).words


@register.inclusion_tag("components/menu.html", takes_context=True)
def navigation_menu(context: Context) -> dict[str, Any]:
    request = context["request"]
    actor = _actor(request)
    return {"groups": navigation.menu(actor, request.path) if actor else []}


@register.simple_tag(takes_context=True)
def look(context: Context) -> SafeString:
    """Attributes of the page's root: language, theme, contrast, density, keys."""
    request = context.get("request")
    cookies = request.COOKIES if request else {}
    user = getattr(request, "user", None)
    theme = cookies.get("ris_theme") or (user.theme if isinstance(user, User) else "")
    values = {
        "lang": get_language() or "en",
        "dir": "rtl" if get_language_bidi() else "ltr",
        "data-bs-theme": "dark" if theme == "dark" else "light",
        "data-theme-choice": theme if theme in {"light", "dark"} else "auto",
    }
    if cookies.get("ris_contrast") == "more":
        values["data-contrast"] = "more"
    if cookies.get("ris_density") == "compact":
        values["data-density"] = "compact"
    if cookies.get("ris_keys") == "off":
        values["data-keys"] = "off"
    keys = _own_keys(request)
    if keys:
        values["data-keymap"] = json.dumps(keys)
    return format_html_join(" ", '{}="{}"', values.items())


def _own_keys(request: HttpRequest | None) -> dict[str, str]:
    user = getattr(request, "user", None)
    keys: dict[str, str] = user.preferences.get("keys", {}) if isinstance(user, User) else {}
    return keys


@register.simple_tag(takes_context=True)
def key(context: Context, ours: str) -> SafeString:
    """A shortcut as this person has it."""
    return format_html("<kbd>{}</kbd>", _own_keys(context.get("request")).get(ours, ours))


@register.simple_tag(takes_context=True)
def places(context: Context) -> list[navigation.Entry]:
    """The areas that this person reaches by ``g`` and a letter."""
    actor = _actor(context["request"])
    return [
        entry for entry in navigation.ENTRIES if actor and entry.key and entry.visible_to(actor)
    ]


@register.simple_tag
def shortcuts() -> list[tuple[str, str]]:
    """What the letters do: the letters, and what."""
    return [(keys, _(text)) for keys, text in navigation.SHORTCUTS]


@register.simple_tag(takes_context=True)
def roles_in_words(context: Context) -> str:
    actor = _actor(context["request"])
    return ", ".join(sorted(_(navigation.ROLES[role]) for role in actor.roles)) if actor else ""


def _actor(request: HttpRequest) -> Actor | None:
    """The person at the page; the pages of the login library come without our decorator."""
    known: Actor | None = getattr(request, "actor", None)
    if known is None and isinstance(request.user, User):
        known = actor_for(request, request.user)
        request.actor = known  # type: ignore[attr-defined]  # an attribute of ours
    return known


@register.simple_tag(takes_context=True)
def works_here(context: Context) -> bool:
    """Whether the person is of the staff, who may search everything; a referring doctor is not."""
    actor = _actor(context["request"])
    return actor is None or not actor.is_confined


@register.simple_tag(takes_context=True)
def may(context: Context, command: str) -> bool:
    """Whether the person at the page may give a command, by its name."""
    actor = _actor(context["request"])
    if actor is None:
        return False
    return door_may(actor, _COMMANDS[command])


_COMMANDS = {kind.__name__: kind for kind in commands()}


@register.simple_tag(takes_context=True)
def live(context: Context, name: str, seconds: int = 20) -> SafeString:
    """Attributes that make an element refresh itself by asking for its page's fragment.

    At once when the stream says that its topic changed (live.js), else every ``seconds``. Morphing
    keeps the focus and the scroll position; the header tells the server that no person
    clicked (session timeout, audit).
    """
    request: HttpRequest = context["request"]
    return format_html(
        'id="{}" data-live="{}" hx-get="{}" hx-trigger="every {}s, ris-live" hx-target="this" '
        "hx-swap=\"outerMorph\" hx-headers='{}'",
        name,
        topic_of(name),
        request.get_full_path(),
        seconds,
        mark_safe('{"X-Ris-Poll": "1"}'),
    )


@register.simple_tag
def day_left() -> int:
    """Seconds until the day of the page's clock is over, and what it shows as today is not."""
    now = timezone.localtime()
    _low, high = whole_day(now.date(), timezone.get_current_timezone())
    return int((high - now).total_seconds()) + 1


@register.inclusion_tag("components/field.html")
def field(bound: Any, css: str = "") -> dict[str, Any]:
    """Label, control, help and error of a form field, tied together for screen readers."""
    described = []
    if bound.help_text:
        described.append(f"{bound.auto_id}-help")
    if bound.errors:
        described.append(f"{bound.auto_id}-error")
    own = bound.field.widget.attrs
    attributes: dict[str, Any] = {}
    if bound.widget_type in {"text", "textarea"} and not own.keys() & {"dir", "inputmode"}:
        attributes["dir"] = "auto"  # what somebody writes runs as its own letters do
    if described:
        attributes["aria-describedby"] = " ".join(described)
    if bound.errors:
        attributes["aria-invalid"] = "true"
        attributes["class"] = f"{own.get('class', '')} is-invalid"
    return {
        "bound": bound,
        "control": bound.as_widget(attrs=attributes),
        "is_check": bound.widget_type == "checkbox",
        "css": css,
        "turns": bound.form.turns.get(bound.name) if isinstance(bound.form, PageForm) else None,
    }


@register.filter
def person(value: PersonName | str | None) -> str:
    """A name for people, from a value or from the stored DICOM form."""
    if not value:
        return ""
    name = value if isinstance(value, PersonName) else PersonName.parse(value)
    return isolated(name.display)


@register.simple_tag
def told_allergies(patient: PatientView) -> tuple[ToldAllergy, ...]:
    """What was said of a patient and waits to be confirmed; asked for where no page read it."""
    known = patient.told_allergies
    return told_for(patient.public_id) if known is None else known


@register.filter
def language_name(code: str) -> str:
    """A language in words: ``da`` is Danish. A code that nobody named stays as it came."""
    try:
        return str(get_language_info(code)["name_translated"])
    except KeyError:
        return code


@register.filter
def isolated(text: str) -> str:
    """``text`` kept apart from what stands beside it, if it runs from right to left (UAX 9).

    Otherwise a Hebrew or Arabic name would pull a time or a number beside it to its other side.
    """
    if any(unicodedata.bidirectional(char) in {"R", "AL"} for char in text):
        return f"\u2068{text}\u2069"
    return text


@register.filter
def birth(value: PartialDate | str | None) -> str:
    """A birth date to its precision, with the age if it is known: ``3 May 1970 (56 y)``."""
    partial = value if isinstance(value, PartialDate) else PartialDate(value or "")
    parts = [int(part) for part in partial.text.split("-")] if partial else []
    if len(parts) < 3:
        return partial.text
    born = date(*parts)
    # Translators: a date as Django writes it (https://docs.djangoproject.com/ref/templates/builtins/#date)
    shown = date_format(born, pgettext("date with year", "j M Y"))
    return f"{shown} ({age_on(born, timezone.localdate())})"


def age_on(born: date, today: date) -> str:
    """Years; months below two years; days below one month, as pediatric departments say it."""
    months = (today.year - born.year) * 12 + today.month - born.month - (today.day < born.day)
    if months >= 24:
        return _("{count} y").format(count=months // 12)
    if months >= 1:
        return _("{count} mo").format(count=months)
    return _("{count} d").format(count=max((today - born).days, 0))


@register.filter
def code(value: Code | Mapping[str, str] | None) -> str:
    """What a code means, or the code itself."""
    if not value:
        return ""
    item = value if isinstance(value, Code) else Code.from_json(dict(value))
    return item.meaning or item.value


@register.filter
def titled(sections: Mapping[str, str]) -> list[tuple[str, str]]:
    """A report's sections that have text, with their titles, in reading order."""
    return [
        (labels.SECTION[key].words, sections[key])
        for key, _title in SECTIONS
        if sections.get(key, "").strip()
    ]


@register.filter
def spoken(text: str) -> str:
    """A sentence of the core, in the language of the page."""
    return sentence(text)


@register.filter
def noted(text: str) -> str:
    """What the system noted of an exam or a dose document, in the language of the page."""
    return note(text)


@register.filter
def capped(count: int) -> str:
    """A number as far as anybody counts: ``999+``."""
    return f"{MANY - 1}+" if count >= MANY else str(count)


@register.filter
def within(milliseconds: int | None) -> str:
    """A limit that answers stayed within: ``within 50 ms``; -1 is beyond all limits."""
    if milliseconds is None:
        return _("no answers")
    if milliseconds < 0:
        return _("over 30 s")
    if milliseconds < 1000:
        return _("within {count} ms").format(count=milliseconds)
    return _("within {count} s").format(count=milliseconds // 1000)


register.filter("exams", exam_words)


@register.filter
def side(value: str) -> str:
    """``left``, ``right`` or ``both sides``; nothing where there are no sides."""
    return str(labels.LATERALITY.get(value, ""))


@register.filter
def when(value: datetime | None, zone: tzinfo | None = None) -> SafeString | str:
    """A time as people say it: ``Today 14:30``, ``Tomorrow 08:00``, ``3 May 14:30``.

    Here and below ``zone`` is that of a line's own site; without it, that of the page.
    """
    if value is None:
        return ""
    local = timezone.localtime(value, zone or None)
    return format_html(
        '<time datetime="{}">{} {}</time>',
        local.isoformat(timespec="minutes"),
        day_words(local.date(), zone),
        hour(value, zone),
    )


@register.filter
def when_said(value: datetime | None, zone: tzinfo | None = None) -> SafeString | str:
    """The same inside a sentence: ``held until today 14:30``."""
    if value is None:
        return ""
    local = timezone.localtime(value, zone or None)
    near = near_words(local.date(), zone)
    day_said = near[:1].lower() + near[1:] if near else day_words(local.date(), zone)
    return format_html(
        '<time datetime="{}">{} {}</time>',
        local.isoformat(timespec="minutes"),
        day_said,
        hour(value, zone),
    )


@register.filter
def exactly(value: datetime | None, zone: tzinfo | None = None) -> SafeString | str:
    """A time to the second, for timelines and logs."""
    if value is None:
        return ""
    local = timezone.localtime(value, zone or None)
    return format_html(
        '<time datetime="{}">{} {}</time>',
        local.isoformat(timespec="milliseconds"),
        day_words(local.date(), zone),
        f"{local:%H:%M:%S}{turn(value, zone)}",
    )


@register.filter
def clock(value: datetime | None, zone: tzinfo | None = None) -> SafeString | str:
    if value is None:
        return ""
    local = timezone.localtime(value, zone or None)
    return format_html(
        '<time datetime="{}">{}</time>', local.isoformat(timespec="minutes"), hour(value, zone)
    )


@register.filter
def clock_words(value: datetime | None, zone: tzinfo | None = None) -> str:
    """The same without markup, for attributes."""
    return hour(value, zone) if value else ""


@register.filter
def iso_day(value: datetime | None, zone: tzinfo | None = None) -> str:
    """The day of a time, for addresses: ``2026-03-02``."""
    return timezone.localtime(value, zone or None).date().isoformat() if value else ""


@register.filter
def turn(value: datetime | None, zone: tzinfo | None = None) -> str:
    """What is said after a time that comes twice, its offset; nothing after any other."""
    told = which(value, zone or timezone.get_current_timezone()) if value else ""
    return f" {told}" if told else ""


@register.filter
def twice_said(value: datetime | None, zone: tzinfo | None = None) -> str:
    """Which one is meant of a time that comes twice, as a sentence."""
    return twice(value, zone) if value else ""


@register.filter
def day(value: date | datetime | None, zone: tzinfo | None = None) -> str:
    if value is None:
        return ""
    on = timezone.localtime(value, zone or None).date() if isinstance(value, datetime) else value
    return day_words(on, zone)


def near_words(value: date, zone: tzinfo | None = None) -> str:
    """Yesterday, today, tomorrow; empty for any other day."""
    away = (value - timezone.localdate(timezone=zone or None)).days
    return {-1: _("Yesterday"), 0: _("Today"), 1: _("Tomorrow")}.get(away, "")


def day_words(value: date, zone: tzinfo | None = None) -> str:
    if near := near_words(value, zone):
        return near
    if value.year == timezone.localdate(timezone=zone or None).year:
        return date_format(value, pgettext("day of this year", "D j M"))
    return date_format(value, pgettext("day of another year", "D j M Y"))


@register.filter
def since(value: datetime | None) -> str:
    """How long ago, short: ``4 min``, ``3 h``, ``2 d``."""
    if value is None:
        return ""
    minutes = int((timezone.now() - value).total_seconds() // 60)
    if minutes < 60:
        return _("{count} min").format(count=max(minutes, 0))
    if minutes < 48 * 60:
        return _("{count} h").format(count=minutes // 60)
    return _("{count} d").format(count=minutes // (24 * 60))
