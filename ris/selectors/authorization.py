"""Who pays for orders, and whether the payer agreed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from django.db.models import Count, Exists, OuterRef, Prefetch, Q, QuerySet
from django.utils import timezone

from ris.domain.authorization import (
    AuthorizationRequest,
    AuthorizationState,
    RuleDetails,
    deciding,
)
from ris.domain.orders import OrderStatus, StepStatus
from ris.models import (
    Authorization,
    AuthorizationRule,
    Coverage,
    Order,
    RequestedProcedure,
    ScheduledProcedureStep,
)
from ris.selectors.order_lists import ExamLine, exam_line
from ris.selectors.patient_lists import IDENTIFIERS, PatientLine, line
from ris.selectors.resources import zone_of_steps

SOON = timedelta(days=14)


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageLine:
    public_id: str
    payer: str
    plan: str
    member_number: str
    group_number: str
    valid_from: date | None
    valid_until: date | None
    source: str
    is_valid: bool  # today


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationLine:
    """How the payer's agreement to an order stands; ``stored`` False: by the rules alone."""

    state: AuthorizationState
    stored: bool = False
    payer: str = ""
    adapter: str = ""
    number: str = ""
    valid_from: date | None = None
    valid_until: date | None = None
    units: int | None = None
    note: str = ""
    requested_at: datetime | None = None
    decided_at: datetime | None = None
    decided_by: str = ""
    ends_soon: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    """An order in the list of agreements."""

    order: str
    accession_number: str
    patient: PatientLine
    exams: tuple[ExamLine, ...]
    start_at: datetime | None
    zone: tzinfo  # of the site where it is done
    authorization: AuthorizationLine


def rules() -> list[RuleDetails]:
    return [
        RuleDetails(
            procedures=tuple(row.procedures),
            modalities=tuple(row.modalities),
            payers=tuple(row.payers),
            needed=row.needed,
            adapter=row.adapter,
        )
        for row in AuthorizationRule.objects.order_by("position")
    ]


def coverage_line(row: Coverage) -> CoverageLine:
    today = timezone.localdate()
    return CoverageLine(
        public_id=str(row.public_id),
        payer=row.payer,
        plan=row.plan,
        member_number=row.member_number,
        group_number=row.group_number,
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        source=row.source,
        is_valid=(row.valid_from is None or row.valid_from <= today)
        and (row.valid_until is None or row.valid_until >= today),
    )


def payer_of(order: Order) -> Coverage | None:
    """The coverage that counts: the first that is valid today, else the first there is."""
    rows = list(Coverage.objects.filter(patient=order.patient_id, active=True).order_by("id")[:20])
    return next((row for row in rows if coverage_line(row).is_valid), rows[0] if rows else None)


def rule_for(order: Order, payer: str, known: Sequence[RuleDetails]) -> RuleDetails | None:
    """The rule that decides on an order with its procedures and steps."""
    if not known:
        return None
    procedures = [each.code_value for each in order.procedures.all()]
    modalities = [
        step.modality
        for each in order.procedures.all()
        for step in each.steps.all()
        if step.status != StepStatus.CANCELED.value
    ]
    return deciding(known, procedures=procedures, modalities=modalities, payer=payer)


def authorization_line(row: Authorization) -> AuthorizationLine:
    today = timezone.localdate()
    return AuthorizationLine(
        state=AuthorizationState(row.status),
        stored=True,
        payer=row.payer,
        adapter=row.adapter,
        number=row.number,
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        units=row.units,
        note=row.note,
        requested_at=row.requested_at,
        decided_at=row.decided_at,
        decided_by=row.decided_by,
        ends_soon=row.status == AuthorizationState.APPROVED.value
        and row.valid_until is not None
        and row.valid_until <= today + SOON,
    )


def _by_rule(order: Order, payer: str, known: Sequence[RuleDetails]) -> AuthorizationLine:
    return _line_by(rule_for(order, payer, known), payer)


def _line_by(rule: RuleDetails | None, payer: str) -> AuthorizationLine:
    needed = rule is not None and rule.needed
    return AuthorizationLine(
        state=AuthorizationState.REQUIRED if needed else AuthorizationState.NOT_NEEDED,
        payer=payer,
        adapter=rule.adapter if rule else "",
    )


def of_order(public_id: str) -> AuthorizationLine:
    """How an order stands; five queries at most."""
    row = Authorization.objects.filter(order__public_id=public_id).first()
    if row is not None:
        return authorization_line(row)
    known = rules()
    if not known:
        return AuthorizationLine(state=AuthorizationState.NOT_NEEDED)
    order = Order.objects.prefetch_related("procedures__steps").get(public_id=public_id)
    coverage = payer_of(order)
    return _by_rule(order, coverage.payer if coverage else "", known)


def of_steps(
    rows: Sequence[ScheduledProcedureStep], order: Order
) -> tuple[AuthorizationLine, list[CoverageLine]]:
    """How an order with these steps stands, and what covers its patient; three queries at most."""
    found = Coverage.objects.filter(patient=order.patient_id, active=True).order_by("id")[:20]
    covering = [coverage_line(row) for row in found]
    row = Authorization.objects.filter(order=order).first()
    if row is not None:
        return authorization_line(row), covering
    known = rules()
    if not known:
        return AuthorizationLine(state=AuthorizationState.NOT_NEEDED), covering
    payer = next((each for each in covering if each.is_valid), covering[0] if covering else None)
    rule = deciding(
        known,
        procedures=[row.procedure.code_value for row in rows],
        modalities=[row.modality for row in rows if row.status != StepStatus.CANCELED.value],
        payer=payer.payer if payer else "",
    )
    return _line_by(rule, payer.payer if payer else ""), covering


