"""Every word of the pages is there in every language, and what is there fits."""

from __future__ import annotations

import gettext
import re
import string
import subprocess
from pathlib import Path

import django
import pytest
from django.conf import settings
from django.core.management import call_command
from django.utils import dates, translation
from django.utils.translation import to_locale

from ris.domain.preferences import LANGUAGES
from tests.programs import ROOT, requires

OTHERS = sorted(set(LANGUAGES) - {"en"})
PERCENT = re.compile(r"%\((\w+)\)[sd]")


def catalog(language: str) -> dict[object, str]:
    """What the pages read: a message, or a message with the number of its plural form, and its
    translation."""
    with (ROOT / "locale" / language / "LC_MESSAGES" / "django.mo").open("rb") as file:
        return dict(gettext.GNUTranslations(file)._catalog)  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Every message of the source, with its context before ^D as gettext has it; and its plural."""
    place = tmp_path_factory.mktemp("words")
    for name in ("ris", "templates"):
        (place / name).symlink_to(ROOT / name)
    (place / "locale" / "xx").mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setattr(settings, "LOCALE_PATHS", [])
        call_command("makemessages", locale=["xx"], keep_pot=True, symlinks=True, verbosity=0)
    return read(place / "locale" / "django.pot")


def read(path: Path) -> dict[str, str]:
    """The messages of a template, as gettext's own tools write it."""
    found: dict[str, str] = {}
    entry: dict[str, str] = {}
    field = ""
    for line in [*path.read_text(encoding="utf-8").splitlines(), ""]:
        key, _, rest = line.partition(" ")
        if key in {"msgctxt", "msgid", "msgid_plural"}:
            field, entry[key] = key, _text(rest)
        elif line.startswith('"') and field:
            entry[field] += _text(line)
        elif not line:
            if entry.get("msgid"):
                context = f"{entry['msgctxt']}\x04" if "msgctxt" in entry else ""
                found[context + entry["msgid"]] = entry.get("msgid_plural", "")
            entry, field = {}, ""
        else:
            field = ""
    return found


def _text(quoted: str) -> str:
    inner = quoted.strip()[1:-1]
    return inner.replace("\\n", "\n").replace('\\"', '"').replace("\\\\", "\\")


def holes(text: str) -> set[str]:
    """The names that a message has filled in."""
    found = set(PERCENT.findall(text))
    if not found:
        found = {name for _, name, _, _ in string.Formatter().parse(text) if name}
    return found


@requires("gettext")
@pytest.mark.parametrize("language", OTHERS)
def test_nothing_is_left_in_english(words: dict[str, str], language: str) -> None:
    known = catalog(language)

    missing = [
        message
        for message, plural in words.items()
        if not known.get((message, 0) if plural else message)
    ]

    assert missing == []


@requires("gettext")
@pytest.mark.parametrize("language", OTHERS)
def test_what_is_filled_in_is_filled_in_everywhere(words: dict[str, str], language: str) -> None:
    wrong = []

    for key, translated in catalog(language).items():
        message = key[0] if isinstance(key, tuple) else key
        known = holes(str(message)) | holes(words.get(str(message), ""))
        # Each form of a plural may leave out what another says; a plain message leaves out nothing.
        lacking = set() if isinstance(key, tuple) else known - holes(translated)
        if message and (holes(translated) - known or lacking):
            wrong.append((message, translated))

    assert wrong == []


@requires("gettext")
@pytest.mark.parametrize("language", OTHERS)
def test_the_compiled_catalog_is_the_written_one(language: str, tmp_path: Path) -> None:
    folder = ROOT / "locale" / language / "LC_MESSAGES"
    made = tmp_path / "django.mo"
    subprocess.run(
        ["msgfmt", "--check-format", "-o", made, folder / "django.po"], check=True, timeout=30
    )

    assert made.read_bytes() == (folder / "django.mo").read_bytes()


@pytest.mark.parametrize("language", [code for code, _ in settings.LANGUAGES])
def test_no_word_of_ours_is_taken_for_a_month_or_a_day(language: str) -> None:
    own = gettext.translation(
        "django", Path(django.__file__).parent / "conf" / "locale", [to_locale(language)]
    )

    with translation.override(language):
        shown = [str(name) for names in (dates.MONTHS, dates.WEEKDAYS) for name in names.values()]

    with translation.override(None):
        words = [str(name) for names in (dates.MONTHS, dates.WEEKDAYS) for name in names.values()]
    assert shown == [own.gettext(word) for word in words]
