"""Golden cases of MPPS: what modalities send, and the command it means (fixtures/dicom/mpps).

A case is a folder: ``said.json`` (``operation``, the dataset in DICOM JSON, for an N-SET what is
``stored`` so far), and ``command.json``, which ``--update-golden`` rewrites: the command in both
modes, or the refusal.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydicom.dataset import Dataset

from ris.domain.commands import to_json
from ris.domain.errors import RisError
from tests.worklist.entries import SYNTAXES, encoded
from worklist.mpps import Circumstances, from_n_create, from_n_set
from worklist.status import refusal

ROOT = Path(__file__).resolve().parents[2]
CASES = sorted((ROOT / "fixtures" / "dicom" / "mpps").glob("*/said.json"))


@pytest.mark.parametrize("said", CASES, ids=lambda path: path.parent.name)
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_the_command_of(said: Path, syntax: str, golden: Callable[[Path, str], None]) -> None:
    case = json.loads(said.read_text(encoding="utf-8"))
    data = encoded(Dataset.from_json(json.dumps(case["dataset"])), syntax)

    told = {
        mode: _told(case, data, syntax, strict=mode == "strict") for mode in ("repair", "strict")
    }

    if told["repair"] == told["strict"]:
        del told["strict"]
    text = json.dumps(told, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    golden(said.parent.relative_to(ROOT) / "command.json", text)


def _told(case: Mapping[str, Any], data: bytes, syntax: str, *, strict: bool) -> dict[str, Any]:
    circumstances = Circumstances(
        ae_title="CT1",
        received_at=datetime(2026, 7, 6, 7, 36, tzinfo=UTC),
        zone=ZoneInfo("Europe/Vienna"),
        modality="CT",
        strict=strict,
    )
    try:
        if case["operation"] == "N-CREATE":
            command: Any = from_n_create("2.25.1", data, SYNTAXES[syntax], circumstances)
        else:
            command = from_n_set(
                "2.25.1", data, SYNTAXES[syntax], circumstances, case.get("stored", {})
            )
    except RisError as error:
        outcome = refusal(error)
        return {"status": f"{outcome.status:04X}", "comment": outcome.comment}
    values = {
        one.name: _plain(getattr(command, one.name))
        for one in fields(command)
        if one.name not in {"sop_instance_uid", "dataset", "origin"}
    }
    return {type(command).__name__: {name: value for name, value in values.items() if value}}


def _plain(value: Any) -> Any:
    """A value object as what is said in it; what is not said is left out."""
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if hasattr(value, "__dataclass_fields__"):
        said = {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
        return {name: one for name, one in said.items() if one not in (None, "", [], {})}
    return to_json(value)
