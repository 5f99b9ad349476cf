"""The procedures that come with the product, for a catalog that is still empty."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings

from ris.domain.catalog import StepTemplateDetails
from ris.domain.values import Code
from ris.web.catalog import sheet


def count() -> int:
    """How many there are."""
    return sum(1 for _ in _records())


def content() -> bytes:
    """All of them as a file of the catalog, to be looked at before it is taken."""
    defaults = {column.name: column.default for column in sheet.KIND.columns}
    return sheet.KIND.write({**defaults, **_row(record)} for record in _records()).encode()


def _records() -> Iterator[dict[str, Any]]:
    """From the site files, one for each modality."""
    for path in sorted(Path(settings.FIXTURES_FOLDER, "catalog").glob("*.toml")):
        yield from tomllib.loads(path.read_text(encoding="utf-8"))["procedure"]


def _row(record: dict[str, Any]) -> dict[str, Any]:
    steps = [
        StepTemplateDetails(
            modality=step["modality"],
            description=step.get("description", ""),
            duration_minutes=step.get("duration_minutes", 30),
            protocol_codes=tuple(Code.from_json(code) for code in step.get("protocol_codes", ())),
        )
        for step in record.get("steps", ())
    ]
    return {**record, "steps": steps}
