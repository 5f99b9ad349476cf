"""What an endpoint may say of reports sent to it, of exams asked from it and of how it is called.

The same over DIMSE and DICOMweb. Light on purpose: every process that configures endpoints loads
it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from ris.domain.errors import InvalidValueError
from ris.domain.report_objects import ObjectKind

# A delivery's lease is 90 seconds (ris.services.outbox): all waits of one call stay below it.
LONGEST_CALL_SECONDS: Final = 75.0
# The context of what a person says now, beside what was stored before.
AS_SAID: Final = "as said"

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


class CallSettings(ArchiveSettings):
    """How the other side is called; the description of a field is the operator's documentation."""

    modalities: tuple[str, ...] = Field(
        default=(), strict=False, description="only exams of these modalities, as CT"
    )
    connect_seconds: float = Field(
        default=10, gt=0, le=30, strict=False, description="wait so long for a connection"
    )
    answer_seconds: float = Field(
        default=30, gt=0, le=60, strict=False, description="wait so long for the answer"
    )
    tls_ca: str = Field(default="", description="authorities that may sign its certificate, PEM")
    tls_cert: str = Field(default="", description="our certificate chain, PEM")
    tls_key: str = Field(default="", description="our private key, PEM")
    tls_fingerprint: str = Field(
        default="", description="SHA-256 of its certificate instead of a name"
    )

    @field_validator("modalities")
    @classmethod
    def _are_modalities(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for modality in value:
            if not re.fullmatch(r"[A-Z0-9_ ]{1,16}", modality):
                raise ValueError(f"{modality} is no modality, such as CT")
        return value

    @field_validator("tls_ca", "tls_cert", "tls_key")
    @classmethod
    def _is_there(cls, value: str, info: ValidationInfo) -> str:
        return is_a_file(value, info)

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        if bool(self.tls_cert) != bool(self.tls_key):
            raise ValueError("tls_cert and tls_key belong together")
        return self

    @property
    def first_of_tls(self) -> str:
        """A setting of TLS that was said, for the words of a refusal; empty if none was."""
        return min((name for name in self.model_fields_set if name.startswith("tls_")), default="")


def is_a_file(value: str, info: ValidationInfo) -> str:
    """Looked for when it is said; later a missing file delays a call, and loses no message."""
    if value and info.context == AS_SAID and not Path(value).is_file():
        raise ValueError(f"{value} is no file")
    return value


S = TypeVar("S", bound=BaseModel)


def validated(model: type[S], settings: Mapping[str, Any], context: str | None, kind: str) -> S:
    """The settings with all defaults; raises InvalidValueError for the first that is wrong."""
    try:
        return model.model_validate(dict(settings), context=context)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            close = difflib.get_close_matches(name, model.model_fields, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise InvalidValueError(
                f"a {kind} endpoint has no setting {name}{hint}", path=f"settings.{name}"
            ) from None
        text = str(first["msg"]).removeprefix("Value error, ")
        path = f"settings.{name}" if name else "settings"
        raise InvalidValueError(f"{name}: {text}" if name else text, path=path) from None
