"""What leaves over HL7: which event means which message for whom, and how it is sent.

Lanes keep order: all that is told of an order leaves one after the other, and so do the versions of
a report, with those of the report that follows a withdrawn one, and the changes of a patient.
Results have a lane of their own, because a status message that a receiver refuses must never hold a
report back; what is told of an order carries its time (ORC-9, OBR-22), so a receiver can tell which
came first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from integration.hl7 import acks, hours, mllp_client, profiles, replies, times, versions
from integration.hl7 import charset as charsets
from integration.hl7.er7_writer import Raw, SegmentRow, build, msh
from integration.hl7.fitting import fit
from integration.hl7.from_domain.archive import ARCHIVE
from integration.hl7.from_domain.archive import procedure_scheduled as to_archive
from integration.hl7.from_domain.charges import (
    EXAM_EVENTS,
    REPORT_EVENTS,
    Part,
    charge,
    credit,
    is_charge,
    is_due,
)
from integration.hl7.from_domain.documents import mdm, notices
from integration.hl7.from_domain.draft import Draft
from integration.hl7.from_domain.images import IMAGES_EVENTS, images_available
from integration.hl7.from_domain.orders import EVENTS, REQUESTS, order_status
from integration.hl7.from_domain.patients import PATIENT_EVENTS, PatientsTold, patient_told
from integration.hl7.from_domain.results import SIGNED, oru_r01
from integration.hl7.from_domain.scheduling import APPOINTMENTS, siu
from integration.hl7.from_domain.supplies import SUPPLY_EVENTS, supplies, tells
from integration.hl7.mllp_client import Target
from integration.hl7.profiles import Profile
from integration.hl7.relay import RELAYED, is_same_peer, rewritten
from ris.client_tls import ClientTls
from ris.domain.errors import InvalidValueError
from ris.domain.exchange import Direction, Subscription
from ris.domain.exchange import Protocol as ProtocolName
from ris.domain.protocol import Attempt, EndpointInfo, OnRefusal, Outgoing, Result, StoredEvent
from ris.domain.reporting import VersionKind
from ris.selectors.appointments import appointment_numbers
from ris.selectors.documents import DocumentView, of_version
from ris.selectors.exchange import endpoints
from ris.selectors.facility import site
from ris.selectors.orders import order_view, order_views
from ris.selectors.outgoing import (
    booked_by_the_same,
    identifiers_moved,
    is_relayed,
    last_told,
    orders_of_steps,
)
from ris.selectors.patients import patient_view
from ris.selectors.report_exams import first_report
from ris.selectors.reports import report_view
from ris.selectors.supplies import of_procedure
from ris.selectors.views import OrderView, ProcedureView, ReportView
from ris.services.outbox import register_protocol
from ris.services.report_documents import report_document

Lane = str
Drafts = Iterable[tuple[Lane, Draft]]


class _Telling:
    """One event for one endpoint; what several messages need is read once."""

    def __init__(self, event: StoredEvent, endpoint: EndpointInfo) -> None:
        self.event = event
        self.endpoint = endpoint
        self.profile: Profile = profiles.profile(endpoint, site())
        self._orders: list[OrderView] | None = None
        self._asked: bool | None = None

    @property
    def orders(self) -> list[OrderView]:
        """The orders the event is about, as far as the receiver is told of them."""
        if self._orders is None:
            payload = self.event.payload
            steps = [*payload.get("steps", ()), *payload.get("previous_steps", ())]
            if steps:
                found = order_views(orders_of_steps(steps))
            else:
                found = [order_view(self.event.order)] if self.event.order else []
            self._orders = [order for order in found if self.concerns(order)]
        return self._orders

    def concerns(self, order: OrderView) -> bool:
        if self.profile.settings.orders == "all":
            return True
        application = self.profile.peer[0]
        return order.source == self.endpoint.name or (
            bool(application) and order.placer.issuer == application
        )

    @property
    def asked_by_receiver(self) -> bool:
        """The receiver itself asked for what happened, through its inbound endpoint.

        A peer's two endpoints have the same name, or the same application and facility.
        """
        if self._asked is None:
            self._asked = self.event.actor_endpoint_id is not None and any(
                each.id == self.event.actor_endpoint_id and is_same_peer(each, self.endpoint)
                for protocol in (ProtocolName.HL7, ProtocolName.FHIR)
                for each in endpoints(protocol, Direction.IN)
            )
        return self._asked


# --- who wants what -----------------------------------------------------------------------------


def _status(telling: _Telling) -> Drafts:
    event = telling.event
    asked = event.name in REQUESTS and telling.asked_by_receiver
    replaced = order_views(event.payload["replaced"]) if event.name == "OrderReplaced" else []
    for order in telling.orders:
        draft = order_status(
            event, order, telling.profile, asked_by_receiver=asked, replaced=replaced
        )
        if draft is not None:
            yield f"order:{order.public_id}", draft


def _appointment(telling: _Telling) -> Drafts:
    """Whoever keeps the calendar and told us of it is not told the same."""
    event = telling.event
    if event.payload.get("followed") and telling.asked_by_receiver:
        return
    numbers = appointment_numbers(event.payload["appointment"])
    for order in telling.orders:
        draft = siu(event, order, telling.profile, numbers)
        if draft is not None:
            yield f"order:{order.public_id}", draft


def _archive(telling: _Telling) -> Drafts:
    along: Sequence[StoredEvent] = ()
    if telling.profile.settings.archive_groups == "order":
        found = booked_by_the_same(telling.event)
        if found[0].id != telling.event.id:
            return  # told with the first of them
        along = found[1:]
    for order in telling.orders:
        for draft in to_archive(telling.event, order, telling.profile, along):
            yield f"order:{order.public_id}", draft


def _results(telling: _Telling) -> Drafts:
    event, profile = telling.event, telling.profile
    if event.name == "PreliminarySigned" and not profile.settings.preliminary_results:
        return
    payload = event.payload
    orders = [order for order in order_views(payload["orders"]) if telling.concerns(order)]
    key, number = payload["report"], int(payload["number"])
    view = report_view(key)
    if event.name == "ReportRetracted" and not _was_told(view, number, profile):
        return
    attached = of_version(key, number) if profile.settings.documents else []
    if profile.settings.printed_report:
        attached = [_printed(key, number), *attached]
    draft = oru_r01(view, number, orders, event.at, profile, attached)
    if draft is not None:
        yield f"report:{first_report(key)}", draft


def _was_told(view: ReportView, number: int, profile: Profile) -> bool:
    """Whether the receiver has any version that could be withdrawn."""
    return profile.settings.preliminary_results or any(
        each.kind is not VersionKind.PRELIMINARY for each in view.versions[: number - 1]
    )


def _documents(telling: _Telling) -> Drafts:
    event, profile = telling.event, telling.profile
    payload = event.payload
    orders = [order for order in order_views(payload["orders"]) if telling.concerns(order)]
    key, number = payload["report"], int(payload["number"])
    view = report_view(key)
    told = notices(view.versions, number, profile.settings)
    if not orders or not told:
        return
    shown = profile.settings.document_content != "text" and any(each.shows for each in told)
    printed = _printed(key, number) if shown else None
    for draft in mdm(view, number, orders, event.at, profile, printed):
        yield f"document:{key}", draft


def _printed(report: str, number: int) -> DocumentView:
    """The version as PDF: the bytes that the page prints and FHIR shows."""
    printed = report_document(report, number)
    return DocumentView(
        public_id=printed.report,
        patient="",
        order="",
        title="Report",
        file_name=f"report-v{number}.pdf",
        media_type=printed.media_type,
        content=printed.content,
        version=number,
    )


def _patient(telling: _Telling) -> Drafts:
    """What happened to a patient; through a peer that relays, only what no message said."""
    event, profile = telling.event, telling.profile
    relays = profile.settings.relay_adt
    if telling.asked_by_receiver or (relays and is_relayed(event.message)):
        return
    # What is relayed and what is told stay in order as well.
    lane = RELAYED if relays else f"patient:{event.payload['patient']}"
    for draft in patient_told(event, profile, _patients(event)):
        yield lane, draft


def _patients(event: StoredEvent) -> PatientsTold:
    """The patients that an event is about, as they are now."""
    payload = event.payload
    other = str(payload.get("subsumed") or payload.get("previous") or "")
    is_other = event.name in ("PatientsUnmerged", "IdentifiersMoved")
    merged = event.name == "PatientsMerged"
    return PatientsTold(
        patient=patient_view(str(payload["patient"])),
        other=patient_view(other) if is_other else None,
        merged=identifiers_moved(payload["moved"]["identifiers"]) if merged else (),
    )


def _charges(telling: _Telling) -> Drafts:
    yield from _exam_and_report_charges(telling)
    yield from _supply_charges(telling)


def _exam_and_report_charges(telling: _Telling) -> Drafts:
    event = telling.event
    for order, procedure, part in _charged(telling):
        lane = f"charge:{procedure.public_id}:{part.value}"
        told = last_told(telling.endpoint.id, lane)
        stands = told is not None and is_charge(told)
        due = is_due(procedure, part)
        if due and not stands:
            yield lane, charge(order, procedure, part, event.at, telling.profile)
        elif told is not None and stands and not due:
            yield lane, credit(told, event.at, telling.profile)


def _supply_charges(telling: _Telling) -> Drafts:
    """What was used, once the exam is over; credited if it is recorded anew or taken back."""
    event, profile = telling.event, telling.profile
    if not profile.settings.charge_supplies or event.name in REPORT_EVENTS:
        return
    for order, procedure in _examined(telling):
        lane = f"charge:{procedure.public_id}:supplies"
        told = last_told(telling.endpoint.id, lane)
        used = of_procedure(procedure.public_id) if is_due(procedure, Part.TECHNICAL) else []
        if told is not None and is_charge(told):
            # Only what was recorded can be another list; what the peer was told stays otherwise.
            if used and (event.name not in SUPPLY_EVENTS or tells(told, used)):
                continue
            yield lane, credit(told, event.at, profile)
        if used:
            yield lane, supplies(order, procedure, used, event.at, profile)


def _charged(telling: _Telling) -> Iterator[tuple[OrderView, ProcedureView, Part]]:
    """The procedures whose charges an event may change."""
    payload = telling.event.payload
    if telling.event.name in REPORT_EVENTS:
        procedures = set(report_view(payload["report"]).procedures)
        for order in order_views(payload["orders"]):
            if telling.concerns(order):
                for procedure in order.procedures:
                    if procedure.public_id in procedures:
                        yield order, procedure, Part.PROFESSIONAL
        return
    if telling.event.name in EXAM_EVENTS:
        for order, procedure in _examined(telling):
            yield order, procedure, Part.TECHNICAL


def _examined(telling: _Telling) -> Iterator[tuple[OrderView, ProcedureView]]:
    """The procedures of the steps that an event is about."""
    payload = telling.event.payload
    steps = {*payload.get("steps", ()), *payload.get("previous_steps", ()), payload.get("step")}
    for order in telling.orders:
        for procedure in order.procedures:
            if any(step.public_id in steps for step in procedure.steps):
                yield order, procedure


def _images(telling: _Telling) -> Drafts:
    for order in telling.orders:
        draft = images_available(telling.event, order, telling.profile)
        if draft is not None:
            yield f"images:{telling.event.payload['study_instance_uid']}", draft


@dataclass(frozen=True, slots=True)
class Route:
    """What a subscription brings: which events, and the messages they become."""

    events: frozenset[str]
    drafts: Callable[[_Telling], Drafts]
    messages: str  # for the conformance statement


ROUTES: Mapping[Subscription, Route] = {
    Subscription.ORDER_STATUS: Route(EVENTS, _status, "ORM^O01 or OMG^O19"),
    Subscription.APPOINTMENTS: Route(
        frozenset(APPOINTMENTS), _appointment, "SIU^S12 S13 S14 S15 S26"
    ),
    Subscription.PROCEDURE_SCHEDULED: Route(frozenset(ARCHIVE), _archive, "ORM^O01 or OMI^O23"),
    Subscription.RESULTS: Route(SIGNED, _results, "ORU^R01"),
    Subscription.DOCUMENTS: Route(SIGNED, _documents, "MDM^T02 T04 T06 T08 T10 T11"),
    Subscription.PATIENT_UPDATES: Route(
        PATIENT_EVENTS,
        _patient,
        "ADT^A08 A40 A47, and A01, A04 or A28",
    ),
    Subscription.CHARGES: Route(EXAM_EVENTS | REPORT_EVENTS | SUPPLY_EVENTS, _charges, "DFT^P03"),
    Subscription.IMAGES: Route(IMAGES_EVENTS, _images, "ORU^R01"),
}


def _routes(event: str, endpoint: EndpointInfo) -> list[Route]:
    return [
        route
        for subscription, route in ROUTES.items()
        if subscription.value in endpoint.sends and event in route.events
    ]


# --- the protocol for the outbox ----------------------------------------------------------------


class Hl7:
    """HL7 v2 over MLLP, as the outbox knows it (ris.domain.protocol.OutboundProtocol)."""

    def cares(self, event: str, endpoint: EndpointInfo) -> bool:
        return bool(_routes(event, endpoint))

    def render(
        self, event: StoredEvent, endpoint: EndpointInfo, control_id: str
    ) -> Sequence[Outgoing]:
        wanted = _routes(event.name, endpoint)
        if not wanted:
            return ()
        telling = _Telling(event, endpoint)
        drafts = [each for route in wanted for each in route.drafts(telling)]
        return [
            _outgoing(lane, draft, telling, _numbered(control_id, number))
            for number, (lane, draft) in enumerate(drafts)
        ]

    def send(self, payload: bytes, control_id: str, endpoint: EndpointInfo) -> Attempt:
        try:
            settings = profiles.read_settings(endpoint.settings)
        except InvalidValueError as error:
            return Attempt(result=Result.TRANSIENT, error=error.message)  # an operator mends it
        exchange = mllp_client.send(target(endpoint, settings), payload)
        result = exchange.result
        if result is Result.REFUSED and exchange.ack and _is_for_now(exchange.ack):
            result = Result.TRANSIENT
        return Attempt(
            result=result,
            reply=exchange.reply,
            error=exchange.error,
            answered=exchange.ack is not None,
            says_more=exchange.ack is not None and replies.says_more(exchange.ack),
            park_after=settings.refusals,
            on_refusal=OnRefusal(settings.on_refusal),
            details={"seconds": round(exchange.seconds, 3)},
        )

    def readdress(self, payload: bytes, control_id: str, endpoint: EndpointInfo) -> bytes:
        return rewritten(payload, {10: control_id}, endpoint.character_set or charsets.UTF_8)

    def accepted(self, payload: bytes, reply: bytes, endpoint: EndpointInfo) -> None:
        """Take what an answer of its own says (ORR, ORG, ORI); see :mod:`.replies`."""
        replies.take(reply, endpoint)

    def is_open(self, endpoint: EndpointInfo, now: datetime) -> bool:
        """Not in its blackout hours; what waits is sent afterwards."""
        spans = endpoint.settings.get("blackout", ())
        if not spans:
            return True
        zone = times.zone(endpoint.time_zone or site().time_zone, path="time_zone")
        return not hours.within(spans, now, zone)

    def check_settings(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        return profiles.check_settings(settings)


_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _numbered(control_id: str, number: int) -> str:
    """The event's control id, and for its further messages one with a suffix.

    MSH-10 has 20 characters before 2.7, of which the outbox leaves two.
    """
    if number >= len(_DIGITS):
        raise InvalidValueError("an event means too many messages")
    return f"{control_id}.{_DIGITS[number]}" if number else control_id


def _outgoing(lane: Lane, draft: Draft, telling: _Telling, control_id: str) -> Outgoing:
    profile = telling.profile
    message_type: tuple[str, ...] = (draft.code, draft.trigger)
    if versions.numbers(profile.version) >= (2, 4):
        message_type = (*message_type, draft.structure)
    header = msh(
        sending=profile.own,
        receiving=profile.peer,
        at=times.write(telling.event.at, profile.zone, offset=profile.settings.time_offset),
        message_type=message_type,
        control_id=control_id,
        version=profile.version,
        processing_id=profile.settings.processing_id,
        charset=profile.charset,
    )
    rows: Sequence[SegmentRow | Raw] = [header, *draft.rows]
    if profile.settings.unencodable == "transliterate":
        rows = fit(rows, profile.charset)
    if profile.mapping is not None and not draft.is_written:
        rows = profile.mapping.write(rows, draft.code, draft.trigger)
    return Outgoing(
        lane=lane,
        control_id=control_id,
        message_type=f"{draft.code}^{draft.trigger}",
        payload=build(rows, charset=profile.charset),
        orders=_told_of(lane, telling),
    )


def _told_of(lane: Lane, telling: _Telling) -> tuple[str, ...]:
    """The orders a message belongs to: that of its lane, or all that its report is about."""
    kind, _, key = lane.partition(":")
    if kind == "order":
        return (key,)
    of_a_report = kind in {"report", "document"}
    named = telling.event.payload.get("orders", ()) if of_a_report else ()
    if len(named) < 2:
        return tuple(named)
    return tuple(order.public_id for order in order_views(named) if telling.concerns(order))


def target(endpoint: EndpointInfo, settings: profiles.Settings) -> Target:
    """Where and how an endpoint is reached."""
    tls = None
    if settings.tls:
        tls = ClientTls(
            ca=_file(settings.tls_ca),
            certificate=_file(settings.tls_cert),
            key=_file(settings.tls_key),
            server_name=settings.tls_server_name,
            fingerprint=settings.tls_fingerprint,
        )
    return Target(
        host=endpoint.host,
        port=endpoint.port or 0,
        tls=tls,
        connect_seconds=settings.connect_seconds,
        reply_seconds=settings.timeout_seconds,
        keep_open=settings.keep_open,
        release_2=settings.release_2,
    )


def _file(name: str) -> Path | None:
    return Path(name) if name else None


_INTERNAL = "207"


def _is_for_now(ack: acks.Ack) -> bool:
    """AR with nothing but 207: the receiver could not take it now, whatever was in it (2.9.2.2)."""
    return ack.code in ("AR", "CR") and {fault.code for fault in ack.faults} == {_INTERNAL}


PROTOCOL = Hl7()
register_protocol(ProtocolName.HL7, PROTOCOL)
