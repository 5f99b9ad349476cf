"""Settings of endpoints that carry messages to patients; secrets are configuration, not data."""

from __future__ import annotations

from collections.abc import Mapping
from email.errors import HeaderParseError
from email.headerregistry import Address
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ris.domain import preferences
from ris.domain.errors import InvalidValueError
from ris.domain.referring import check_portal_link
from ris.services.desk import Kind, Setting

Transport = Literal["smtp", "folder"]
Security = Literal["starttls", "tls", "none"]
# Each is a message of its own, told apart by one digit behind the event's control id.
_MOST_ADDRESSES = 9


# What the library's parser raises, by what is wrong with an address.
_UNREADABLE = (ValueError, IndexError, AttributeError, HeaderParseError)


def mail_address(text: str) -> Address:
    """Raises ValueError for what is no mail address (RFC 5322 3.4.1)."""
    try:
        found = Address(addr_spec=text.strip())
    except _UNREADABLE:
        raise ValueError("no mail address") from None
    if not found.username or not found.domain or not str(found).isprintable():
        raise ValueError("no mail address")
    return found


def addresses(text: str) -> list[str]:
    """The addresses of a list, each once."""
    return list(dict.fromkeys(filter(None, (one.strip() for one in text.split(",")))))


class MailSettings(BaseModel):
    """What an endpoint of the protocol ``mail`` may say."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    transport: Transport = Field(
        default="smtp",
        description="smtp: to a mail server; folder: files in the data directory (mail/)",
    )
    security: Security = Field(
        default="starttls", description="starttls (port 587), tls (port 465) or none"
    )
    sender: str = Field(
        default="", max_length=200, description="the address it comes from, as radiology@…"
    )
    sender_name: str = Field(default="", max_length=100, description="the name beside it")
    reply_to: str = Field(default="", max_length=200, description="where answers go")
    user: str = Field(
        default="",
        max_length=200,
        description="login at the mail server; its password is the setting patients.mail_password",
    )
    portal_link: str = Field(
        default="",
        max_length=500,
        description="of notices to referring doctors: where the result is read in the site's own "
        "portal, as https://portal.example/results/{report}; {order} and {report} are their FHIR "
        "ids (ServiceRequest, DiagnosticReport). Empty: the referring doctor's page here",
    )
    alerts_to: str = Field(
        default="",
        max_length=500,
        description="of alerts: up to nine addresses that are written to when a connection needs "
        "somebody, and when it is mended; separated by commas",
    )
    alerts_language: str = Field(
        default="en", description=f"of alerts: {', '.join(preferences.LANGUAGES)}"
    )
    timeout_seconds: int = Field(default=20, ge=1, le=60, description="the longest wait")

    @field_validator("alerts_to")
    @classmethod
    def _are_addresses(cls, value: str) -> str:
        found = addresses(value)
        if len(found) > _MOST_ADDRESSES:
            raise ValueError(f"more than {_MOST_ADDRESSES} addresses: write to a list")
        for each in found:
            mail_address(each)
        return ", ".join(found)

    @field_validator("alerts_language")
    @classmethod
    def _is_a_language(cls, value: str) -> str:
        if value not in preferences.LANGUAGES:
            raise ValueError("not a language of the pages")
        return value

    @field_validator("portal_link")
    @classmethod
    def _leads_to_a_portal(cls, value: str) -> str:
        if value:
            check_portal_link(value)
        return value.strip()

    @field_validator("sender", "reply_to")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        if value:
            mail_address(value)
        return value.strip()


class SmsSettings(BaseModel):
    """What an endpoint of the protocol ``sms`` may say."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(
        default="", max_length=500, description="the gateway's address, https://…; sent as JSON"
    )
    sender: str = Field(default="", max_length=30, description="the name or number it comes from")
    timeout_seconds: int = Field(default=20, ge=1, le=60, description="the longest wait")


def checked(model: type[BaseModel], said: Mapping[str, Any]) -> dict[str, Any]:
    """What is said, if all of it is known and good; raises InvalidValueError with the place."""
    try:
        read = model.model_validate(dict(said))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        words = str(first["msg"]).removeprefix("Value error, ")
        raise InvalidValueError(words, path=f"settings.{place}") from None
    return read.model_dump(exclude_unset=True)


_CHOICES: Mapping[str, tuple[str, ...]] = {
    "transport": ("smtp", "folder"),
    "security": ("starttls", "tls", "none"),
    "alerts_language": tuple(preferences.LANGUAGES),
}


def described(model: type[BaseModel], group: str) -> tuple[Setting, ...]:
    """The settings as the interface pages ask for them."""
    return tuple(
        Setting(
            name=name,
            kind=Kind.CHOICE
            if name in _CHOICES
            else Kind.NUMBER
            if field.annotation is int
            else Kind.TEXT,
            text=field.description or "",
            group=group,
            default=field.default,
            choices=_CHOICES.get(name, ()),
        )
        for name, field in model.model_fields.items()
    )
