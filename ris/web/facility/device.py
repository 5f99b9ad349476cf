"""One device: what it sees, what it asked, what it was refused; and whether it answers."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from ris.domain.errors import InvalidValueError, UnknownKeyError
from ris.domain.exchange import Protocol
from ris.domain.facility import RegisterDevice
from ris.selectors.explain.overview import overview
from ris.selectors.facility import DeviceView, device_by_ae
from ris.services import may, peers
from ris.web.access import PageRequest, page, redirect_back, saw, show
from ris.web.facility.forms import in_words
from ris.web.navigation import SYSTEM


@require_GET
@page(*SYSTEM)
def device(request: PageRequest, ae_title: str) -> HttpResponse:
    found = overview(ae_title, timezone.now())
    patients = {entry.patient.public_id for entry in found.seen}
    saw(request, "ViewDevice", patients, subject=f"Device {found.ae_title}")
    context = {
        "found": found,
        "device": found.device,
        "settings": in_words(found.device.settings) if found.device else [],
        "lacking": [
            (entry, found.lacking[entry.step.public_id])
            for entry in found.seen
            if entry.step.public_id in found.lacking
        ],
        "listens_at": found.device.settings.get("listens_at", "") if found.device else "",
        "may_register": may(request.actor, RegisterDevice),
    }
    return show(request, "facility/device.html", context, fragment="facility/_device.html")


@require_POST
@page(*SYSTEM)
def echo(request: PageRequest, ae_title: str) -> HttpResponse:
    """C-ECHO to the device, from this server."""
    known = device_by_ae(ae_title)
    if known is None:
        raise UnknownKeyError("no such device", path="ae_title")
    probed = peers.test_connection(Protocol.DICOM, _peer(known))
    if probed.ok:
        messages.success(
            request,
            _("{ae_title} answers ({milliseconds} ms).").format(
                ae_title=known.ae_title, milliseconds=probed.milliseconds
            ),
        )
    else:
        messages.error(
            request,
            _("{ae_title} does not answer: {words}.").format(
                ae_title=known.ae_title, words=probed.words
            ),
        )
    return redirect_back(request, f"/devices/{known.ae_title}/")


def _peer(known: DeviceView) -> peers.Peer:
    host, _, port = str(known.settings.get("listens_at", "")).rpartition(":")
    if not host:
        raise InvalidValueError(
            'say where the device listens: its setting "listens_at" as host:port', path="listens_at"
        )
    return peers.Peer(host=host.strip("[]"), port=int(port), name=known.ae_title)
