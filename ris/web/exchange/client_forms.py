"""The forms of API clients and of their static tokens."""

from __future__ import annotations

import ipaddress
import json
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ris.domain.accounts import IssueToken
from ris.domain.api_clients import AddClient, ReplaceClientKeys, checked_scopes
from ris.domain.errors import RisError
from ris.web.forms import PageForm
from ris.web.words import refusal

_LONGEST = 100_000


def _area(rows: int, placeholder: str = "") -> forms.Textarea:
    return forms.Textarea(
        attrs={
            "rows": rows,
            "spellcheck": "false",
            "autocomplete": "off",
            "placeholder": placeholder,
            "class": "form-control mono",
        }
    )


class _ScopesForm(PageForm):
    def clean_scopes(self) -> tuple[str, ...]:
        try:
            return checked_scopes(str(self.cleaned_data["scopes"]).split())
        except RisError as error:
            raise ValidationError(refusal(error)) from None

    def clean_addresses(self) -> tuple[str, ...]:
        found = tuple(str(self.cleaned_data["addresses"]).replace(",", " ").split())
        for each in found:
            try:
                ipaddress.ip_network(each)
            except ValueError:
                raise ValidationError(
                    _("{each} is no address or network such as 10.1.0.0/16").format(each=each)
                ) from None
        return found


class _KeysForm(PageForm):
    def clean_jwks(self) -> Any:
        text = str(self.cleaned_data["jwks"]).strip()
        if not text:
            return None
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise ValidationError(
                _('this is no JSON; a key set looks like {"keys": [...]}')
            ) from None


class KeysForm(_KeysForm):
    """Other keys for a client."""

    jwks = forms.CharField(
        label=gettext_lazy("Public keys"),
        max_length=_LONGEST,
        required=False,
        widget=_area(6),
        help_text=gettext_lazy(
            "A JSON Web Key Set. Without a gap: first the old and the new one together."
        ),
    )
    jwks_uri = forms.CharField(
        label=gettext_lazy("or address of its keys"), max_length=500, required=False
    )

    def command(self, client: str) -> ReplaceClientKeys:
        values = self.cleaned_data
        return ReplaceClientKeys(client=client, jwks=values["jwks"], jwks_uri=values["jwks_uri"])


class ClientForm(_ScopesForm, _KeysForm):
    """A client with a key of its own."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=100,
        strip=True,
        help_text=gettext_lazy("As the audit and the interface call it"),
    )
    client_id = forms.CharField(
        label=gettext_lazy("Client id"),
        max_length=100,
        required=False,
        help_text=gettext_lazy("Empty: one is made"),
    )
    jwks = forms.CharField(
        label=gettext_lazy("Public keys"),
        max_length=_LONGEST,
        required=False,
        widget=_area(
            6, '{"keys": [{"kty": "EC", "crv": "P-384", "kid": "…", "x": "…", "y": "…"}]}'
        ),
        help_text=gettext_lazy(
            "A JSON Web Key Set with RSA (RS384) or EC P-384 (ES384) keys. Never a private "
            "key: that stays with the client."
        ),
    )
    jwks_uri = forms.CharField(
        label=gettext_lazy("or address of its keys"),
        max_length=500,
        required=False,
        help_text=gettext_lazy("https, at a host of RIS_FHIR__JWKS_HOSTS"),
    )
    scopes = forms.CharField(
        label=gettext_lazy("Scopes"),
        max_length=10_000,
        widget=_area(4, "system/ServiceRequest.cruds\nsystem/DiagnosticReport.rs?status=final"),
        help_text=gettext_lazy(
            "One a line. Letters: create, read, update, delete, search; behind ? only the "
            "rows that match."
        ),
    )
    addresses = forms.CharField(
        label=gettext_lazy("Only from"),
        max_length=1000,
        required=False,
        help_text=gettext_lazy("Addresses or networks"),
    )

    def command(self) -> AddClient:
        values = self.cleaned_data
        return AddClient(
            name=values["name"],
            client_id=values["client_id"],
            jwks=values["jwks"],
            jwks_uri=values["jwks_uri"],
            scopes=values["scopes"],
            addresses=values["addresses"],
        )


class TokenForm(_ScopesForm):
    """A static token."""

    client = forms.CharField(
        label=gettext_lazy("Client"),
        max_length=100,
        strip=True,
        help_text=gettext_lazy("Name of the client; of a device its AE title"),
    )
    scopes = forms.CharField(
        label=gettext_lazy("Scopes"),
        max_length=10_000,
        widget=_area(3),
        initial="system/*.rs",
        help_text=gettext_lazy(
            "One a line, as system/ServiceRequest.cruds, for DICOMweb system/worklist.read, "
            "for REST role/scheduler"
        ),
    )
    days = forms.IntegerField(
        label=gettext_lazy("Ends after days"),
        min_value=1,
        max_value=3660,
        required=False,
        initial=365,
        help_text=gettext_lazy("Empty: never"),
    )
    addresses = forms.CharField(
        label=gettext_lazy("Only from"),
        max_length=1000,
        required=False,
        help_text=gettext_lazy("Addresses or networks"),
    )

    def command(self, now: datetime) -> IssueToken:
        values = self.cleaned_data
        ends = now + timedelta(days=values["days"]) if values["days"] else None
        return IssueToken(
            client=values["client"],
            scopes=values["scopes"],
            expires_at=ends,
            addresses=values["addresses"],
        )