# --- the list

TABS = (
    AuthorizationState.REQUIRED,
    AuthorizationState.REQUESTED,
    AuthorizationState.DENIED,
    AuthorizationState.EXPIRED,
    AuthorizationState.APPROVED,
)


def in_state(state: AuthorizationState) -> QuerySet[Order]:
    """Live orders of which something is still to be done, by their agreement.

    What a rule requires and nobody touched yet has no row: the rules say which orders those are.
    Which of several insurances counts today is decided line by line (:func:`lines`).
    """
    return _live().filter(_of(state, rules())).distinct().order_by("ordered_at", "id")


def _live() -> QuerySet[Order]:
    return Order.objects.filter(
        status__in=[OrderStatus.ACTIVE.value, OrderStatus.ON_HOLD.value],
        procedures__steps__status__in=[
            StepStatus.PENDING.value,
            StepStatus.SCHEDULED.value,
            StepStatus.ARRIVED.value,
        ],
    )


def _of(state: AuthorizationState, known: Sequence[RuleDetails]) -> Q:
    stored = Q(authorization__status=state.value)
    if state is not AuthorizationState.REQUIRED:
        return stored
    return stored | (Q(authorization__isnull=True) & _named(known))


def _named(known: Sequence[RuleDetails]) -> Q:
    """Orders that a rule requires an agreement for, if none before it decides."""
    found, before = Q(pk__in=[]), Q(pk__in=[])
    for rule in known:
        fits = _fits(rule)
        if rule.needed:
            found |= fits & ~before
        before |= fits
    return found


def _fits(rule: RuleDetails) -> Q:
    fits = Q(pk__gt=0)
    if rule.procedures:
        named = RequestedProcedure.objects.filter(
            order=OuterRef("pk"), code_value__in=rule.procedures
        )
        fits &= Q(Exists(named))
    if rule.modalities:
        steps = ScheduledProcedureStep.objects.filter(
            procedure__order=OuterRef("pk"), modality__in=rule.modalities
        ).exclude(status=StepStatus.CANCELED.value)
        fits &= Q(Exists(steps))
    if rule.payers:
        payers = Q()
        for part in rule.payers:
            payers |= Q(payer__icontains=part)
        insured = Coverage.objects.filter(payers, patient=OuterRef("patient"), active=True)
        fits &= Q(Exists(insured))
    return fits


def with_lines(rows: QuerySet[Order]) -> QuerySet[Order]:
    return rows.select_related("patient__merged_into", "authorization").prefetch_related(
        Prefetch("patient__identifiers", queryset=IDENTIFIERS.queryset),
        Prefetch(
            "patient__coverages",
            queryset=Coverage.objects.filter(active=True).order_by("id"),
        ),
        Prefetch(
            "procedures",
            queryset=RequestedProcedure.objects.order_by("id").prefetch_related(
                Prefetch(
                    "steps",
                    queryset=ScheduledProcedureStep.objects.select_related(
                        "device__room__site"
                    ).order_by("id"),
                )
            ),
        ),
    )


def lines(rows: Iterable[Order]) -> list[OrderLine]:
    """What is shown; what the rules, with the payer known, do not require is left out."""
    known = rules()
    found = []
    for order in rows:
        authorization = _line(order, known)
        if authorization.stored or authorization.state is AuthorizationState.REQUIRED:
            found.append(_order_line(order, authorization))
    return found


def _line(order: Order, known: Sequence[RuleDetails]) -> AuthorizationLine:
    row: Authorization | None = getattr(order, "authorization", None)
    if row is not None:
        return authorization_line(row)
    rows = list(order.patient.coverages.all())
    valid = [each for each in rows if coverage_line(each).is_valid] or rows
    return _by_rule(order, valid[0].payer if valid else "", known)


def _order_line(order: Order, authorization: AuthorizationLine) -> OrderLine:
    procedures = list(order.procedures.all())
    times = [step.start_at for each in procedures for step in each.steps.all() if step.start_at]
    return OrderLine(
        order=str(order.public_id),
        accession_number=order.accession_number,
        patient=line(order.patient),
        exams=tuple(map(exam_line, procedures)),
        start_at=min(times, default=None),
        zone=zone_of_steps(step for each in procedures for step in each.steps.all()),
        authorization=authorization,
    )


def counts() -> dict[AuthorizationState, int]:
    known = rules()
    found = _live().aggregate(
        **{state.value: Count("pk", distinct=True, filter=_of(state, known)) for state in TABS}
    )
    return {state: found[state.value] for state in TABS}


# --- for the clock


def ended(today: date) -> QuerySet[Authorization]:
    """Approvals whose last day is over."""
    return Authorization.objects.filter(
        status=AuthorizationState.APPROVED.value, valid_until__lt=today
    ).order_by("id")


def waiting_requests() -> list[tuple[str, str, AuthorizationRequest]]:
    """(order, adapter, request) of what payers were asked and did not answer."""
    rows = (
        Authorization.objects.filter(status=AuthorizationState.REQUESTED.value)
        .select_related("order", "coverage")
        .prefetch_related("order__procedures")
        .order_by("requested_at", "id")[:200]
    )
    return [
        (
            str(row.order.public_id),
            row.adapter,
            AuthorizationRequest(
                authorization=str(row.public_id),
                payer=row.payer,
                member_number=row.coverage.member_number if row.coverage else "",
                procedures=tuple(each.code_value for each in row.order.procedures.all()),
                requested_at=row.requested_at or row.created_at,
            ),
        )
        for row in rows
    ]
