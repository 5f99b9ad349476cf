"""Golden cases of dose reports: what devices send, and the whole command (fixtures/dicom/dose).

A case is a folder: ``report.json`` in the notation of ``reports.py``, and ``dose.json``, which
``--update-golden`` rewrites.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ris.domain.measures import plain
from tests.worklist.entries import SYNTAXES
from tests.worklist.reports import encode, report
from worklist.dose import Circumstances, from_report

ROOT = Path(__file__).resolve().parents[2]
CASES = sorted((ROOT / "fixtures" / "dicom" / "dose").glob("*/report.json"))
VIENNA = Circumstances(ae_title="CT1", zone=ZoneInfo("Europe/Vienna"))


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.parent.name)
@pytest.mark.parametrize("syntax", ["implicit", "explicit", "big"])
def test_the_dose_in(case: Path, syntax: str, golden: Callable[[Path, str], None]) -> None:
    said = json.loads(case.read_text(encoding="utf-8"))
    extra = {name: said[name] for name in ("sop_class", "title") if name in said}
    document = report(said["content"], **extra, **said["attributes"])

    command = from_report(
        str(document.SOPClassUID),
        str(document.SOPInstanceUID),
        encode(document, syntax),
        SYNTAXES[syntax],
        VIENNA,
    )

    text = json.dumps(told(command), ensure_ascii=False, indent=1) + "\n"
    golden(case.parent.relative_to(ROOT) / "dose.json", text)


def told(value: Any) -> Any:
    """A command as JSON, without what it does not say."""
    if is_dataclass(value) and not isinstance(value, type):
        pairs = ((one.name, getattr(value, one.name)) for one in fields(value))
        return {name: told(one) for name, one in pairs if one not in ("", (), None)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, tuple):
        return [told(one) for one in value]
    return value


def test_there_are_cases() -> None:
    assert len(CASES) >= 8
