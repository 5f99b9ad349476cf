"""Orders with everything below them, as read models, in a bounded number of queries."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import replace
from datetime import tzinfo

from django.db.models import Prefetch, QuerySet

from ris.domain.errors import UnknownKeyError
from ris.domain.orders import OrderReference, OrderStatus, Priority, Stage, StepStatus
from ris.domain.scheduling import AppointmentStatus
from ris.domain.values import Code, Identifier, PersonName
from ris.models import (
    Appointment,
    Order,
    PerformedProcedureStep,
    Report,
    ReportVersion,
    RequestedProcedure,
    ScheduledProcedureStep,
)
from ris.selectors.cancellations import cancel_asked
from ris.selectors.facility import site
from ris.selectors.order_keys import criteria
from ris.selectors.order_tree import order_tree, order_tree_alone
from ris.selectors.patients import to_view as patient_to_view
from ris.selectors.patients import visit_view
from ris.selectors.performing import to_view as performed_to_view
from ris.selectors.reports import report_view
from ris.selectors.reports import to_view as report_to_view
from ris.selectors.resources import zone_at
from ris.selectors.told_allergies import told_of
from ris.selectors.views import (
    AppointmentView,
    OrderView,
    PerformedView,
    ProcedureView,
    ReportView,
    StepView,
)

_kept: ContextVar[dict[str, OrderView] | None] = ContextVar("orders kept", default=None)


def rows() -> QuerySet[Order]:
    """Orders with everything a view needs prefetched: eleven queries, however many orders."""
    performed = ScheduledProcedureStep.objects.order_by("id")
    done = PerformedProcedureStep.objects.prefetch_related(
        "series", Prefetch("steps", performed)
    ).order_by("id")
    steps = (
        ScheduledProcedureStep.objects.select_related(
            "appointment__device__room", "device__room__site"
        )
        # What was performed may belong to several orders: it is found by its steps.
        .prefetch_related(Prefetch("performed", done))
        .order_by("id")
    )
    versions = ReportVersion.objects.select_related(
        "author__practitioner", "signer__practitioner", "resident__practitioner"
    ).order_by("number")
    written = (
        Report.objects.exclude(status="DISCARDED")
        .prefetch_related(
            Prefetch("procedures", RequestedProcedure.objects.order_by("id")),
            Prefetch("versions", versions),
        )
        .order_by("id")
    )
    procedures = (
        RequestedProcedure.objects.select_related("definition")
        .prefetch_related(Prefetch("steps", steps), Prefetch("reports", written))
        .order_by("id")
    )
    return Order.objects.select_related("patient__merged_into", "visit", "source").prefetch_related(
        "patient__identifiers", Prefetch("procedures", procedures)
    )


def appointment_view(appointment: Appointment | None) -> AppointmentView | None:
    if appointment is None:
        return None
    device = appointment.device
    return AppointmentView(
        public_id=str(appointment.public_id),
        status=AppointmentStatus(appointment.status),
        start_at=appointment.start_at,
        end_at=appointment.end_at,
        room=device.room.name if device and device.room else "",
        ae_title=device.ae_title if device else "",
        overbooked=appointment.overbooked,
        version=appointment.version,
        updated_at=appointment.updated_at,
    )


def step_view(step: ScheduledProcedureStep, zone: tzinfo | None = None) -> StepView:
    return StepView(
        public_id=str(step.public_id),
        step_id=step.step_id,
        modality=step.modality,
        status=StepStatus(step.status),
        station_ae_title=step.station_ae_title,
        station_name=step.station_name,
        location=step.location,
        start_at=step.start_at,
        duration_minutes=step.duration_minutes,
        description=step.description,
        protocol_codes=tuple(Code.from_json(code) for code in step.protocol_codes),
        performing_physician=PersonName.parse(step.performing_physician),
        appointment=appointment_view(step.appointment),
        pre_medication=step.pre_medication,
        contrast_agent=step.contrast_agent,
        comments=step.comments,
        version=step.version,
        updated_at=step.updated_at,
        zone=zone,
    )


def procedure_code(procedure: RequestedProcedure) -> Code:
    return Code(
        procedure.code_value,
        procedure.code_scheme,
        procedure.code_meaning,
        procedure.code_version,
    )


def _procedure_view(procedure: RequestedProcedure, *, alone: bool = False) -> ProcedureView:
    steps: dict[int, list[ScheduledProcedureStep]] = {}
    performed: dict[int, PerformedProcedureStep] = {}
    for step in procedure.steps.all():
        for row in step.performed.all():
            performed.setdefault(row.pk, row)
            steps.setdefault(row.pk, []).append(step)
    reports = [report for report in procedure.reports.all() if report.status != "RETRACTED"]
    reports = reports or list(procedure.reports.all())
    report: ReportView | None = (
        report_to_view(reports[-1], [procedure] if alone else None) if reports else None
    )
    done = tuple(
        performed_to_view(performed[key], steps[key] if alone else None)
        for key in sorted(performed)
    )
    zones = {step.pk: zone_at(step.device) for step in procedure.steps.all()}
    return procedure_view(procedure, procedure.steps.all(), done, report, zones=zones)


def procedure_view(
    procedure: RequestedProcedure,
    steps: Iterable[ScheduledProcedureStep],
    performed: tuple[PerformedView, ...] = (),
    report: ReportView | None = None,
    *,
    zones: Mapping[int, tzinfo] | None = None,
) -> ProcedureView:
    """``procedure`` with what belongs to it; ``zones`` of its steps where pages show them."""
    return ProcedureView(
        public_id=str(procedure.public_id),
        procedure_id=procedure.procedure_id,
        study_instance_uid=procedure.study_instance_uid,
        code=procedure_code(procedure),
        description=procedure.description,
        laterality=procedure.laterality,
        stage=Stage(procedure.stage),
        preparation=procedure.definition.preparation if procedure.definition else "",
        steps=tuple(step_view(step, (zones or {}).get(step.pk)) for step in steps),
        performed=performed,
        report=report,
        updated_at=procedure.updated_at,
    )


def to_view(
    order: Order, institution: str, procedures: tuple[ProcedureView, ...] | None = None
) -> OrderView:
    """``order`` from :func:`rows`; the institution is the site's, read once for all orders.

    ``procedures`` are given where the rows come from elsewhere.
    """
    if procedures is None:
        procedures = tuple(_procedure_view(procedure) for procedure in order.procedures.all())
    return OrderView(
        public_id=str(order.public_id),
        patient=patient_to_view(order.patient),
        visit=visit_view(order.visit),
        placer=Identifier(order.placer_order_number, order.placer_issuer, "PLAC"),
        filler=Identifier(order.filler_order_number, order.filler_issuer, "FILL"),
        accession=Identifier(order.accession_number, order.accession_issuer, "ACSN"),
        group_number=order.group_number,
        status=OrderStatus(order.status),
        priority=Priority(order.priority),
        reason=order.reason,
        reason_code=Code.from_json(order.reason_code),
        comments=order.comments,
        requester=PersonName.parse(order.requester),
        requester_identifier=Identifier(order.requester_identifier, order.requester_issuer),
        requesting_service=order.requesting_service,
        referring=PersonName.parse(order.referring),
        transport=order.transport,
        entered_by=order.entered_by,
        callback_phone=order.callback_phone,
        ordered_at=order.ordered_at,
        procedures=procedures,
        source=order.source.name if order.source else "",
        institution=institution,
        parent=Identifier(order.parent_order_number, order.parent_issuer, "PGN"),
        version=order.version,
        updated_at=order.updated_at,
        cancel_asked=cancel_asked(order),
    )


def order_view(public_id: str) -> OrderView:
    """The order; raises UnknownKeyError."""
    kept = _kept.get()
    if kept is not None and public_id in kept:
        return kept[public_id]
    try:
        row = order_tree(uuid.UUID(public_id))
    except ValueError:
        row = None
    if row is None:
        raise UnknownKeyError("no such order")
    view = to_view(row, site().institution)
    if kept is not None:
        kept[public_id] = view
    return view


@contextmanager
def orders_kept() -> Iterator[None]:
    """Inside, :func:`order_view` reads each order once: what is told to many is the same."""
    token = _kept.set({})
    try:
        yield
    finally:
        _kept.reset(token)


def order_alone(public_id: str, *, reports: bool = True, performed: bool = True) -> OrderView:
    """The order as its own page shows it, in up to eight queries; raises UnknownKeyError.

    Other orders that a performed step or report is about as well are left out, and the site;
    ``reports`` are where they are known already, and what was ``performed`` where nobody asks.
    """
    try:
        row = order_tree_alone(uuid.UUID(public_id), reports=reports, performed=performed)
    except ValueError:
        row = None
    if row is None:
        raise UnknownKeyError("no such order")
    procedures = tuple(_procedure_view(each, alone=True) for each in row.procedures.all())
    view = to_view(row, "", procedures)
    return replace(view, patient=replace(view.patient, told_allergies=told_of(row)))


def order_views(public_ids: Iterable[str]) -> list[OrderView]:
    """Several orders, in the order asked for; unknown ones are left out."""
    wanted = list(public_ids)
    if len(wanted) == 1:
        with suppress(UnknownKeyError):
            return [order_view(wanted[0])]
        return []
    institution = site().institution
    found = {
        str(row.public_id): to_view(row, institution) for row in rows().filter(public_id__in=wanted)
    }
    return [found[public_id] for public_id in wanted if public_id in found]


def covered(report: str) -> tuple[ReportView, tuple[tuple[OrderView, ProcedureView], ...]]:
    """A report with each procedure it is about and the order of that; raises UnknownKeyError."""
    view = report_view(report)
    orders = (
        Order.objects.filter(procedures__public_id__in=view.procedures).distinct().order_by("id")
    )
    keys = [str(key) for key in orders.values_list("public_id", flat=True)]
    found = {
        procedure.public_id: (order, procedure)
        for order in order_views(keys)
        for procedure in order.procedures
    }
    return view, tuple(found[each] for each in view.procedures if each in found)


def find_order(reference: OrderReference) -> OrderView | None:
    """The order meant by any of its numbers; None if none or several."""
    found: set[uuid.UUID] = set()
    for filters in criteria(reference):
        found |= set(Order.objects.filter(**filters).values_list("public_id", flat=True)[:2])
    return order_view(str(found.pop())) if len(found) == 1 else None


def taken_elsewhere(
    step_ids: Iterable[str], procedure_ids: Iterable[str], studies: Iterable[str]
) -> tuple[frozenset[str], frozenset[str]]:
    """Which ids of steps and procedures belong to other studies than these."""
    own = set(studies)
    steps = ScheduledProcedureStep.objects.filter(step_id__in=set(step_ids))
    procedures = RequestedProcedure.objects.filter(procedure_id__in=set(procedure_ids))
    return (
        frozenset(
            steps.exclude(procedure__study_instance_uid__in=own).values_list("step_id", flat=True)
        ),
        frozenset(
            procedures.exclude(study_instance_uid__in=own).values_list("procedure_id", flat=True)
        ),
    )
