"""The form of a peer system: its columns, and the settings that its protocol describes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ris.domain.errors import RisError, SeveralErrors
from ris.domain.exchange import (
    ConfigureEndpoint,
    Direction,
    Protocol,
    Subscription,
    is_carried,
)
from ris.domain.interfaces import Watch
from ris.models import Endpoint
from ris.services import desk
from ris.services.desk import Kind, Setting
from ris.web import labels
from ris.web.forms import PageForm

_PREFIX = "set_"
_USUAL = "as usual"
# What a protocol without a description of its settings has: all of them as one text.
_ALL = "all_settings"


def _area(rows: int, **attributes: str) -> forms.Textarea:
    return forms.Textarea(attrs={"rows": rows, "spellcheck": "false", **attributes})


class EndpointForm(PageForm):
    """A peer system; protocol and direction are set when it is made."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=60, strip=True)
    protocol_name = forms.CharField(
        label=gettext_lazy("Name on the wire"), max_length=200, required=False
    )
    host = forms.CharField(label=gettext_lazy("Host"), max_length=250, required=False)
    port = forms.IntegerField(
        label=gettext_lazy("Port"), min_value=1, max_value=65535, required=False
    )
    version = forms.CharField(
        label=gettext_lazy("Version"), max_length=10, required=False, help_text="2.5.1, 2.3.1 …"
    )
    character_set = forms.CharField(
        label=gettext_lazy("Character set"), max_length=60, required=False
    )
    time_zone = forms.CharField(
        label=gettext_lazy("Time zone"),
        max_length=60,
        required=False,
        help_text=gettext_lazy("As Europe/Vienna; empty: that of the site"),
    )
    sends = forms.MultipleChoiceField(
        label=gettext_lazy("Is told of"), required=False, widget=forms.CheckboxSelectMultiple()
    )
    active = forms.BooleanField(label=gettext_lazy("In use"), required=False, initial=True)
    hours = forms.CharField(
        label=gettext_lazy("Hours in which to watch it"),
        max_length=500,
        required=False,
        widget=_area(2),
        help_text=gettext_lazy("One a line: Mon-Fri 07:00-19:00; empty: always"),
    )
    silent_minutes = forms.IntegerField(
        label=gettext_lazy("Minutes without a message"),
        min_value=0,
        max_value=100_000,
        required=False,
        help_text=gettext_lazy("0: silence is no alert"),
    )
    oldest_minutes = forms.IntegerField(
        label=gettext_lazy("Minutes the oldest may wait"),
        min_value=0,
        max_value=100_000,
        required=False,
        help_text=gettext_lazy("0: no limit"),
    )
    queued = forms.IntegerField(
        label=gettext_lazy("Messages that may wait"),
        min_value=0,
        max_value=100_000,
        required=False,
        help_text=gettext_lazy("0: no limit"),
    )
    refused_an_hour = forms.IntegerField(
        label=gettext_lazy("Refusals within an hour"),
        min_value=0,
        max_value=100_000,
        required=False,
        help_text=gettext_lazy("0: no limit"),
    )

    def __init__(
        self,
        *args: Any,
        protocol: Protocol,
        direction: Direction,
        endpoint: Endpoint | None = None,
        **kwargs: Any,
    ) -> None:
        self.protocol, self.direction, self.endpoint = protocol, direction, endpoint
        self.described = desk.settings_of(protocol, direction)
        if endpoint is not None:
            kwargs.setdefault("initial", _initial(endpoint, self.described))
        else:
            kwargs.setdefault("initial", {**_watch(Watch()), "active": True})
        super().__init__(*args, **kwargs)
        self.add(_setting_fields(self.described))
        is_out = direction is Direction.OUT
        sends = forms.MultipleChoiceField
        field = self.fields["sends"]
        assert isinstance(field, sends)  # noqa: S101 - it is declared so
        field.choices = [
            (item.value, labels.SUBSCRIPTION[item].words)
            for item in Subscription
            if is_carried(item, protocol)
        ]
        field.widget.attrs["class"] = "form-check-input"
        if not is_out or not field.choices:
            del self.fields["sends"]
        if not is_out and protocol is Protocol.HL7:
            for name in ("host", "port"):
                del self.fields[name]
        self.fields["protocol_name"].help_text = _NAMES.get(protocol, "")
        sets = desk.character_sets(protocol)
        if sets:
            self.fields["character_set"].widget.attrs["list"] = "character-sets"
        self.character_sets = sets

    def groups(self) -> Iterator[tuple[str, list[Any], int]]:
        """The settings by group: title, fields, how many say something."""
        found: dict[str, list[Any]] = {}
        for each in self.described:
            found.setdefault(each.group, []).append(self[_PREFIX + each.name])
        for title, bound in found.items():
            said = sum(1 for one in bound if one.value() not in (None, "", []))
            yield title, bound, said

    @property
    def all_settings(self) -> Any:
        return self[_ALL] if _ALL in self.fields else None

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        settings: dict[str, Any] = {}
        if _ALL in self.fields:
            settings = self._document(_ALL, dict) or {}
        for each in self.described:
            name = _PREFIX + each.name
            said = cleaned.get(name)
            if said in (None, "", []):
                continue
            if each.kind is Kind.YES:
                settings[each.name] = said == "yes"
            elif each.kind is Kind.LIST:
                settings[each.name] = [line.strip() for line in said.splitlines() if line.strip()]
            elif each.kind is Kind.NUMBER:
                settings[each.name] = int(said) if float(said).is_integer() else float(said)
            elif each.kind is Kind.DOCUMENT:
                document = self._document(name, (dict, list))
                if document is not None:
                    settings[each.name] = document
            else:
                settings[each.name] = said
        cleaned["settings"] = settings
        return cleaned

    def _document(self, name: str, kinds: type | tuple[type, ...]) -> Any:
        text = str(self.cleaned_data.get(name) or "").strip()
        if not text:
            return None
        try:
            said = json.loads(text)
        except (ValueError, RecursionError):
            self.add_error(name, ValidationError(_("This is no JSON")))
            return None
        if not isinstance(said, kinds):
            self.add_error(name, ValidationError(_("This is JSON, but no table in braces")))
            return None
        return said

    def command(self) -> ConfigureEndpoint:
        """What the form asks for, once it is valid."""
        data = self.cleaned_data
        kept = self.endpoint
        return ConfigureEndpoint(
            endpoint=str(kept.public_id) if kept else "",
            name=data["name"],
            protocol=self.protocol,
            direction=self.direction,
            protocol_name=data["protocol_name"],
            host=data["host"] if "host" in self.fields else (kept.host if kept else ""),
            port=data["port"] if "port" in self.fields else (kept.port if kept else None),
            version=data["version"],
            character_set=data["character_set"],
            time_zone=data["time_zone"],
            sends=tuple(Subscription(word) for word in data.get("sends", ())),
            settings=data["settings"],
            watch=self._watch(),
            active=data["active"],
        )

    def _watch(self) -> dict[str, Any]:
        said = dict(self.endpoint.watch) if self.endpoint else {}
        for name in ("silent_minutes", "oldest_minutes", "queued", "refused_an_hour"):
            if name in self.fields:
                value = self.cleaned_data.get(name)
                said.pop(name, None)
                if value is not None:
                    said[name] = value
        lines = self.cleaned_data.get("hours", "").splitlines()
        said["hours"] = [line.strip() for line in lines if line.strip()]
        return said

    def refuse(self, error: RisError) -> None:
        """Every fault at the field it names, else above the form."""
        for each in error.errors if isinstance(error, SeveralErrors) else (error,):
            first, _, rest = each.path.partition(".")
            name = first
            if first == "settings":
                name = _PREFIX + rest.partition(".")[0]
                name = name if name in self.fields else _ALL
            elif first == "watch":
                name = rest
            self.add_error(name if name in self.fields else None, each.message)


