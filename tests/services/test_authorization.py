"""The payers' agreement: by rule, asked for, answered, over; and in the way of booking."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from ris import config
from ris.domain.actors import TIMER
from ris.domain.authorization import (
    AuthorizationRequest,
    AuthorizationState,
    CoverageDetails,
    ExpireAuthorizations,
    PayerAnswer,
    RecordAuthorization,
    RecordCoverage,
    RequestAuthorization,
    RuleDetails,
    SetAuthorizationRules,
    deciding,
)
from ris.domain.errors import DeniedError, IllegalTransitionError, MissingValueError
from ris.domain.patients import PatientReference
from ris.domain.safety import NotReadyError
from ris.domain.scheduling import BookAppointment
from ris.models import Authorization, Coverage, DomainEvent, Order
from ris.selectors import authorization as selected
from ris.services import authorization, execute
from tests import make, people

pytestmark = pytest.mark.django_db

CT = RuleDetails(modalities=("CT",))


@pytest.fixture(autouse=True)
def _device() -> None:
    make.device()


def rules(*each: RuleDetails) -> None:
    execute(SetAuthorizationRules(rules=each), actor=people.manager)


def state(order: Order) -> AuthorizationState:
    return selected.of_order(str(order.public_id)).state


def say(order: Order, kind: AuthorizationState, **said: object) -> None:
    execute(
        RecordAuthorization(order=str(order.public_id), state=kind, **said),
        actor=people.scheduler,
    )


def test_the_first_rule_that_fits_decides() -> None:
    known = (
        RuleDetails(payers=("public",), needed=False),
        RuleDetails(modalities=("MR",)),
        RuleDetails(procedures=("PET",)),
    )

    def decided(procedure: str, modality: str, payer: str) -> bool | None:
        rule = deciding(known, procedures=[procedure], modalities=[modality], payer=payer)
        return rule.needed if rule else None

    assert decided("X", "MR", "Public Health Fund") is False
    assert decided("X", "MR", "") is True
    assert decided("PET", "CT", "Acme") is True
    assert decided("X", "CT", "Acme") is None


def test_a_rule_makes_an_order_wait_for_its_payer() -> None:
    rules(CT)
    order = make.order()

    assert state(order) is AuthorizationState.REQUIRED
    assert [line.order for line in selected.lines(
        selected.with_lines(selected.in_state(AuthorizationState.REQUIRED)))] == [
        str(order.public_id)]  # fmt: skip


def test_an_approval_has_number_time_and_units() -> None:
    rules(CT)
    order = make.order()
    execute(RequestAuthorization(order=str(order.public_id)), actor=people.frontdesk)
    assert state(order) is AuthorizationState.REQUESTED
    today = timezone.localdate()

    say(
        order,
        AuthorizationState.APPROVED,
        number="A-77",
        valid_from=today,
        valid_until=today + timedelta(days=10),
        units=2,
    )

    line = selected.of_order(str(order.public_id))
    assert (line.state, line.number, line.units, line.ends_soon) == (
        AuthorizationState.APPROVED,
        "A-77",
        2,
        True,
    )
    assert DomainEvent.objects.get(name="AuthorizationDecided").payload["state"] == "APPROVED"


def test_an_approval_without_a_number_and_a_denial_without_a_reason_are_refused() -> None:
    order = make.order()

    with pytest.raises(MissingValueError, match="an approval has a number"):
        say(order, AuthorizationState.APPROVED)
    with pytest.raises(MissingValueError, match="why it was denied"):
        say(order, AuthorizationState.DENIED)

    assert Authorization.objects.count() == 0


def test_what_is_over_expires_by_the_clock() -> None:
    order = make.order()
    say(order, AuthorizationState.APPROVED, number="A-1",
        valid_until=timezone.localdate() - timedelta(days=1))  # fmt: skip

    authorization.run_due()
    authorization.run_due()

    assert state(order) is AuthorizationState.EXPIRED
    assert DomainEvent.objects.filter(name="AuthorizationExpired").count() == 1


def test_an_approval_of_today_holds() -> None:
    order = make.order()
    say(order, AuthorizationState.APPROVED, number="A-1", valid_until=timezone.localdate())

    assert execute(ExpireAuthorizations(), actor=TIMER) == 0
    assert state(order) is AuthorizationState.APPROVED


def test_a_denied_order_cannot_expire_and_may_be_asked_for_again() -> None:
    order = make.order()
    say(order, AuthorizationState.DENIED, note="no indication")
    with pytest.raises(IllegalTransitionError):
        say(order, AuthorizationState.REQUIRED)

    execute(RequestAuthorization(order=str(order.public_id)), actor=people.scheduler)

    assert state(order) is AuthorizationState.REQUESTED


@pytest.fixture
def _strict(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("RIS_AUTHORIZATION__BEFORE_BOOKING", "true")
    config.load.cache_clear()
    yield
    monkeypatch.undo()
    config.load.cache_clear()


@pytest.mark.usefixtures("_strict")
def test_booking_waits_for_the_payer_where_the_site_says_so() -> None:
    rules(CT)
    order = make.order()
    book = BookAppointment(
        step=str(make.step_of(order).public_id), device="CT1", start_at=make.NOON
    )

    with pytest.raises(NotReadyError, match="authorization is required"):
        execute(book, actor=people.scheduler)
    say(order, AuthorizationState.APPROVED, number="A-9")
    execute(book, actor=people.scheduler)

    assert make.step_of(order).status == "SCHEDULED"


def test_booking_does_not_wait_unless_the_site_says_so() -> None:
    rules(CT)

    assert make.step_of(make.booked()).status == "SCHEDULED"


class Robot:
    """A payer that answers by itself."""

    name = "robot"

    def __init__(self) -> None:
        self.asked: list[AuthorizationRequest] = []

    def ask(self, request: AuthorizationRequest) -> PayerAnswer | None:
        self.asked.append(request)
        return PayerAnswer(approved=True, number="R-1") if len(self.asked) > 1 else None


def test_an_adapter_is_asked_by_the_clock_until_it_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    robot = Robot()
    monkeypatch.setattr(authorization, "_adapters", {**authorization._adapters, "robot": robot})
    rules(RuleDetails(modalities=("CT",), adapter="robot"))
    order = make.order()
    execute(RequestAuthorization(order=str(order.public_id)), actor=people.scheduler)

    authorization.run_due()
    assert state(order) is AuthorizationState.REQUESTED
    authorization.run_due()
    authorization.run_due()

    line = selected.of_order(str(order.public_id))
    assert (line.state, line.number, line.decided_by) == (
        AuthorizationState.APPROVED,
        "R-1",
        "timer",
    )
    assert [request.procedures for request in robot.asked] == [("CTHEAD",), ("CTHEAD",)]


def test_the_payer_comes_from_the_coverage_that_is_valid() -> None:
    rules(RuleDetails(payers=("Acme",)))
    order = make.order()
    patient = PatientReference(public_id=str(order.patient.public_id))
    today = timezone.localdate()
    execute(
        RecordCoverage(
            patient=patient,
            coverage=CoverageDetails(payer="Old Fund", valid_until=today - timedelta(days=1)),
        ),
        actor=people.frontdesk,
    )
    assert state(order) is AuthorizationState.NOT_NEEDED

    for _ in range(2):
        execute(
            RecordCoverage(
                patient=patient,
                coverage=CoverageDetails(payer="Acme Health", member_number="M1"),
            ),
            actor=people.ehr,
        )

    assert Coverage.objects.count() == 2
    assert state(order) is AuthorizationState.REQUIRED


def test_a_technologist_notes_nothing_of_payers() -> None:
    order = make.order()

    with pytest.raises(DeniedError):
        execute(
            RecordAuthorization(
                order=str(order.public_id), state=AuthorizationState.APPROVED, number="X"
            ),
            actor=people.technologist,
        )

    assert Authorization.objects.count() == 0
