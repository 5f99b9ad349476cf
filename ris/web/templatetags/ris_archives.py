"""Whether other archives are asked for earlier exams."""

from __future__ import annotations

from django import template

from ris.selectors import archives

register = template.Library()


@register.simple_tag
def archives_asked() -> bool:
    """Without any a page fetches nothing of them."""
    return archives.are_asked()