_NAMES: Mapping[Protocol, str] = {
    Protocol.HL7: "Application and facility in MSH, as EHR^HOSPITAL",
    Protocol.DICOM: "AE title",
    Protocol.FHIR: "Name of its API client",
}


def _setting_fields(described: Any) -> dict[str, forms.Field]:
    if not described:
        return {
            _ALL: forms.CharField(
                label=_("Settings"),
                required=False,
                max_length=20_000,
                widget=_area(4, **{"class": "form-control mono"}),
                help_text=_('As JSON: {"name": "value"}; the names are in the guide'),
            )
        }
    return {_PREFIX + each.name: _field(each) for each in described}


def _field(each: Setting) -> forms.Field:
    common: dict[str, Any] = {
        "label": each.name,
        "required": False,
        "help_text": each.text[:1].upper() + each.text[1:],
    }
    usual = f"{_USUAL} ({_words(each.default)})"
    if each.kind is Kind.YES:
        choices = [("", usual), ("yes", "yes"), ("no", "no")]
        return forms.ChoiceField(choices=choices, **common)
    if each.kind is Kind.CHOICE:
        choices = [("", usual), *((word, word) for word in each.choices)]
        return forms.ChoiceField(choices=choices, **common)
    if each.kind is Kind.NUMBER:
        return forms.FloatField(
            widget=forms.NumberInput(
                attrs={"placeholder": _words(each.default), "step": "any", "autocomplete": "off"}
            ),
            **common,
        )
    placeholder = {} if each.default in (None, "", [], {}) else {"placeholder": str(each.default)}
    if each.kind is Kind.LIST:
        words = ", ".join(each.choices)
        common["help_text"] += f" (one a line{': ' + words if words else ''})"
        return forms.CharField(
            max_length=4000, widget=_area(2, **_placeholder(each.default)), **common
        )
    if each.kind is Kind.DOCUMENT:
        common["help_text"] += " (as JSON)"
        area = _area(2, **{"class": "form-control mono"})
        return forms.CharField(max_length=20_000, widget=area, **common)
    return forms.CharField(
        max_length=500,
        widget=forms.TextInput(attrs={"autocomplete": "off", **placeholder}),
        **common,
    )


