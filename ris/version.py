"""The version of the product, read from the newest numbered heading of CHANGELOG.md."""

from __future__ import annotations

import re
from functools import cache
from importlib import metadata
from pathlib import Path


@cache
def version() -> str:
    """A checkout reads its own changelog; an installed package was given the same number."""
    changelog = Path(__file__).resolve().parent.parent / "CHANGELOG.md"
    if changelog.is_file():
        found = re.search(r"## \[(\d+\.\d+\.\d+)\]", changelog.read_text(encoding="utf-8"))
        if found:
            return found[1]
    return metadata.version("ris")
