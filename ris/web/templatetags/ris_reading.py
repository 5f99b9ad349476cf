"""How a reading list says how long there is left, and what a prior is called in a report."""

from __future__ import annotations

from django import template
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from ris.domain.reading import Haste
from ris.selectors.priors import PriorLine
from ris.selectors.reading import Pile, ReadingLine
from ris.web import icons
from ris.web.labels import Tone

register = template.Library()

_LOOKS = {
    Haste.IN_TIME.value: ("clock", Tone.NEUTRAL),
    Haste.SOON.value: ("clock", Tone.WARN),
    Haste.OVERDUE.value: ("alert", Tone.BAD),
}


def span(minutes: int) -> str:
    """A length of time, short: ``12 min``, ``3 h``, ``2 d``."""
    if minutes < 60:
        return _("{count} min").format(count=minutes)
    if minutes < 48 * 60:
        return _("{count} h").format(count=minutes // 60)
    return _("{count} d").format(count=minutes // (24 * 60))


@register.simple_tag
def due(line: ReadingLine) -> SafeString | str:
    """``12 min left``, ``overdue 40 min``: icon, words and tone together."""
    if line.due_at is None or line.haste not in _LOOKS:
        return ""
    icon, tone = _LOOKS[line.haste]
    left = line.minutes_left
    if line.haste == Haste.OVERDUE.value:
        words = _("overdue {time}").format(time=span(max(-left, 1)))
    else:
        words = _("{time} left").format(time=span(max(left, 0)))
    return format_html(
        '<span class="badge-state tone-{}">{}{}</span>', tone.value, icons.svg(icon), words
    )


@register.filter
def is_timed_pile(pile: str) -> bool:
    """Whether its exams wait for a reader, rather than having been worked on."""
    return pile not in {Pile.DRAFTS.value, Pile.STOPPED.value, Pile.SIGNED.value}


@register.filter
def minutes(count: int | str) -> str:
    """A number of minutes as people say it."""
    return span(int(count)) if str(count).isdigit() else ""


@register.filter
def as_comparison(prior: PriorLine) -> str:
    """How a report names what it was compared with: ``CT Chest, 3 May 2024``."""
    words = prior.words
    if prior.modalities and not words.upper().startswith(prior.modalities[0]):
        words = f"{prior.modalities[0]} {words}"
    # A report is read years later: no day of it is "yesterday", and none is without its year.
    written = formats.date_format(timezone.localtime(prior.at), "j F Y") if prior.at else ""
    return ", ".join(part for part in (words, written) if part)
