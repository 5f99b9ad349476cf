"""Fields in the text of a report: what stands in square brackets waits to be filled in.

The text is the truth. A coded answer counts only as long as its words stand in the text where the
template put them; a bracket with a name in it keeps a report from being signed, wherever it came
from: a template, a macro, or somebody's hand. ``[1]`` is a number of a reference and stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ris.domain.reporting import SECTIONS

LONGEST_NAME = 80
_TOKEN = re.compile(r"\[([^\[\]\n]{1,300})\]")
_LEAD = 40  # characters before a field that say where it stands


@dataclass(frozen=True, slots=True)
class Unfilled:
    """A bracket that waits, with the section it stands in."""

    section: str
    name: str


def token(name: str) -> str:
    return f"[{name}]"


def tokens(text: str) -> Iterator[str]:
    """The names of the fields that wait in ``text``, in their order."""
    for found in _TOKEN.finditer(text):
        name = found[1].strip()
        if any(letter.isalpha() or letter in "_|" for letter in name):
            yield name


def unfilled(sections: Mapping[str, str]) -> list[Unfilled]:
    """In reading order, whatever order a database gives the sections back in."""
    return [Unfilled(key, name) for key, _ in SECTIONS for name in tokens(sections.get(key, ""))]


def _words(words: str) -> re.Pattern[str]:
    """``words`` as a whole, however its spaces are broken into lines."""
    body = r"\s+".join(re.escape(part) for part in words.split())
    return re.compile(rf"(?<!\w){body}(?!\w)")


def stands(text: str, words: str) -> bool:
    return bool(words.strip()) and _words(words).search(text) is not None


def lead(template: str, name: str) -> str:
    """What the template says right before a field, on its line and after the field before it."""
    before, found, _ = template.partition(token(name))
    if not found:
        return ""
    line = before.rpartition("\n")[2]
    return line.rpartition("]")[2].strip()[-_LEAD:].strip()


def stands_after(text: str, before: str, words: str) -> bool:
    """Whether ``words`` follow right after ``before``: they are the answer to that field."""
    if not words.strip():
        return False
    said = rf"{re.escape(before)}\s*" if before and not before[-1].isalnum() else ""
    if before and not said:
        said = rf"{re.escape(before)}\s+"
    return re.search(rf"{said}{_words(words).pattern}", text) is not None


def put(text: str, name: str, words: str, earlier: str = "", before: str = "") -> str:
    """``text`` with ``words`` for the field: in its bracket, else for the words that stood for it.

    Earlier words are replaced only where it is certain which are meant: once after what the
    template says before them, or once in all.
    """
    bracket = token(name)
    if words and bracket in text:
        return text.replace(bracket, words)
    if not earlier.strip() or earlier == words:
        return text
    new = words or bracket
    if before and text.count(f"{before} {earlier}") == 1:
        return text.replace(f"{before} {earlier}", f"{before} {new}")
    pattern = _words(earlier)
    if len(pattern.findall(text)) == 1:
        return pattern.sub(lambda _: new, text)
    return text
