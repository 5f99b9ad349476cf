"""MSH-12: which version a message is of (HL7 v2.5.1 2.15.9.12, table 0104).

Senders write more than the table has: ``V2.3``, ``2,3``, blanks. What such a text means is read;
whether it may stand there is a matter of the level of validation (:mod:`.servable`).
"""

from __future__ import annotations

import re
from functools import lru_cache

from ris.domain.errors import UnsupportedError

DEFAULT = (2, 5, 1)  # of what says nothing

_LONGEST = 16
# By its form, as the table grows: 2.9 came after ours. The D of 2.0D (1988) changes nothing.
_VERSION = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3}){1,2})D?")
_MEANT = re.compile(r"[0-9]{1,3}(?:[.,][0-9]{1,3}){1,3}")
_LEADING = re.compile(r"[0-9]{1,3}(?![0-9])")


def numbers(text: str) -> tuple[int, ...]:
    """MSH-12 for comparing: what it says, else what it means; 2.5.1 for what means nothing."""
    return _numbers(text[:_LONGEST].strip())


def is_version(text: str) -> bool:
    """Whether a text has the form of a version, served or not."""
    return _VERSION.fullmatch(text.strip()) is not None


def misread(text: str) -> tuple[int, ...] | None:
    """As what a message is read whose MSH-12 is no version; None if nothing is wrong with it."""
    return numbers(text) if text.strip() and not is_version(text) else None


def fault(text: str) -> UnsupportedError | None:
    """What table 0104 says against MSH-12, be it served or not."""
    if misread(text) is None:
        return None
    return UnsupportedError("this is no version of HL7", path="MSH-12")


@lru_cache(maxsize=64)
def _numbers(text: str) -> tuple[int, ...]:
    found = _VERSION.fullmatch(text)
    said = found[1] if found else ""
    if not said:
        meant = _MEANT.search(text) or _LEADING.match(text)
        said = meant[0] if meant else ""
    return tuple(int(part) for part in re.split("[.,]", said)) if said else DEFAULT
