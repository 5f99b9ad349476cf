"""Days are said in one way on every page (``Today``, ``Mon 3 May``), never as numbers."""

from __future__ import annotations

import re
from pathlib import Path

from django.conf import settings

TEMPLATES = Path(settings.TEMPLATES[0]["DIRS"][0])
ATTRIBUTES = re.compile(r"<(?:{[%{].*?[%}]}|[^>{]|{(?![%{]))*>")
NUMBERS = re.compile(r"""\|date:["'](?:Y-m-d|SHORT_[A-Z_]+)["']""")


def test_no_page_shows_a_day_as_numbers() -> None:
    found = [
        f"{path.relative_to(TEMPLATES)}: {match[0]}"
        for path in sorted(TEMPLATES.rglob("*.html"))
        for match in NUMBERS.finditer(ATTRIBUTES.sub("", path.read_text(encoding="utf-8")))
    ]

    assert found == []
