"""Golden cases of the worklist: what scanners send, and the whole answer (fixtures/dicom/mwl).

A case is a folder: ``query.json`` (DICOM JSON), ``entries.json`` (what differs from the entry in
``entries.py``, and how the device is registered), and ``response.json``, which ``--update-golden``
rewrites.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, fields
from io import BytesIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydicom.dataset import Dataset
from pynetdicom.dsutils import decode

from ris.domain.commands import to_json
from ris.selectors.views import WorklistEntry, WorklistQuery
from tests.worklist.entries import ENTRY, SYNTAXES, encoded
from tests.worklist.from_json import build
from worklist import mwl
from worklist.attributes import Offer
from worklist.charset import candidates
from worklist.matching import to_request
from worklist.rules import Rules

ROOT = Path(__file__).resolve().parents[2]
CASES = sorted((ROOT / "fixtures" / "dicom" / "mwl").glob("*/query.json"))


@pytest.mark.parametrize("query", CASES, ids=lambda path: path.parent.name)
@pytest.mark.parametrize("syntax", ["implicit", "explicit"])
def test_the_answer_to(query: Path, syntax: str, golden: Callable[[Path, str], None]) -> None:
    case = json.loads((query.parent / "entries.json").read_text(encoding="utf-8"))
    asked = Dataset.from_json(query.read_text(encoding="utf-8"))

    zone = ZoneInfo(case.get("zone", "Europe/Vienna"))
    said = case.get("rules", {})
    rules = Rules(**said | {"shared": tuple(tuple(group) for group in said.get("shared", ()))})

    request = to_request(encoded(asked, syntax), SYNTAXES[syntax], zone=zone, rules=rules)

    answers = []
    for data in case["entries"]:
        offer = Offer.of(build(WorklistEntry, data, ENTRY), zone, rules)
        among = candidates(
            request.character_terms,
            tuple(case.get("character_sets", ())),
            mode=case.get("text", "auto"),
        )
        answer = mwl.encode(request.plan.keys, offer, among, SYNTAXES[syntax])
        answers.append(decode(BytesIO(answer), syntax == "implicit", True).to_json_dict())
    told = {
        "pending": "FF01" if request.unsupported else "FF00",
        "conditions": _conditions(request.query),
        "answers": answers,
    }
    text = json.dumps(told, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    golden(query.parent.relative_to(ROOT) / "response.json", text)


def _conditions(query: WorklistQuery | None) -> dict[str, Any] | None:
    if query is None:
        return None
    plain = WorklistQuery()
    said = asdict(query)
    return {
        one.name: to_json(said[one.name])
        for one in fields(query)
        if getattr(query, one.name) != getattr(plain, one.name)
    }


def test_there_are_cases() -> None:
    assert len(CASES) >= 7
