"""What the desk sees of a patient's page and messages, and does about them."""

from __future__ import annotations

from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from ris.domain.errors import InvalidValueError
from ris.domain.patient_links import MakePatientLink, RevokePatientLink
from ris.domain.patient_messages import Channel, SetContactChoice
from ris.selectors import patient_links, patient_messages, schedule
from ris.selectors.safety_declared import said_for
from ris.services import may
from ris.services.patient_messages import link_address
from ris.web.access import PageRequest, do, page, redirect_back, saw, show
from ris.web.asking import said
from ris.web.navigation import DESK


@require_http_methods(["GET", "POST"])
@page(*DESK)
def contact(request: PageRequest, key: UUID) -> HttpResponse:
    """The link of an appointment, what was sent about it, and what the patient wants."""
    line = schedule.appointment(str(key))
    address = ""
    if request.method == "POST":
        todo = said(request, "do", 10)
        if todo == "show":
            address = link_address(do(request, MakePatientLink(appointment=line.public_id)))
        elif todo == "again":
            again = MakePatientLink(appointment=line.public_id, again=True)
            address = link_address(do(request, again))
            messages.success(request, _("The link before does not work any more."))
        elif todo == "revoke":
            do(request, RevokePatientLink(appointment=line.public_id))
            messages.success(request, _("The link does not work any more."))
            return redirect_back(request, request.path)
        elif todo == "choice":
            _choose(request, line.patient.public_id)
            return redirect_back(request, request.path)
        else:
            raise InvalidValueError("nothing to do", path="do")
    saw(request, "ViewPatientContact", [line.patient.public_id], order=line.order)
    found = patient_links.contact_of(line.public_id)
    if settings.CONFIG.demo and found.state == "open" and not address:
        address = link_address(found.link)  # so that whoever tries the demo finds the page
    context = {
        "line": line,
        "contact": found,
        "address": address,
        "path": urlsplit(address).path,
        "said": said_for(line.order),
        "sent": patient_messages.of_appointments([line.public_id]),
        "carriers": {channel.value for channel in patient_messages.carriers()},
        "allowed": may(request.actor, MakePatientLink),
    }
    return show(request, "patient_link/contact.html", context)


def _choose(request: PageRequest, patient: str) -> None:
    channel = said(request, "channel", 8)
    if channel not in set(Channel):
        raise InvalidValueError("no such channel", path="channel")
    wanted = said(request, "wanted", 3) == "yes"
    do(request, SetContactChoice(patient=patient, channel=Channel(channel), wanted=wanted))
    messages.success(request, _("Noted."))
