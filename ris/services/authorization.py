"""Eligibility and authorization: rules, requests, answers, expiry; the gate before booking.

Payers are asked through adapters, which a plug-in registers when it starts
(:func:`register_adapter`). They are asked by the clock, outside of any transaction; the built-in
one is a person at a telephone and answers nothing by itself.
"""

from __future__ import annotations

import structlog
from django.utils import timezone

from ris import config
from ris.domain.actors import TIMER, Role
from ris.domain.authorization import (
    AUTHORIZATION,
    BOOKABLE,
    MANUAL,
    AuthorizationDecided,
    AuthorizationExpired,
    AuthorizationRequest,
    AuthorizationRequested,
    AuthorizationRulesSet,
    AuthorizationState,
    AuthorizationTrigger,
    CoverageDetails,
    CoverageRecorded,
    ExpireAuthorizations,
    PayerAdapter,
    PayerAnswer,
    RecordAuthorization,
    RecordCoverage,
    RequestAuthorization,
    SetAuthorizationRules,
)
from ris.domain.errors import InvalidValueError, MissingValueError, RisError, UnknownKeyError
from ris.domain.safety import NotReadyError
from ris.domain.values import require_text
from ris.models import (
    Authorization,
    AuthorizationRule,
    Coverage,
    Order,
    Patient,
    ScheduledProcedureStep,
)
from ris.selectors import authorization as selected
from ris.services._context import Context
from ris.services._execute import execute
from ris.services._locks import lock_orders, public_key
from ris.services._sets import require_as_shown
from ris.services._transition import move
from ris.services.patients.finding import require as require_patient

log = structlog.get_logger(__name__)


class Manual:
    """The payer is asked by a person, who writes down what it said."""

    name = MANUAL

    def ask(self, request: AuthorizationRequest) -> PayerAnswer | None:
        return None


_adapters: dict[str, PayerAdapter] = {}


def register_adapter(adapter: PayerAdapter) -> None:
    """Called by a plug-in when it starts; the same name again replaces it."""
    _adapters[adapter.name] = adapter


def adapters() -> tuple[str, ...]:
    return tuple(_adapters)


register_adapter(Manual())


def require_agreement(step: ScheduledProcedureStep) -> None:
    """Refuse with NotReadyError where the site books only what the payer agreed to."""
    if not config.load().authorization.before_booking:
        return
    found = selected.of_order(str(step.procedure.order.public_id))
    if found.state not in BOOKABLE:
        words = found.state.value.lower()
        raise NotReadyError(
            f"the payer's authorization is {words}: booking waits for it",
            step=str(step.public_id),
            waits_for="authorization",
        )


# --- rules and coverages


def set_authorization_rules(command: SetAuthorizationRules, context: Context) -> int:
    unknown = {rule.adapter for rule in command.rules} - set(_adapters)
    if unknown:
        raise InvalidValueError(f"there is no adapter {sorted(unknown)[0]}", path="adapter")
    if len(command.rules) > 500:
        raise InvalidValueError("more than 500 rules", path="rules")
    require_as_shown("authorization rules", selected.rules, command.expected_version)
    AuthorizationRule.objects.all().delete()
    AuthorizationRule.objects.bulk_create(
        [
            AuthorizationRule(
                position=position,
                procedures=list(rule.procedures),
                modalities=[each.upper() for each in rule.modalities],
                payers=list(rule.payers),
                needed=rule.needed,
                adapter=rule.adapter,
            )
            for position, rule in enumerate(command.rules, start=1)
        ]
    )
    context.subject = "AuthorizationRules"
    first = AuthorizationRule.objects.first()
    if first is not None:
        context.emit(AuthorizationRulesSet(count=len(command.rules)), subject=first)
    return len(command.rules)


