"""MPPS datasets as the commands they become."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from pydicom.dataset import Dataset

from ris.domain.performing import StartPerformedStep
from tests.worklist.entries import SYNTAXES, encoded
from worklist import dicom_json
from worklist.elements import Texts, read
from worklist.mpps import Change, Circumstances, from_n_create, from_n_set

UID = "2.25.3001"
NOW = datetime(2026, 7, 6, 7, 36, tzinfo=UTC)
VIENNA = ZoneInfo("Europe/Vienna")


def circumstances(**overrides: Any) -> Circumstances:
    return Circumstances(
        **{"ae_title": "CT9", "received_at": NOW, "zone": VIENNA, "modality": "CT"} | overrides
    )


def created(
    dataset: Dataset, syntax: str = "explicit", uid: str = UID, **overrides: Any
) -> StartPerformedStep:
    return from_n_create(
        uid, encoded(dataset, syntax), SYNTAXES[syntax], circumstances(**overrides)
    )


def changed(
    dataset: Dataset,
    syntax: str = "explicit",
    stored: dict[str, Any] | None = None,
    **overrides: Any,
) -> Change:
    return from_n_set(
        UID, encoded(dataset, syntax), SYNTAXES[syntax], circumstances(**overrides), stored or {}
    )


def stored(dataset: Dataset) -> dict[str, Any]:
    return dicom_json.to_json(Texts.of(read(encoded(dataset), SYNTAXES["explicit"])))
