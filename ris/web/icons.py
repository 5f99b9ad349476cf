"""The icons: strokes on a 16 by 16 grid, drawn for this product and written into the page.

Inline SVG needs no request, follows the text's color and obeys the content security policy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from django.utils.safestring import SafeString, mark_safe

FILE = Path(__file__).parent / "static" / "ris" / "icons.svg"
ICONS: Mapping[str, str] = dict(
    re.findall(r'<symbol id="([a-z-]+)"[^>]*>(.*)</symbol>', FILE.read_text(encoding="utf-8"))
)


def svg(name: str) -> SafeString:
    """An icon as decoration: hidden from screen readers, which read the words beside it."""
    return mark_safe(  # noqa: S308 - strokes from our own file only
        f'<svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">'
        f"{ICONS[name]}</svg>"
    )
