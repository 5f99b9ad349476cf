"""Third-party files lie in the tree as they were published."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (
    ROOT / "ris/web/static/vendor",
    ROOT / "ris/printing/vendor",
    ROOT / "tests/browser/assets",
)
ENTRIES = [
    pytest.param(folder, entry, id=entry["name"])
    for folder in FOLDERS
    for entry in json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
]


@pytest.mark.parametrize(("folder", "entry"), ENTRIES)
def test_file_is_the_published_one(folder: Path, entry: dict[str, str]) -> None:
    content = (folder / entry["file"]).read_bytes()

    assert hashlib.sha256(content).hexdigest() == entry["sha256"]


@pytest.mark.parametrize(("folder", "entry"), ENTRIES)
def test_source_and_licence_are_named(folder: Path, entry: dict[str, list[str] | str]) -> None:
    assert all(entry[key] for key in ("name", "version", "package", "path", "licence"))
    assert entry["licence_files"]
    for name in entry["licence_files"]:
        assert (folder / name).read_text(encoding="utf-8").strip()


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_nothing_lies_there_unlisted(folder: Path) -> None:
    entries = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    listed = {"manifest.json"}
    for entry in entries:
        listed |= {entry["file"], *entry["licence_files"]}

    assert {path.name for path in folder.iterdir()} == listed
