"""What a page may cost."""

from __future__ import annotations

import json
from pathlib import Path

BUDGETS = json.loads((Path(__file__).parent.parent / "budgets.json").read_text(encoding="utf-8"))


def test_nothing_is_allowed_more_than_fifteen_statements() -> None:
    assert {name: most for name, most in BUDGETS.items() if most > 15} == {}
