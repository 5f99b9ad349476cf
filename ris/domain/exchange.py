"""Endpoints, messages in, deliveries out: states, commands, events."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ris.domain.commands import Command, Event
from ris.domain.states import StateMachine


class Protocol(StrEnum):
    HL7 = "hl7"
    DICOM = "dicom"
    FHIR = "fhir"
    DICOMWEB = "dicomweb"
    MAIL = "mail"  # to patients, over SMTP or into a folder
    SMS = "sms"  # to patients, through a gateway that takes JSON


class Direction(StrEnum):
    IN = "in"
    OUT = "out"


class Subscription(StrEnum):
    """What an outbound endpoint may ask for (``sends``)."""

    ORDER_STATUS = "order-status"
    RESULTS = "results"
    APPOINTMENTS = "appointments"
    PROCEDURE_SCHEDULED = "procedure-scheduled"
    PATIENT_UPDATES = "patient-updates"
    CHARGES = "charges"
    IMAGES = "images"
    MPPS = "mpps"
    MPPS_EVENTS = "mpps-events"
    DOCUMENTS = "documents"  # reports as documents of a record
    REPORT_OBJECTS = "report-objects"  # structured reports and PDF, into an archive
    REPORT_NOTICES = "report-notices"  # to referring doctors: there is something to read
    ALERTS = "alerts"  # to administrators: a connection needs somebody


# What is sent over DICOM and over nothing else; everything else is not sent over DICOM.
DICOM_SUBSCRIPTIONS = frozenset(
    {Subscription.MPPS, Subscription.MPPS_EVENTS, Subscription.REPORT_OBJECTS}
)
DICOMWEB_SUBSCRIPTIONS = frozenset({Subscription.REPORT_OBJECTS})
# Over mail and over nothing else. An endpoint that carries them carries none to patients.
MAIL_SUBSCRIPTIONS = frozenset({Subscription.REPORT_NOTICES, Subscription.ALERTS})
# These carry messages to patients, by rules of their own, unless they ask for notices.
PATIENT_PROTOCOLS = frozenset({Protocol.MAIL, Protocol.SMS})


def is_carried(subscription: Subscription, protocol: Protocol) -> bool:
    """Whether a protocol has a message for what the subscription asks for."""
    if protocol is Protocol.DICOMWEB:
        return subscription in DICOMWEB_SUBSCRIPTIONS
    if protocol in PATIENT_PROTOCOLS or subscription in MAIL_SUBSCRIPTIONS:
        return protocol is Protocol.MAIL and subscription in MAIL_SUBSCRIPTIONS
    return (subscription in DICOM_SUBSCRIPTIONS) is (protocol is Protocol.DICOM)


class MessageState(StrEnum):
    RECEIVED = "RECEIVED"
    APPLIED = "APPLIED"
    REJECTED = "REJECTED"
    FAILED = "FAILED"


class MessageTrigger(StrEnum):
    APPLY = "apply"
    REJECT = "reject"
    FAIL = "fail"
    REPLAY = "replay"


MESSAGE = StateMachine[MessageState, MessageTrigger](
    "InboundMessage",
    MessageState.RECEIVED,
    {
        (MessageState.RECEIVED, MessageTrigger.APPLY): MessageState.APPLIED,
        (MessageState.RECEIVED, MessageTrigger.REJECT): MessageState.REJECTED,
        (MessageState.RECEIVED, MessageTrigger.FAIL): MessageState.FAILED,
        (MessageState.FAILED, MessageTrigger.REPLAY): MessageState.RECEIVED,
        (MessageState.REJECTED, MessageTrigger.REPLAY): MessageState.RECEIVED,
    },
)


# Refused because of how it came, which is not stored: whoever sent it has to send it again.
NO_CERTIFICATE = "this sender must show its certificate"
OTHER_CERTIFICATE = "this certificate is not that of the sender"
UNPROVEN = frozenset({NO_CERTIFICATE, OTHER_CERTIFICATE})


class ReplyState(StrEnum):
    """What became of the answer; a second axis beside the message's own state."""

    NOT_DUE = "NOT_DUE"
    PENDING = "PENDING"
    SENT = "SENT"
    UNDELIVERED = "UNDELIVERED"


class DeliveryState(StrEnum):
    PENDING = "PENDING"
    LEASED = "LEASED"
    DELIVERED = "DELIVERED"
    REFUSED = "REFUSED"
    DEAD = "DEAD"
    SKIPPED = "SKIPPED"


class DeliveryTrigger(StrEnum):
    LEASE = "lease"
    SUCCEED = "succeed"
    DEFER = "defer"
    REFUSE = "refuse"
    GIVE_UP = "give_up"
    REQUEUE = "requeue"
    SKIP = "skip"


