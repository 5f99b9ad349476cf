"""The request form of an order on paper (A4): who, what, when, why, by whom.

The same order gives the same bytes, as a report does (no clock, no random identifier).
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from zoneinfo import ZoneInfo

from ris.domain.orders import Priority
from ris.printing.report import (
    _SEXES,
    Sheet,
    _exam,
    _filled,
    _joined,
    _spoken,
    _when,
    _writings,
)
from ris.selectors.facility import SiteView
from ris.selectors.views import OrderView, PatientView, ProcedureView

_PRIORITIES = {
    Priority.STAT: "STAT",
    Priority.ASAP: "As soon as possible",
    Priority.URGENT: "Urgent",
    Priority.ROUTINE: "",
}


def request_forms_pdf(orders: Sequence[OrderView], site: SiteView) -> bytes:
    """Request forms, one order after the other, each on pages of its own."""
    # What draws is loaded when something is drawn: no other part of the system needs it.
    from ris.printing.page import draw_all

    stream = BytesIO()
    title = orders[0].accession.value if len(orders) == 1 else f"{len(orders)} orders"
    draw_all(
        [sheet(order, site) for order in orders],
        stream,
        title=f"Request {title}",
        subject="Radiology request",
    )
    return stream.getvalue()


def sheet(order: OrderView, site: SiteView) -> Sheet:
    zone = ZoneInfo(site.time_zone)
    patient = order.patient
    name, number = _writings(patient.name), patient.identifier
    return Sheet(
        institution=site.institution or site.name,
        address=site.address,
        title=_joined(map(_exam, order.procedures), " + "),
        notice=_notice(order),
        patient=_filled(
            ("Patient", name),
            ("Patient ID", _joined((number.value, number.issuer), " / ")),
            ("Born", patient.birth_date.text),
            ("Sex", _SEXES[patient.sex]),
            ("Ward", order.visit.location if order.visit else ""),
        ),
        exam=_filled(
            ("Accession number", order.accession.value),
            ("Order number", order.placer.value),
            ("Ordered", _when(order.ordered_at, zone)),
            ("Requested by", _joined((_spoken(order.requester), order.requesting_service))),
            ("Call back", order.callback_phone),
            ("Transport", order.transport),
        ),
        sections=tuple(
            (heading, text)
            for heading, text in (
                ("Reason for the exam", order.reason),
                ("Note for the department", order.comments),
                ("Mind", _warnings(patient)),
                ("Exams", "\n".join(_line(each, zone) for each in order.procedures)),
                ("Preparation", _preparation(order)),
            )
            if text.strip()
        ),
        running=_joined((name, number.value, order.accession.value), "  |  "),
        footer=f"Request {order.accession.value}, version {order.version}",
    )


def _notice(order: OrderView) -> str:
    status = "" if order.status.value == "ACTIVE" else order.status.value.replace("_", " ")
    return _joined((_PRIORITIES[order.priority], status), " - ")


def _warnings(patient: PatientView) -> str:
    found = [f"Allergy: {each}" for each in patient.allergies]
    return "\n".join([*found, *patient.alerts, patient.special_needs]).strip()


def _line(procedure: ProcedureView, zone: ZoneInfo) -> str:
    times = [
        _joined((_when(step.start_at, step.zone or zone), step.location or step.station_ae_title))
        for step in procedure.steps
        if step.start_at is not None
    ]
    return f"{_exam(procedure)}: {'; '.join(times) or 'no time yet'}"


def _preparation(order: OrderView) -> str:
    return "\n".join(dict.fromkeys(each.preparation for each in order.procedures))
