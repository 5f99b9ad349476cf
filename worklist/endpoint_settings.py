"""What a DICOM endpoint's ``settings`` may say; what means nothing is refused.

Host, port and AE title (``protocol_name``) are the endpoint's own columns. Light on purpose: every
process that configures endpoints loads it, and few need the DICOM libraries.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from ris.domain.identifiers import is_ae_title
from worklist.archive_settings import AS_SAID, LONGEST_CALL_SECONDS, CallSettings, validated

EventWord = Literal["started", "completed", "discontinued", "updated"]


class Settings(CallSettings):
    """The description of a field is the operator's documentation."""

    commitment_seconds: float = Field(
        default=2,
        ge=0,
        le=10,
        strict=False,
        description="wait so long for the report of a commitment on the same association",
    )
    calling: str = Field(default="", description="our AE title; empty: the listener's")
    stations: tuple[str, ...] = Field(
        default=(), strict=False, description="only exams at these performed station AE titles"
    )
    events: tuple[EventWord, ...] = Field(
        default=("started", "completed", "discontinued", "updated"),
        strict=False,
        description="`mpps-events`: which of them are reported",
    )
    manual: bool = Field(
        default=False,
        description="`mpps`: also forward exams that people began or ended here, as MPPS made of "
        "what is known",
    )
    role_selection: Literal["required", "offered"] = Field(
        default="required",
        description="`mpps-events`: report only to a peer that accepts us as SCP of the class, or "
        "to one that does not answer that too",
    )
    associate_seconds: float = Field(
        default=15, gt=0, le=30, strict=False, description="wait so long for the association"
    )
    tls: bool = Field(default=False, description="connect with TLS")
    tls_server_name: str = Field(default="", description="name in its certificate; empty: host")

    @field_validator("calling")
    @classmethod
    def _is_a_title(cls, value: str) -> str:
        if value and not is_ae_title(value):
            raise ValueError(f"{value} is no AE title (1 to 16 characters, no backslash)")
        return value

    @field_validator("stations")
    @classmethod
    def _are_titles(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for title in value:
            if not is_ae_title(title):
                raise ValueError(f"{title} is no AE title (1 to 16 characters, no backslash)")
        return value

    @model_validator(mode="after")
    def _fit_together(self) -> Settings:
        if self.connect_seconds + self.associate_seconds + self.answer_seconds > (
            LONGEST_CALL_SECONDS
        ):
            raise ValueError(
                "connect_seconds, associate_seconds and answer_seconds together are at most "
                f"{LONGEST_CALL_SECONDS:g}"
            )
        if self.first_of_tls and not self.tls:
            raise ValueError(f"{self.first_of_tls} means nothing without tls = true")
        return self


def check_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings, checked; what is not said stays unsaid, so that defaults can improve."""
    return validated(Settings, settings, AS_SAID, "DICOM").model_dump(
        mode="json", exclude_unset=True
    )


def read_settings(settings: Mapping[str, Any]) -> Settings:
    """The settings with all defaults. Raises InvalidValueError for the first that is wrong."""
    return validated(Settings, settings, None, "DICOM")
