"""Devices: the list with who calls without being registered, and registering one."""

from __future__ import annotations

from urllib.parse import quote

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from ris.domain.errors import RequestError
from ris.domain.facility import RegisterDevice
from ris.selectors.device_activity import device_lines, strangers
from ris.selectors.facility import device_by_ae
from ris.services import may
from ris.web.access import PageRequest, do, page, show
from ris.web.asking import asked
from ris.web.errors import STATUS
from ris.web.facility.forms import DeviceForm
from ris.web.navigation import SYSTEM


@require_http_methods(["GET", "POST"])
@page(*SYSTEM)
def device_list(request: PageRequest) -> HttpResponse:
    if request.method == "POST":
        return _register(request)
    return _page(request, _form(request), 200)


def _form(request: PageRequest) -> DeviceForm:
    """The form for the device, or the caller, that the address names."""
    ae_title = asked(request, "ae")
    known = device_by_ae(ae_title) if ae_title else None
    if known is not None:
        return DeviceForm.of(known)
    if ae_title:
        return DeviceForm.for_stranger(ae_title, asked(request, "address"))
    return DeviceForm()


def _page(request: PageRequest, form: DeviceForm, status: int) -> HttpResponse:
    now = timezone.now()
    context = {
        "lines": device_lines(now),
        "strangers": strangers(now),
        "form": form,
        "allowed": may(request.actor, RegisterDevice),
        "open_form": status != 200 or "ae" in request.GET,
    }
    return show(request, "facility/devices.html", context, status=status)


def _register(request: PageRequest) -> HttpResponse:
    form = DeviceForm(request.POST)
    if not form.is_valid():
        return _page(request, form, 422)
    command = form.command()
    try:
        do(request, command)
    except RequestError as error:
        form.refuse(error)
        return _page(request, form, STATUS[error.code])
    messages.success(request, _("Saved."))
    response = HttpResponseRedirect(f"/devices/{quote(command.ae_title, safe='')}/")
    response.status_code = 303
    return response
