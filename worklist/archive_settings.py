"""What an archive's endpoint may say of reports sent to it and of exams asked from it.

The same over DIMSE and DICOMweb. Light on purpose: every process that configures endpoints loads
it.
"""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ris.domain.report_objects import ObjectKind

KindWord = Literal["sr", "enhanced-sr", "pdf"]
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")


class ArchiveSettings(BaseModel):
    """The description of a field is the operator's documentation."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    objects: tuple[KindWord, ...] = Field(
        default=("sr", "pdf"),
        strict=False,
        description="`report-objects`: as what reports are stored there: `sr` (Basic Text SR), "
        "`enhanced-sr`, `pdf`",
    )
    preliminary: bool = Field(
        default=False, description="`report-objects`: preliminary reports as well"
    )
    confirm: Literal["query", "commitment", "no"] = Field(
        default="query",
        description="`report-objects`: `query`: ask afterwards whether the object is there; "
        "`commitment`: have the archive commit itself to keep it (Storage Commitment), which it "
        "reports at once or to our listener",
    )
    language: str = Field(
        default="en", description="`report-objects`: the language reports are written in (RFC 5646)"
    )
    priors: bool = Field(
        default=False,
        description="ask it for earlier exams and for the number of images, for who reads",
    )
    issuer: str = Field(
        default="",
        max_length=64,
        description="whose patient numbers it has, where it names no issuer",
    )

    @field_validator("language")
    @classmethod
    def _is_a_language(cls, value: str) -> str:
        if not _LANGUAGE.fullmatch(value):
            raise ValueError(f"{value} is no language, such as en or de-AT")
        return value

    @property
    def kinds(self) -> tuple[ObjectKind, ...]:
        return tuple(ObjectKind(word) for word in dict.fromkeys(self.objects))
