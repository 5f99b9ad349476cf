"""Devices: the list, and registering one."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_http_methods

from ris.domain.errors import DeniedError, RisError
from ris.domain.facility import RegisterDevice
from ris.selectors.facility import DeviceView, device_by_ae, devices
from ris.services import may
from ris.web.access import PageRequest, do, page, show
from ris.web.asking import asked
from ris.web.errors import STATUS
from ris.web.forms import PageForm
from ris.web.navigation import SYSTEM


class DeviceForm(PageForm):
    """A modality; an AE title that is known changes that device."""

    ae_title = forms.CharField(label="AE title", max_length=16)
    modality = forms.CharField(max_length=16, help_text="CT, MR, US, DX, MG, NM …")
    station_name = forms.CharField(max_length=16, required=False)
    room = forms.CharField(max_length=64, required=False, help_text="A new name makes a new room")
    address = forms.CharField(
        label="Allowed address",
        max_length=100,
        required=False,
        help_text="An IP address or network (10.1.2.0/24) it may call from; empty: any",
    )
    character_sets = forms.CharField(
        max_length=200,
        required=False,
        help_text="What it can show, best first: ISO_IR 192, ISO_IR 100 …",
    )
    active = forms.BooleanField(label="In use", required=False, initial=True)

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
                "active": device.active,
            }
        )


@require_http_methods(["GET", "POST"])
@page(*SYSTEM)
def device_list(request: PageRequest) -> HttpResponse:
    if request.method == "POST":
        return _register(request)
    chosen = device_by_ae(asked(request, "ae")) if "ae" in request.GET else None
    return _page(request, DeviceForm.of(chosen) if chosen else DeviceForm(), 200)


def _page(request: PageRequest, form: DeviceForm, status: int) -> HttpResponse:
    context = {
        "devices": devices(),
        "form": form,
        "allowed": may(request.actor, RegisterDevice),
        "open_form": status != 200 or "ae" in request.GET,
    }
    return show(request, "facility/devices.html", context, status=status)


def _register(request: PageRequest) -> HttpResponse:
    form = DeviceForm(request.POST)
    if not form.is_valid():
        return _page(request, form, 422)
    data = form.cleaned_data
    known = device_by_ae(data["ae_title"])
    sets = tuple(part.strip() for part in data["character_sets"].split(",") if part.strip())
    try:
        do(
            request,
            RegisterDevice(
                ae_title=data["ae_title"].strip(),
                modality=data["modality"].strip().upper(),
                station_name=data["station_name"],
                room=data["room"],
                address=data["address"],
                character_sets=sets,
                settings=dict(known.settings) if known else {},
                active=data["active"],
            ),
        )
    except DeniedError:
        raise
    except RisError as error:
        form.refuse(error)
        return _page(request, form, STATUS[error.code])
    messages.success(request, "Saved.")
    response = HttpResponseRedirect("/devices/")
    response.status_code = 303
    return response
