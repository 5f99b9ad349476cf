"""What a DICOMweb endpoint's ``settings`` may say: an archive that is sent to and asked by HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from ris.domain.errors import InvalidValueError
from worklist.archive_settings import ArchiveSettings

LONGEST_CALL_SECONDS = 75.0
_AS_SAID = "as said"


class WebSettings(ArchiveSettings):
    """The description of a field is the operator's documentation."""

    confirm: Literal["query", "no"] = Field(
        default="query",
        description="`report-objects`: `query`: ask afterwards whether the object is there",
    )
    url: str = Field(
        default="",
        max_length=500,
        description="the service's address, as https://pacs.example.org/dicom-web",
    )
    modalities: tuple[str, ...] = Field(
        default=(), strict=False, description="only reports on exams of these modalities, as CT"
    )
    authorization_file: str = Field(
        default="",
        description="a file with the value of the Authorization header, as `Bearer …`; read anew "
        "for each request",
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

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"https", "http"} or not parts.hostname:
            raise ValueError("say where the service is, as https://pacs.example.org/dicom-web")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("the address has neither login nor query; see authorization_file")
        try:
            _ = parts.port
        except ValueError:
            raise ValueError("the port is a number up to 65535") from None
        if not value.isascii() or not value.isprintable() or " " in value:
            raise ValueError("the address has letters that no address has")
        return value.rstrip("/")

    @field_validator("authorization_file", "tls_ca", "tls_cert", "tls_key")
    @classmethod
    def _is_a_file(cls, value: str, info: ValidationInfo) -> str:
        # Looked for when it is said; later a missing file delays a call, and loses no message.
        if value and info.context == _AS_SAID and not Path(value).is_file():
            raise ValueError(f"{value} is no file")
        return value

    @model_validator(mode="after")
    def _fit_together(self) -> WebSettings:
        if self.connect_seconds + self.answer_seconds > LONGEST_CALL_SECONDS:
            raise ValueError(
                f"connect_seconds and answer_seconds together are at most {LONGEST_CALL_SECONDS:g}"
            )
        if bool(self.tls_cert) != bool(self.tls_key):
            raise ValueError("tls_cert and tls_key belong together")
        said = [name for name in self.model_fields_set if name.startswith("tls_")]
        if said and not self.url.startswith("https:"):
            raise ValueError(f"{min(said)} means nothing for an address without https")
        return self


def check_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings, checked; what is not said stays unsaid, so that defaults can improve.

    An endpoint that only sends here has none.
    """
    if not settings:
        return {}
    return _validated(settings, _AS_SAID).model_dump(mode="json", exclude_unset=True)


def read_settings(settings: Mapping[str, Any]) -> WebSettings:
    """The settings with all defaults. Raises InvalidValueError for the first that is wrong."""
    return _validated(settings, None)


def _validated(settings: Mapping[str, Any], context: str | None) -> WebSettings:
    try:
        # Unsaid it is as wrong as any other: there is no address to fall back on.
        return WebSettings.model_validate({"url": "", **settings}, context=context)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise InvalidValueError(
                f"a DICOMweb endpoint has no setting {name}", path=f"settings.{name}"
            ) from None
        text = str(first["msg"]).removeprefix("Value error, ")
        path = f"settings.{name}" if name else "settings"
        raise InvalidValueError(f"{name}: {text}" if name else text, path=path) from None
