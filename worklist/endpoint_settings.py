"""What a DICOM endpoint's ``settings`` may say; what means nothing is refused.

Host, port and AE title (``protocol_name``) are the endpoint's own columns. Light on purpose: every
process that configures endpoints loads it, and few need the DICOM libraries.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from ris.domain.errors import InvalidValueError
from ris.domain.identifiers import is_ae_title
from worklist.archive_settings import ArchiveSettings

# A delivery's lease is 90 seconds (ris.services.outbox): all waits of one call stay below it.
LONGEST_CALL_SECONDS = 75.0

_AS_SAID = "as said"
EventWord = Literal["started", "completed", "discontinued", "updated"]


class Settings(ArchiveSettings):
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
    modalities: tuple[str, ...] = Field(
        default=(), strict=False, description="only exams of these modalities, as CT"
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
    connect_seconds: float = Field(
        default=10, gt=0, le=30, strict=False, description="wait so long for a connection"
    )
    associate_seconds: float = Field(
        default=15, gt=0, le=30, strict=False, description="wait so long for the association"
    )
    answer_seconds: float = Field(
        default=30, gt=0, le=60, strict=False, description="wait so long for the answer"
    )
    tls: bool = Field(default=False, description="connect with TLS")
    tls_ca: str = Field(default="", description="authorities that may sign its certificate, PEM")
    tls_cert: str = Field(default="", description="our certificate chain, PEM")
    tls_key: str = Field(default="", description="our private key, PEM")
    tls_server_name: str = Field(default="", description="name in its certificate; empty: host")
    tls_fingerprint: str = Field(
        default="", description="SHA-256 of its certificate instead of a name"
    )

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

    @field_validator("modalities")
    @classmethod
    def _are_modalities(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for modality in value:
            if not re.fullmatch(r"[A-Z0-9_ ]{1,16}", modality):
                raise ValueError(f"{modality} is no modality, such as CT")
        return value

    @field_validator("tls_ca", "tls_cert", "tls_key")
    @classmethod
    def _is_a_file(cls, value: str, info: ValidationInfo) -> str:
        # Looked for when it is said; later a missing file delays a call, and loses no message.
        if value and info.context == _AS_SAID and not Path(value).is_file():
            raise ValueError(f"{value} is no file")
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
        if bool(self.tls_cert) != bool(self.tls_key):
            raise ValueError("tls_cert and tls_key belong together")
        said = [name for name in self.model_fields_set if name.startswith("tls_")]
        if said and not self.tls:
            raise ValueError(f"{min(said)} means nothing without tls = true")
        return self


def check_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings, checked; what is not said stays unsaid, so that defaults can improve."""
    return _validated(settings, _AS_SAID).model_dump(mode="json", exclude_unset=True)


def read_settings(settings: Mapping[str, Any]) -> Settings:
    """The settings with all defaults. Raises InvalidValueError for the first that is wrong."""
    return _validated(settings, None)


def _validated(settings: Mapping[str, Any], context: str | None) -> Settings:
    try:
        return Settings.model_validate(dict(settings), context=context)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            close = difflib.get_close_matches(name, Settings.model_fields, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise InvalidValueError(
                f"a DICOM endpoint has no setting {name}{hint}", path=f"settings.{name}"
            ) from None
        text = str(first["msg"]).removeprefix("Value error, ")
        path = f"settings.{name}" if name else "settings"
        raise InvalidValueError(f"{name}: {text}" if name else text, path=path) from None
