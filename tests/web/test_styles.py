"""A page loads the style sheets that have rules for what stands on it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from django.conf import settings

from ris.web import telling

TEMPLATES = Path(settings.TEMPLATES[0]["DIRS"][0])
STYLES = Path(telling.__file__).parent / "static" / "ris"
# What a page fetches once it stands, and what that fetches when it is opened.
FETCHED = {
    "orders/order.html": ("orders/_timeline.html", "exchange/_bodies.html"),
    "orders/section.html": ("orders/_timeline.html", "exchange/_bodies.html"),
    "reporting/report.html": ("reporting/_editor.html",),
}
PAGES = sorted(
    str(path.relative_to(TEMPLATES))
    for path in TEMPLATES.rglob("*.html")
    if not path.name.startswith("_") and "{% extends" in path.read_text(encoding="utf-8")
    if path.parent.name != "account"  # made of templates of the library for logins
)


@cache
def text(template: str) -> str:
    path = TEMPLATES / template
    return path.read_text(encoding="utf-8") if path.exists() else ""


def whole(page: str) -> str:
    """A page with all that it is made of."""
    waiting, seen = [page, *FETCHED.get(page, ())], set[str]()
    while waiting:
        template = waiting.pop()
        if template not in seen:
            seen.add(template)
            waiting += re.findall(r'{% (?:include|extends) "([^"]+)"', text(template))
    return "".join(text(each) for each in sorted(seen))


@cache
def ruled(sheet: str) -> frozenset[str]:
    """The classes that a style sheet has rules for."""
    rules = re.sub(r"/\*.*?\*/", "", (STYLES / sheet).read_text(encoding="utf-8"), flags=re.DOTALL)
    return frozenset(re.findall(r"\.([a-z][\w-]*)", "".join(re.findall(r"[^{}]+(?=\{)", rules))))


@pytest.mark.parametrize("page", PAGES)
def test_page_loads_the_rules_of_its_classes(page: str) -> None:
    source = whole(page)
    loaded = set(re.findall(r"static 'ris/([a-z]+\.css)'", source))
    plain = re.sub(r"{[%{].*?[%}]}", " ", source)
    used = {each for found in re.findall(r'class="([^"]*)"', plain) for each in found.split()}

    elsewhere = {
        (each, sheet.name)
        for sheet in STYLES.glob("*.css")
        for each in used & ruled(sheet.name)
        if not any(each in ruled(own) for own in loaded)
    }

    assert elsewhere == set()


def test_a_badge_holds_its_words_in_one_piece() -> None:
    """It is a row of parts with a gap between them: a time among its words would be one of them."""
    badge = re.compile(
        r'<span class="badge-state[^"]*">(?:\{% icon [^%]*%\})?'
        r"(?:\{% blocktranslate[^%]*\|(?:when|clock|when_said|day|exactly)|[^<{]+\{\{[^}]*\|when)"
    )

    broken = [
        str(path.relative_to(TEMPLATES))
        for path in sorted(TEMPLATES.rglob("*.html"))
        if badge.search(path.read_text(encoding="utf-8"))
    ]

    assert broken == []
