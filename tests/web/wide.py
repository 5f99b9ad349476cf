"""A language that nobody speaks: every letter that is translated is written wide.

So a letter that is not wide is of a word that was never translated, or of what people and peers
wrote.
"""

from __future__ import annotations

import gettext
import re
from collections.abc import Iterator
from contextlib import contextmanager

from django.utils import translation
from django.utils.translation import trans_real

HOLE = re.compile(r"(%\(\w+\)[sd]|\{\w+\})")
_WIDE = {code: code + 0xFEE0 for code in (*range(65, 91), *range(97, 123))}
_NARROW = re.compile(r"[A-Za-z]+")


def wide(message: str) -> str:
    return "".join(
        part if HOLE.fullmatch(part) else part.translate(_WIDE) for part in HOLE.split(message)
    )


class _Wide(gettext.NullTranslations):
    """Translates everything that it is asked for; formats of dates are no words."""

    def gettext(self, message: str) -> str:
        context, found, text = message.rpartition(trans_real.CONTEXT_SEPARATOR)
        return text if found and context.startswith(("date", "day")) else wide(text)

    def ngettext(self, singular: str, plural: str, count: int) -> str:
        return wide(singular if count == 1 else plural)

    def to_language(self) -> str:
        return "fr"


@contextmanager
def in_wide() -> Iterator[None]:
    """Have pages speak it."""
    with translation.override("fr"):
        trans_real._active.value = _Wide()  # type: ignore[attr-defined]
        yield


def narrow(text: str, *theirs: str) -> list[str]:
    """What was not translated and nobody else wrote."""
    for each in sorted(theirs, key=len, reverse=True):
        text = text.replace(each, "")
    return _NARROW.findall(text)
