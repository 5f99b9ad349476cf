"""What a DICOMweb endpoint's ``settings`` may say: an archive that is sent to and asked by HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator, model_validator

from worklist.archive_settings import (
    AS_SAID,
    LONGEST_CALL_SECONDS,
    CallSettings,
    is_a_file,
    validated,
)


class WebSettings(CallSettings):
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
    authorization_file: str = Field(
        default="",
        description="a file with the value of the Authorization header, as `Bearer …`; read anew "
        "for each request",
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

    @field_validator("authorization_file")
    @classmethod
    def _can_be_read(cls, value: str, info: ValidationInfo) -> str:
        return is_a_file(value, info)

    @model_validator(mode="after")
    def _fit_together(self) -> WebSettings:
        if self.connect_seconds + self.answer_seconds > LONGEST_CALL_SECONDS:
            raise ValueError(
                f"connect_seconds and answer_seconds together are at most {LONGEST_CALL_SECONDS:g}"
            )
        if self.first_of_tls and not self.url.startswith("https:"):
            raise ValueError(f"{self.first_of_tls} means nothing for an address without https")
        return self


def check_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings, checked; what is not said stays unsaid, so that defaults can improve.

    An endpoint that only sends here has none.
    """
    if not settings:
        return {}
    return _validated(settings, AS_SAID).model_dump(mode="json", exclude_unset=True)


def read_settings(settings: Mapping[str, Any]) -> WebSettings:
    """The settings with all defaults. Raises InvalidValueError for the first that is wrong."""
    return _validated(settings, None)


def _validated(settings: Mapping[str, Any], context: str | None) -> WebSettings:
    # Unsaid the address is as wrong as any other: there is none to fall back on.
    return validated(WebSettings, {"url": "", **settings}, context, "DICOMweb")
