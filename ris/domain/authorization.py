"""Eligibility and authorization: who pays, whether the payer must agree, and how that stands.

A payer is reached through an adapter (:class:`PayerAdapter`); the built-in one is a person at a
telephone. Adapters are asked outside of any transaction and what they say comes back as a command.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol as Interface

from ris.domain.commands import Command, Event
from ris.domain.patients import PatientReference
from ris.domain.states import StateMachine


class AuthorizationState(StrEnum):
    """How the payer's agreement to an order stands."""

    NOT_NEEDED = "NOT_NEEDED"
    REQUIRED = "REQUIRED"
    REQUESTED = "REQUESTED"
    APPROVED = "APPROVED"
    DENIED = "DENIED"
    EXPIRED = "EXPIRED"


class AuthorizationTrigger(StrEnum):
    REQUIRE = "require"
    WAIVE = "waive"
    REQUEST = "request"
    APPROVE = "approve"
    DENY = "deny"
    EXPIRE = "expire"


def _table() -> dict[tuple[AuthorizationState, AuthorizationTrigger], AuthorizationState]:
    """An answer may come that nobody asked for by us: the requester telephoned himself."""
    s, t = AuthorizationState, AuthorizationTrigger
    table = {(state, t.WAIVE): s.NOT_NEEDED for state in s}
    table |= {(s.NOT_NEEDED, t.REQUIRE): s.REQUIRED}
    table |= {(state, t.REQUEST): s.REQUESTED for state in (s.REQUIRED, s.DENIED, s.EXPIRED)}
    answerable = (s.REQUIRED, s.REQUESTED, s.DENIED, s.EXPIRED, s.APPROVED)
    table |= {(state, t.APPROVE): s.APPROVED for state in answerable}
    table |= {(state, t.DENY): s.DENIED for state in (s.REQUIRED, s.REQUESTED, s.APPROVED)}
    table |= {(s.APPROVED, t.EXPIRE): s.EXPIRED}
    return table


AUTHORIZATION = StateMachine[AuthorizationState, AuthorizationTrigger](
    "Authorization", AuthorizationState.REQUIRED, _table()
)
# With these an order may be booked where the site asks for the payer's agreement first.
BOOKABLE = frozenset({AuthorizationState.NOT_NEEDED, AuthorizationState.APPROVED})
MANUAL = "manual"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleDetails:
    """For which exams and payers an authorization is needed; the first rule that fits decides."""

    procedures: tuple[str, ...] = ()  # codes; empty: all
    modalities: tuple[str, ...] = ()
    payers: tuple[str, ...] = ()  # parts of the payer's name; empty: all, also if none is known
    needed: bool = True
    adapter: str = MANUAL


def deciding(
    rules: Iterable[RuleDetails],
    *,
    procedures: Sequence[str],
    modalities: Sequence[str],
    payer: str,
) -> RuleDetails | None:
    """The rule that decides on an order; None: no authorization is needed."""
    name = payer.casefold()
    for rule in rules:
        if rule.procedures and not set(rule.procedures) & set(procedures):
            continue
        if rule.modalities and not set(rule.modalities) & set(modalities):
            continue
        if rule.payers and not any(part.casefold() in name for part in rule.payers if name):
            continue
        return rule
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequest:
    """What an adapter is told: what is needed to ask, and nothing more of the patient."""

    authorization: str  # public id, to answer with
    payer: str
    member_number: str
    procedures: tuple[str, ...]
    requested_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PayerAnswer:
    """What a payer says."""

    approved: bool
    number: str = ""
    valid_from: date | None = None
    valid_until: date | None = None
    units: int | None = None
    note: str = ""


class PayerAdapter(Interface):
    """A way to a payer. ``ask`` is called again until it answers; None: not yet."""

    @property
    def name(self) -> str: ...

    def ask(self, request: AuthorizationRequest) -> PayerAnswer | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageDetails:
    """An insurance as it was told (IN1, FHIR Coverage, a page)."""

    payer: str
    plan: str = ""
    member_number: str = ""
    group_number: str = ""
    valid_from: date | None = None
    valid_until: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAuthorizationRules(Command[int]):
    """Replace the rules, in their order; returns how many there are.

    ``expected_version`` is :func:`ris.domain.sets.version_of` the rules that were shown.
    """

    rules: tuple[RuleDetails, ...]
    expected_version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordCoverage(Command[str]):
    """Keep an insurance of a patient; the same payer and member number again replaces it."""

    patient: PatientReference
    coverage: CoverageDetails
    source: str = "page"
    key: str = ""
    ended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestAuthorization(Command[str]):
    """Ask the payer, by the adapter of the rule; returns the authorization's public id."""

    order: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordAuthorization(Command[str]):
    """Write down what the payer said, or that it need not be asked (``state``)."""

    order: str
    state: AuthorizationState
    number: str = ""
    valid_from: date | None = None
    valid_until: date | None = None
    units: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireAuthorizations(Command[int]):
    """Let approvals end whose time is over (timer); returns how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRulesSet(Event):
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageRecorded(Event):
    patient: str
    coverage: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequested(Event):
    order: str
    authorization: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationDecided(Event):
    order: str
    authorization: str
    state: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationExpired(Event):
    order: str
    authorization: str
