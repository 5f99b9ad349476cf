"""A message to be sent, before its header: type and segments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from integration.hl7.er7_writer import Raw, SegmentRow


@dataclass(frozen=True, slots=True)
class Draft:
    """``structure`` is MSH-9.3, told from 2.4 on.

    ``is_written``: the rows are as the peer wants them already, being those of an earlier message.
    """

    code: str
    trigger: str
    structure: str
    rows: Sequence[SegmentRow | Raw]
    is_written: bool = False