def record_coverage(command: RecordCoverage, context: Context) -> str:
    patient = require_patient(command.patient)
    row, changed = keep_coverage(
        patient, command.coverage, source=command.source, key=command.key, ended=command.ended
    )
    if not changed:
        context.subject = f"Coverage {row.public_id}"
        return str(row.public_id)
    context.emit(
        CoverageRecorded(patient=str(patient.public_id), coverage=str(row.public_id)),
        subject=patient,
    )
    return str(row.public_id)


def keep_coverage(
    patient: Patient,
    said: CoverageDetails,
    *,
    source: str,
    key: str = "",
    ended: bool = False,
) -> tuple[Coverage, bool]:
    """Store an insurance, and whether that is news.

    The same key, else the same payer and number, again replaces it.
    """
    payer = require_text(said.payer, path="payer", limit=200, name="payer")
    if not payer:
        raise MissingValueError("an insurance needs its payer", path="payer")
    number = said.member_number.strip()[:64]
    rows = Coverage.objects.filter(patient=patient)
    found = rows.filter(key=key) if key else rows.filter(payer=payer, member_number=number, key="")
    row = found.order_by("id").first() or Coverage(patient=patient)
    values = {
        "payer": payer,
        "plan": said.plan.strip()[:200],
        "member_number": number,
        "group_number": said.group_number.strip()[:64],
        "valid_from": said.valid_from,
        "valid_until": said.valid_until,
        "source": source[:20],
        "key": key[:100],
        "active": not ended,
    }
    changed = row._state.adding or any(getattr(row, name) != values[name] for name in values)
    for name, value in values.items():
        setattr(row, name, value)
    if changed:
        row.save()
    return row, changed


# --- the agreement to one order


def _order(public_id: str) -> Order:
    key = public_key(public_id, "order")
    found = Order.objects.filter(public_id=key).values_list("pk", flat=True).first()
    if found is None:
        raise UnknownKeyError("no such order")
    lock_orders([found])
    return (
        Order.objects.select_related("patient").prefetch_related("procedures__steps").get(pk=found)
    )


def _row(order: Order) -> Authorization:
    """The order's row, locked; a new one is as the rules say, and not stored yet."""
    row = Authorization.objects.select_for_update(of=("self",)).filter(order=order).first()
    if row is not None:
        row.order = order
        return row
    coverage = selected.payer_of(order)
    payer = coverage.payer if coverage else ""
    rule = selected.rule_for(order, payer, selected.rules())
    row = Authorization(
        order=order,
        coverage=coverage,
        payer=payer,
        adapter=rule.adapter if rule else MANUAL,
    )
    row.save()
    return row


def request_authorization(command: RequestAuthorization, context: Context) -> str:
    order = _order(command.order)
    row = _row(order)
    coverage = selected.payer_of(order)
    if coverage is not None:
        row.coverage = coverage
        row.payer = coverage.payer
    if row.status == AuthorizationState.NOT_NEEDED.value:
        move(row, AUTHORIZATION, AuthorizationTrigger.REQUIRE)
    row.note = command.note.strip()[:500]
    row.requested_at = context.now
    row.number = ""
    move(
        row,
        AUTHORIZATION,
        AuthorizationTrigger.REQUEST,
        "coverage",
        "payer",
        "note",
        "requested_at",
        "number",
    )
    context.emit(
        AuthorizationRequested(order=str(order.public_id), authorization=str(row.public_id)),
        subject=row,
        order=order,
    )
    return str(row.public_id)


_TRIGGER = {
    AuthorizationState.APPROVED: AuthorizationTrigger.APPROVE,
    AuthorizationState.DENIED: AuthorizationTrigger.DENY,
    AuthorizationState.NOT_NEEDED: AuthorizationTrigger.WAIVE,
    AuthorizationState.REQUIRED: AuthorizationTrigger.REQUIRE,
}


