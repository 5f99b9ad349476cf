"""The DICOM JSON Model as it is read and written (PS3.18 F.2)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ris.domain import strict_json
from ris.domain.errors import InvalidValueError

# A sequence takes three levels (attribute, Value, item), and a whole MPPS names every image.
MAX_DEPTH = 64
MAX_NODES = 600_000


def read(raw: bytes) -> dict[str, Any]:
    """The one dataset of a body, bare or in an array; raises InvalidValueError."""
    value = strict_json.read(raw, depth=MAX_DEPTH, nodes=MAX_NODES)
    if isinstance(value, list):
        if len(value) != 1:
            raise InvalidValueError("the body must hold one dataset")
        value = value[0]
    if not isinstance(value, dict):
        raise InvalidValueError("a dataset is a JSON object")
    return value


def write(datasets: Iterable[Mapping[str, Any]]) -> bytes:
    """All of them in one array (F.2.1)."""
    return json.dumps(
        list(datasets), ensure_ascii=False, allow_nan=False, separators=(",", ":")
    ).encode()