def _placeholder(default: Any) -> dict[str, str]:
    return {"placeholder": "\n".join(map(str, default))} if default else {}


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _watch(watch: Watch) -> dict[str, Any]:
    return {
        "hours": "\n".join(watch.hours),
        "silent_minutes": watch.silent_minutes,
        "oldest_minutes": watch.oldest_minutes,
        "queued": watch.queued,
        "refused_an_hour": watch.refused_an_hour,
    }


def _initial(endpoint: Endpoint, described: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        name: getattr(endpoint, name)
        for name in (
            "name",
            "protocol_name",
            "host",
            "port",
            "version",
            "character_set",
            "time_zone",
            "sends",
            "active",
        )
    }
    found |= _watch(Watch.of(endpoint.watch))
    if not described:
        found[_ALL] = json.dumps(endpoint.settings, ensure_ascii=False) if endpoint.settings else ""
        return found
    for each in described:
        if each.name in endpoint.settings:
            found[_PREFIX + each.name] = _shown(each, endpoint.settings[each.name])
    return found


def _shown(each: Setting, value: Any) -> Any:
    if each.kind is Kind.YES:
        return "yes" if value else "no"
    if each.kind is Kind.LIST and isinstance(value, list):
        return "\n".join(map(str, value))
    if each.kind is Kind.DOCUMENT:
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def in_words(endpoint: Endpoint) -> list[tuple[str, str, str]]:
    """What the settings of an endpoint say: name, value, meaning; a secret is only said to be."""
    described = {
        each.name: each
        for each in desk.settings_of(Protocol(endpoint.protocol), Direction(endpoint.direction))
    }
    found = []
    for name, value in endpoint.settings.items():
        each = described.get(name)
        secret = (each.secret if each else False) or "passcode" in name or "password" in name
        found.append((name, "set" if secret else _said(value), each.text if each else ""))
    order = list(described)
    return sorted(found, key=lambda row: order.index(row[0]) if row[0] in described else len(order))


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value) or "none"
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def watch_in_words(endpoint: Endpoint) -> list[tuple[str, str]]:
    """When an endpoint is reported, for people."""
    watch = Watch.of(endpoint.watch)
    found = [("Hours", ", ".join(watch.hours) or "always")]
    silent = f"after {watch.silent_minutes} min" if watch.silent_minutes else "not watched"
    found.append(("Silence", silent))
    oldest = f"after {watch.oldest_minutes} min" if watch.oldest_minutes else "not watched"
    found.append(("Oldest that waits", oldest))
    found.append(("Queue", f"from {watch.queued} on" if watch.queued else "not watched"))
    refused = f"{watch.refused_an_hour} an hour" if watch.refused_an_hour else "not watched"
    found.append(("Refusals", refused))
    return found