def record_authorization(command: RecordAuthorization, context: Context) -> str:
    trigger = _TRIGGER.get(command.state)
    if trigger is None:
        raise InvalidValueError("that is nothing a payer says", path="state")
    if command.state is AuthorizationState.APPROVED and not command.number.strip():
        raise MissingValueError("an approval has a number", path="number")
    if command.state is AuthorizationState.DENIED and not command.note.strip():
        raise MissingValueError("say why it was denied", path="note")
    if command.valid_from and command.valid_until and command.valid_until < command.valid_from:
        raise InvalidValueError("it ends before it begins", path="valid_until")
    if command.units is not None and not 0 <= command.units <= 999:
        raise InvalidValueError("units are 0 to 999", path="units")
    order = _order(command.order)
    row = _row(order)
    row.number = require_text(command.number, path="number", limit=64, name="number")
    row.valid_from = command.valid_from
    row.valid_until = command.valid_until
    row.units = command.units
    row.note = command.note.strip()[:500]
    row.decided_at = context.now
    row.decided_by = (context.actor.display or context.actor.name)[:150]
    move(
        row,
        AUTHORIZATION,
        trigger,
        "number",
        "valid_from",
        "valid_until",
        "units",
        "note",
        "decided_at",
        "decided_by",
    )
    context.emit(
        AuthorizationDecided(
            order=str(order.public_id),
            authorization=str(row.public_id),
            state=row.status,
            note=row.note[:200],
        ),
        subject=row,
        order=order,
    )
    return str(row.public_id)


def expire_authorizations(command: ExpireAuthorizations, context: Context) -> int:
    due = list(
        selected.ended(timezone.localdate(context.now)).values_list("order_id", flat=True)[:500]
    )
    ended = 0
    for order in lock_orders(due):
        row = (
            Authorization.objects.select_for_update(of=("self",))
            .filter(order=order, status=AuthorizationState.APPROVED.value)
            .first()
        )
        if row is None:
            continue
        move(row, AUTHORIZATION, AuthorizationTrigger.EXPIRE)
        ended += 1
        context.emit(
            AuthorizationExpired(order=str(order.public_id), authorization=str(row.public_id)),
            subject=row,
            order=order,
        )
    return ended


# --- the clock


def run_due() -> None:
    """Let approvals end, and ask the payers that have an adapter; each answer is a command."""
    if selected.ended(timezone.localdate()).exists():
        execute(ExpireAuthorizations(), actor=TIMER)
    if set(_adapters) == {MANUAL}:
        return
    for order, name, request in selected.waiting_requests():
        adapter = _adapters.get(name)
        answer = _asked(adapter, request) if adapter is not None else None
        if answer is not None:
            _note(order, answer)


def _asked(adapter: PayerAdapter, request: AuthorizationRequest) -> PayerAnswer | None:
    """The payer's answer; what breaks in a plug-in stops nothing else and is asked again."""
    try:
        return adapter.ask(request)
    except Exception:
        log.exception("a payer could not be asked", adapter=adapter.name)
        return None


def _note(order: str, answer: PayerAnswer) -> None:
    state = AuthorizationState.APPROVED if answer.approved else AuthorizationState.DENIED
    try:
        execute(
            RecordAuthorization(
                order=order,
                state=state,
                number=answer.number,
                valid_from=answer.valid_from,
                valid_until=answer.valid_until,
                units=answer.units,
                note=answer.note,
            ),
            actor=TIMER,
        )
    except RisError as error:
        log.warning("what a payer answered was not taken", reason=error.message)


HANDLERS = {
    SetAuthorizationRules: set_authorization_rules,
    RecordCoverage: record_coverage,
    RequestAuthorization: request_authorization,
    RecordAuthorization: record_authorization,
    ExpireAuthorizations: expire_authorizations,
}

_DESK = {Role.SCHEDULER, Role.FRONTDESK, Role.MANAGER, Role.SYSTEM}

PERMISSIONS = {
    SetAuthorizationRules: {Role.MANAGER, Role.ADMIN, Role.SYSTEM},
    RecordCoverage: _DESK | {Role.INTERFACE},
    RequestAuthorization: _DESK,
    RecordAuthorization: _DESK,
    ExpireAuthorizations: {Role.SYSTEM},
}
