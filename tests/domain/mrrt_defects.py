"""Defective MRRT files, each a good one with one defect: ``fixtures/mrrt/defects.toml``."""

from __future__ import annotations

import tomllib
from pathlib import Path

FILES = Path(__file__).parents[2] / "fixtures" / "mrrt"
DEFECTS: dict[str, dict[str, str]] = tomllib.loads(
    (FILES / "defects.toml").read_text(encoding="utf-8")
)


def defective(name: str) -> bytes:
    """The good file with the defect of that name."""
    good = (FILES / "good" / "ct_liver.html").read_text(encoding="utf-8")
    defect = DEFECTS[name]
    assert good.count(defect["was"]) == 1
    before, _, after = good.partition(defect["was"])
    if "until" in defect:
        after = after.rpartition(defect["until"])[2]
    return f"{before}{defect['is']}{after}".encode(defect.get("encoding", "utf-8"))
