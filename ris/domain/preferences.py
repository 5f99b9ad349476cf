"""What a person likes: language, theme, and the letters that are shortcuts.

A browser may say otherwise of the theme, and has contrast and density of its own: a reading-room
screen is dark whoever sits there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ris.domain.commands import Command, Event
from ris.domain.errors import InvalidValueError

# As each calls itself, so that whoever cannot read the page finds the way out.
LANGUAGES: Mapping[str, str] = {
    "en": "English",
    "de": "Deutsch",
    "es": "Español",
    "fr": "Français",
    "ja": "日本語",
}

THEMES = ("", "light", "dark")

# Every letter or sign that does something on a page, as it is without anybody's choice.
KEYS: tuple[str, ...] = tuple("abcdefgjklmnoprstuvwxy[]")


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPreferences(Command[None]):
    """Keep the actor's own preferences.

    ``language`` empty: as the browser asks; ``theme`` empty: as the system says. ``keys`` maps a
    shortcut of ours to the key that the person presses instead; what is not named stays.
    """

    language: str = ""
    theme: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferencesSet(Event):
    username: str


def check(language: str, keys: Mapping[str, str], theme: str = "") -> None:
    """Raises InvalidValueError for what is not offered, or when two shortcuts share a key."""
    if theme not in THEMES:
        raise InvalidValueError("not a theme of the pages", path="theme")
    if language and language not in LANGUAGES:
        raise InvalidValueError("not a language of the pages", path="language")
    taken: dict[str, str] = {}
    for ours in KEYS:
        pressed = keys.get(ours, ours)
        if len(pressed) != 1 or not pressed.isprintable() or pressed in " /?":
            raise InvalidValueError(
                f"for {ours}: one letter, digit or sign other than / and ?", path="keys"
            )
        if pressed in taken:
            raise InvalidValueError(
                f"{pressed} cannot stand for both {taken[pressed]} and {ours}", path="keys"
            )
        taken[pressed] = ours
    unknown = sorted(set(keys) - set(KEYS))
    if unknown:
        raise InvalidValueError(f"{unknown[0]} is no shortcut", path="keys")
