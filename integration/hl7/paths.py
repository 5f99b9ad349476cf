"""Paths into a message: ``PID-3[2].4.2``, ``OBX[3]-5``, and ``5.1`` within a segment."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple


class Path(NamedTuple):
    """A parsed path; 0 where the path names no repetition, component or subcomponent."""

    segment: str
    occurrence: int
    field: int
    repetition: int
    component: int
    subcomponent: int


_PATH = re.compile(
    r"(?:([A-Z][A-Z0-9]{2})(?:\[([1-9]\d{0,3})\])?-)?"
    r"([1-9]\d{0,3})(?:\[([1-9]\d{0,3})\])?(?:\.([1-9]\d{0,2}))?(?:\.([1-9]\d{0,2}))?"
)


@lru_cache(maxsize=8192)
def parse_path(path: str) -> Path:
    """``PID-3[2].4.2`` (or ``3[2].4.2`` within a segment) in parts; ValueError for anything else.

    A wrong path is a fault of the program, not of the message.
    """
    match = _PATH.fullmatch(path)
    if match is None:
        raise ValueError(f"not a path: {path!r}")
    name, *numbers = match.groups()
    occurrence, *rest = (int(number or 0) for number in numbers)
    return Path(name or "", occurrence or 1, *rest)
