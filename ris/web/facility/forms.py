"""The form of a device, and what its settings mean in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ris.domain.facility import RegisterDevice
from ris.selectors.facility import DeviceView
from ris.web.forms import PageForm


class DeviceForm(PageForm):
    """A modality; an AE title that is known changes that device."""

    ae_title = forms.CharField(label=gettext_lazy("AE title"), max_length=16)
    modality = forms.CharField(
        label=gettext_lazy("Modality"),
        max_length=16,
        help_text=gettext_lazy("CT, MR, US, DX, MG, NM …"),
    )
    station_name = forms.CharField(
        label=gettext_lazy("Station name"), max_length=16, required=False
    )
    room = forms.CharField(
        label=gettext_lazy("Room"),
        max_length=64,
        required=False,
        help_text=gettext_lazy("A new name makes a new room"),
    )
    address = forms.CharField(
        label=gettext_lazy("Allowed address"),
        max_length=100,
        required=False,
        help_text=gettext_lazy(
            "An IP address or network (10.1.2.0/24) it may call from; empty: any"
        ),
    )
    character_sets = forms.CharField(
        label=gettext_lazy("Character sets"),
        max_length=200,
        required=False,
        help_text=gettext_lazy("What it can show, best first: ISO_IR 192, ISO_IR 100 …"),
    )
    settings = forms.CharField(
        label=gettext_lazy("Settings"),
        max_length=4000,
        required=False,
        widget=forms.Textarea(
            attrs={"rows": 3, "spellcheck": "false", "class": "form-control mono"}
        ),
        help_text=gettext_lazy(
            'As JSON: {"window_days": [1, 7]}; the names are in the guide on scanners'
        ),
    )
    active = forms.BooleanField(label=gettext_lazy("In use"), required=False, initial=True)

    @classmethod
    def of(cls, device: DeviceView) -> DeviceForm:
        return cls(
            initial={
                "ae_title": device.ae_title,
                "modality": device.modality,
                "station_name": device.station_name,
                "room": device.room,
                "address": device.address,
                "character_sets": ", ".join(device.character_sets),
                "settings": json.dumps(dict(device.settings), ensure_ascii=False)
                if device.settings
                else "",
                "active": device.active,
            }
        )

    @classmethod
    def for_stranger(cls, ae_title: str, address: str) -> DeviceForm:
        """A caller that is about to be let in."""
        return cls(initial={"ae_title": ae_title, "address": address, "active": True})

    def clean_settings(self) -> dict[str, Any]:
        text = str(self.cleaned_data["settings"]).strip()
        if not text:
            return {}
        try:
            said = json.loads(text)
        except (ValueError, RecursionError):
            raise ValidationError(_('This is no JSON object, such as {"mpps": "strict"}')) from None
        if not isinstance(said, dict):
            raise ValidationError(_("This is JSON, but no object in braces"))
        return said

    def command(self) -> RegisterDevice:
        """What the form asks for, once it is valid."""
        data = self.cleaned_data
        return RegisterDevice(
            ae_title=data["ae_title"].strip(),
            modality=data["modality"].strip().upper(),
            station_name=data["station_name"],
            room=data["room"],
            address=data["address"],
            character_sets=tuple(
                part.strip() for part in data["character_sets"].split(",") if part.strip()
            ),
            settings=data["settings"],
            active=data["active"],
        )


# The settings that change what a device sees come first.
_WORDS: Mapping[str, str] = {
    "offers": "Shows steps that are",
    "offer_started": "Shows started steps too",
    "window_days": "Days before and after today, for lists without a date",
    "stations": "Shows only the stations",
    "modalities": "Shows only the modalities",
    "sites": "Shows only the sites",
    "worklist": "Shows only the named worklist",
    "own_station": "A list without a station is its own station's",
    "shares_list_with": "Shares its list with",
    "aliases": "Former AE titles",
    "operator_names": "Names are read as people type them",
    "step_keys_at_root": "Keys of the step count outside of its sequence",
    "queries": "Queries beyond the standard are",
    "send_time_zone": "Every answer names the time zone",
    "text": "Character set of answers",
    "fixed_character_set": "Answers in its own character set first",
    "mpps": "Performed steps are taken in",
    "listens_at": "Answers C-ECHO at",
    "tls": "TLS is",
    "services": "May use only",
    "associations": "Associations at a time",
    "queries_per_minute": "Queries a minute",
}
_SECRET = {"passcode"}


def in_words(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The settings of a device for people; a secret is only said to be there."""
    order = list(_WORDS)
    names = sorted(
        settings, key=lambda name: (order.index(name) if name in _WORDS else len(order), name)
    )
    return [
        (
            _WORDS.get(name, name.replace("_", " ").capitalize()),
            "set" if name in _SECRET else _value(settings[name]),
        )
        for name in names
    ]


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value)
