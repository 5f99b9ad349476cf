"""Labels and wristbands as PDF, printed from the browser."""

from __future__ import annotations

import io
from datetime import date
from uuid import UUID

from django.http import HttpResponse
from django.template import defaultfilters
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from ris.domain.arrivals import LabelSize
from ris.domain.orders import StepStatus
from ris.domain.values import PartialDate
from ris.selectors import arrivals as desk_lists
from ris.selectors.order_lists import ExamLine
from ris.selectors.orders import order_view
from ris.selectors.patients import patient_view
from ris.selectors.views import OrderView, PatientView, StepView
from ris.web.access import PageRequest, page, saw
from ris.web.asking import asked
from ris.web.navigation import FLOOR
from ris.web.pdf import pdf
from ris.web.wall_clock import hour
from ris.web.words import exam_words

MOST = 40  # copies at once


@require_GET
@page(*FLOOR)
def of_appointment(request: PageRequest, key: UUID) -> HttpResponse:
    """The labels of one arrival: one for each order, with the number of the day."""
    found = desk_lists.arrival(str(key))
    ticket = str(found.ticket.number) if found.ticket else ""
    return _labels(request, order_view(found.line.order), found.site, ticket)


@require_GET
@page(*FLOOR)
def of_order(request: PageRequest, key: UUID) -> HttpResponse:
    return _labels(request, order_view(str(key)), "", "")


def _labels(request: PageRequest, order: OrderView, site: str, ticket: str) -> HttpResponse:
    # Loaded when printed: what draws is large, and no start needs it.
    from ris.printing.labels import Label, print_labels

    saw(request, "PrintLabels", [order.patient.public_id], order=order.public_id)
    patient = patient_view(order.patient.public_id)
    label = Label(
        **_who(patient),
        accession=order.accession.value,
        exam=exam_words(
            dict.fromkeys(
                ExamLine(each.description or each.code.meaning, each.laterality)
                for each in order.procedures
            )
        ),
        at=_when(order),
        ticket=ticket,
        alert=_alert(patient),
    )
    stream = io.BytesIO()
    print_labels(
        [label], _size(request, site), stream, copies=_copies(request), first=_first(request)
    )
    return _pdf(stream, f"label-{order.accession.value}")


@require_GET
@page(*FLOOR)
def wristband(request: PageRequest, key: UUID) -> HttpResponse:
    """What a patient wears; by patient, so that it holds for all exams of the stay."""
    from ris.printing.labels import Label, print_wristband

    patient = patient_view(str(key))
    saw(request, "PrintWristband", [patient.public_id])
    stream = io.BytesIO()
    print_wristband(Label(**_who(patient), alert=_alert(patient)), stream)
    return _pdf(stream, f"wristband-{patient.identifier.value}")


def _who(patient: PatientView) -> dict[str, str]:
    return {
        "name": patient.name.display or _("Name unknown"),
        "birth_date": _date(patient.birth_date),
        "sex": patient.sex.value,
        "number": patient.identifier.value,
    }


def _date(value: PartialDate) -> str:
    """A birth date that nobody reads the wrong way round: the month in letters."""
    parts = [int(part) for part in value.text.split("-")] if value else []
    if len(parts) < 3:
        return value.text
    return defaultfilters.date(date(parts[0], parts[1], parts[2]), "j M Y")


def _alert(patient: PatientView) -> str:
    """What must not be missed beside the patient; only that there is something, not all of it."""
    if not patient.allergies:
        return ""
    return _("Allergy: %(what)s") % {"what": ", ".join(patient.allergies)}


def _when(order: OrderView) -> str:
    steps: list[StepView] = [
        step
        for procedure in order.procedures
        for step in procedure.steps
        if step.start_at is not None and step.status is not StepStatus.CANCELED
    ]
    if not steps:
        return ""
    first = min(steps, key=lambda step: str(step.start_at))
    if first.start_at is None:
        return ""
    local = timezone.localtime(first.start_at, first.zone)
    words = f"{defaultfilters.date(local, 'j M Y')} {hour(first.start_at, first.zone)}"
    return f"{words}, {first.location or first.station_ae_title}"


def _size(request: PageRequest, site: str) -> LabelSize:
    """The site's labels, unless the address names others."""
    try:
        return LabelSize(asked(request, "size"))
    except ValueError:
        return desk_lists.desk(site).label


def _copies(request: PageRequest) -> int:
    return min(max(_number(request, "copies", 1), 1), MOST)


def _first(request: PageRequest) -> int:
    return _number(request, "first", 1)


def _number(request: PageRequest, name: str, default: int) -> int:
    text = asked(request, name, 4)
    return int(text) if text.isascii() and text.isdigit() else default


def _pdf(stream: io.BytesIO, name: str) -> HttpResponse:
    safe = "".join(each if each.isalnum() or each in "-_" else "-" for each in name)[:80]
    return pdf(stream.getvalue(), f"{safe}.pdf")
