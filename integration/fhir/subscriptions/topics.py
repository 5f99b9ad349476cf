"""The topics a client may subscribe to (R5 Subscriptions backport 1.1.0, "Subscription Topics").

A topic is a canonical; R4 has no resource for it. The CapabilityStatement lists them (extension
``capabilitystatement-subscriptiontopic-canonical``) and so does the conformance statement. Any
search parameter of the topic's resource type filters it (``backport-filter-criteria``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from integration.fhir.touched import Name, touched
from ris.domain.protocol import StoredEvent

PREFIX = "urn:ris:subscription-topic:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """``focus`` says which resources an event of these names is about."""

    name: str
    kind: str
    events: frozenset[str]
    focus: Callable[[StoredEvent], Iterable[Name]]
    documentation: str

    @property
    def canonical(self) -> str:
        return PREFIX + self.name


def _of(kind: str, *fields: str) -> Callable[[StoredEvent], Iterable[Name]]:
    """The resources that fields of the event name, each once."""

    def focus(event: StoredEvent) -> Iterable[Name]:
        found: dict[str, None] = {}
        for field in fields:
            said = event.payload.get(field)
            for public_id in said if isinstance(said, list) else [said] if said else []:
                found[str(public_id)] = None
        return [(kind, public_id) for public_id in found]

    return focus


def _steps(event: StoredEvent) -> Iterable[Name]:
    """The steps an event names; where it is the order that changed, all of them."""
    named = list(_of("Task", "step", "steps", "previous_steps", "returned")(event))
    return named or [name for name in touched(event) if name[0] == "Task"]


_APPOINTMENTS = frozenset(
    {
        "AppointmentBooked", "AppointmentCanceled", "AppointmentModified", "AppointmentMoved",
        "ArrivalUndone", "HoldExpired", "NoShowRecorded", "NoShowUndone", "PatientArrived",
        "SlotHeld",
    }
)  # fmt: skip
_ORDERS = frozenset(
    {
        "OrderCanceled", "OrderCompleted", "OrderDiscontinued", "OrderHeld", "OrderPlaced",
        "OrderReleased", "OrderReopened", "OrderReplaced", "OrderVoided",
    }
)  # fmt: skip
_STEPS = frozenset(
    {
        "PerformedStepCompleted", "PerformedStepDiscontinued", "PerformedStepRelinked",
        "PerformedStepStarted", "ProcedureAdded", "ProtocolSet", "StepCanceled", "StepPrepared",
        "StepRepeated",
    }
)  # fmt: skip

TOPICS: Mapping[str, Topic] = {
    topic.canonical: topic
    for topic in (
        Topic(
            name="order-status",
            kind="ServiceRequest",
            events=_ORDERS,
            focus=_of("ServiceRequest", "order", "replaced"),
            documentation="An order was placed, held, released, canceled, discontinued, replaced, "
            "completed or taken up again.",
        ),
        Topic(
            name="step-status",
            kind="Task",
            events=_STEPS | _APPOINTMENTS | _ORDERS,
            focus=_steps,
            documentation="A scheduled procedure step was scheduled, protocoled, prepared, "
            "started, completed or given up, or its patient arrived.",
        ),
        Topic(
            name="report-final",
            kind="DiagnosticReport",
            events=frozenset({"ReportFinalized"}),
            focus=_of("DiagnosticReport", "report"),
            documentation="A report was signed as final.",
        ),
        Topic(
            name="report-amended",
            kind="DiagnosticReport",
            events=frozenset({"ReportAmended", "ReportRetracted"}),
            focus=_of("DiagnosticReport", "report"),
            documentation="A final report was amended, corrected or withdrawn.",
        ),
        Topic(
            name="critical-finding",
            kind="DiagnosticReport",
            events=frozenset({"CriticalResultAcknowledged", "CriticalResultCommunicated"}),
            focus=_of("DiagnosticReport", "report"),
            documentation="A critical result was communicated, or its receiver acknowledged it.",
        ),
        Topic(
            name="appointment-changed",
            kind="Appointment",
            events=_APPOINTMENTS,
            focus=_of("Appointment", "appointment"),
            documentation="An appointment was held, booked, moved, changed, canceled or missed, or "
            "its patient arrived.",
        ),
    )
}


def find(criteria: str) -> Topic | None:
    """The topic a criteria names, whatever version it asks for; None if it is none of ours."""
    return TOPICS.get(criteria.partition("|")[0])