DELIVERY = StateMachine[DeliveryState, DeliveryTrigger](
    "Delivery",
    DeliveryState.PENDING,
    {
        (DeliveryState.PENDING, DeliveryTrigger.LEASE): DeliveryState.LEASED,
        (DeliveryState.LEASED, DeliveryTrigger.SUCCEED): DeliveryState.DELIVERED,
        (DeliveryState.LEASED, DeliveryTrigger.DEFER): DeliveryState.PENDING,
        (DeliveryState.LEASED, DeliveryTrigger.REFUSE): DeliveryState.REFUSED,
        (DeliveryState.LEASED, DeliveryTrigger.GIVE_UP): DeliveryState.DEAD,
        (DeliveryState.LEASED, DeliveryTrigger.SKIP): DeliveryState.SKIPPED,  # by a peer's rule
        (DeliveryState.REFUSED, DeliveryTrigger.REQUEUE): DeliveryState.PENDING,
        (DeliveryState.DEAD, DeliveryTrigger.REQUEUE): DeliveryState.PENDING,
        (DeliveryState.REFUSED, DeliveryTrigger.SKIP): DeliveryState.SKIPPED,
        (DeliveryState.DEAD, DeliveryTrigger.SKIP): DeliveryState.SKIPPED,
    },
)


class RunState(StrEnum):
    """A run over many messages, applied or sent again."""

    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    STOPPED = "STOPPED"


class RunTrigger(StrEnum):
    FINISH = "finish"
    STOP = "stop"


RUN = StateMachine[RunState, RunTrigger](
    "MessageRun",
    RunState.RUNNING,
    {
        (RunState.RUNNING, RunTrigger.FINISH): RunState.FINISHED,
        (RunState.RUNNING, RunTrigger.STOP): RunState.STOPPED,
    },
)

# States in which a delivery keeps later ones of its lane waiting.
BLOCKING = frozenset(
    {
        DeliveryState.PENDING,
        DeliveryState.LEASED,
        DeliveryState.REFUSED,
        DeliveryState.DEAD,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigureEndpoint(Command[str]):
    """Create or change a peer system; returns its public id."""

    name: str
    protocol: Protocol
    direction: Direction
    protocol_name: str = ""  # MSH-3^MSH-4 of the peer, AE title, client id
    host: str = ""
    port: int | None = None
    version: str = ""
    character_set: str = ""
    time_zone: str = ""
    sends: tuple[Subscription, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    # When it is to be reported (ris.domain.interfaces.Watch); None: as it was.
    watch: dict[str, Any] | None = None
    active: bool = True
    # The record to change, where it is not told by its name: so that it can get another one.
    endpoint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseEndpoint(Command[None]):
    """Stop (or go on with) sending to an endpoint; what is queued stays queued."""

    endpoint: str
    paused: bool
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayMessage(Command[str]):
    """Apply a rejected or failed message again; returns the message's public id."""

    message: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequeueDelivery(Command[None]):
    """Send a refused or dead delivery again, with the same control id."""

    delivery: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResendDelivery(Command[str]):
    """Send what was delivered once more, as a new message; returns the new delivery."""

    delivery: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SkipDelivery(Command[None]):
    """Give a delivery up so that its lane goes on."""

    delivery: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EditMessage(Command[str]):
    """Apply a changed text of a message as a new one; returns the new message.

    The first stays as it was. ``resolve`` marks it as dealt with.
    """

    message: str
    text: str
    reason: str
    resolve: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class EditDelivery(Command[str]):
    """Send a changed text of a message under a new control id; returns the delivery.

    What was parked keeps its place in its lane.
    """

    delivery: str
    text: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRun(Command[str]):
    """Apply or send again all that a filter finds, in order; returns the run.

    ``expected`` is how many the person was shown: others that came meanwhile are a conflict.
    """

    direction: Direction
    filters: dict[str, str]
    reason: str
    expected: int
    per_minute: int = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRun(Command[None]):
    """Leave the rest of a run undone."""

    run: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolveException(Command[None]):
    """Mark a rejected message or an unmatched performed step as dealt with."""

    kind: str  # "message" | "performed"
    key: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointConfigured(Event):
    endpoint: str
    changed: tuple[str, ...]
    changes: tuple[str, ...] = ()  # in words: what it was, and what it is


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointPaused(Event):
    endpoint: str
    paused: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageReplayed(Event):
    message: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRequeued(Event):
    delivery: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryResent(Event):
    delivery: str
    previous: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySkipped(Event):
    delivery: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageEdited(Event):
    message: str
    previous: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryEdited(Event):
    delivery: str
    previous: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    run: str
    direction: Direction
    total: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded(Event):
    run: str
    done: int
    refused: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionResolved(Event):
    kind: str
    key: str
    note: str
