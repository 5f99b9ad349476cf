"""The timeline in the language of its reader: no word of ours stands outside the catalogs."""

from __future__ import annotations

import importlib
import pkgutil
import re
import types
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.html import strip_tags

import ris.domain
from ris.domain.authorization import AuthorizationState
from ris.domain.commands import Event
from ris.domain.discontinuation import REASONS as ENDED_BECAUSE
from ris.domain.dose import PREGNANCY_WORDS, Compared, DoseMatch, DoseSource
from ris.domain.exchange import DeliveryState, MessageState, Protocol
from ris.domain.follow_ups import FollowUpState, Reminder
from ris.domain.mammography import Assessed, Category, Density, Pathology, RecallState
from ris.domain.mammography_letters import SentHow
from ris.domain.measures import MEASURES, Part
from ris.domain.orders import OrderDetails
from ris.domain.patient_messages import Occasion
from ris.domain.performing import Match
from ris.domain.protocol import Result
from ris.domain.protocoling import RejectReason
from ris.domain.reading import LeaseEnd
from ris.domain.reporting import VersionKind
from ris.domain.supplies import Severity
from ris.models import Delivery, Endpoint, InboundMessage, Order, WorklistSighting
from ris.selectors.timeline import Entry, EntryKind, entries
from ris.services.audit import record_access
from ris.web import telling_words
from ris.web.telling import Told, tell
from ris.web.telling_events import event_detail
from ris.web.telling_words import (
    FIELDS,
    FOUND_BY,
    LOOKS,
    MESSAGES,
    OF_SENDING,
    OF_STATUS,
    REASONS,
)
from tests import make, people
from tests.programs import ROOT
from tests.web.wide import HOLE, in_wide, narrow, wide

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
THEIRS = "Ω"  # whatever people and peers wrote


@pytest.fixture
def spoken_wide() -> Iterator[None]:
    with in_wide():
        yield


# --- what is said in English


def at(kind: EntryKind, name: str, **known: Any) -> Entry:
    return Entry(at=NOON, kind=kind, name=name, **known)


MOVED = {
    "start_at": "2026-03-03T09:00:00+00:00",
    "station": "CT1",
    "previous_start_at": "2026-03-02T08:30:00+00:00",
    "previous_station": "CT2",
    "overbooked": True,
}
OPENED = {"start_at": "2026-03-03T09:00:00+00:00", "end_at": "2026-03-03T10:30:00+00:00"}
THEN, BEFORE = "3 Mar 2026 09:00 on CT1", "2 Mar 2026 08:30 on CT2"
DLP = "Dose length product (DLP), 16 cm phantom: 1200 mGy.cm, level 900 mGy.cm"


@pytest.mark.parametrize(
    ("name", "payload", "said"),
    [
        ("AppointmentMoved", MOVED, f"{THEN} (before: {BEFORE}) booked over another appointment"),
        ("ClosureReopened", OPENED, "3 Mar 2026 09:00 until 3 Mar 2026 10:30"),
        ("OrderRevised", {"changed": ["reason", "reason_code", "start_at"]}, "reason, time"),
        ("ReportAmended", {"number": 2, "kind": "CORRECTION"}, "version 2, correction"),
        ("IdentityChecked", {"checked": ["NAME", "NUMBER"]}, "name, number scanned"),
        ("PatientCalled", {"number": 7, "room": "CT"}, "number 7 to CT"),
        ("SuppliesRecorded", {"items": [["C1", "Iomeprol", "80", "ml", "L7"]]},
         "Iomeprol 80 ml (lot L7)"),
        ("SuppliesRecorded", {"items": []}, "nothing used"),
        ("ReactionRecorded", {"severity": "MILD"}, "mild"),
        ("AuthorizationDecided", {"state": "DENIED"}, "authorization denied"),
        ("ProcedureRejected", {"reason": "NOT_INDICATED", "alternative": "US"},
         "reason: not indicated instead: US"),
        ("PerformedStepDiscontinued", {"reason": "110514"},
         "reason: Incorrect worklist entry selected"),
        ("PerformedStepDiscontinued", {"reason": "X9"}, "reason: X9"),
        ("ProtocolSet", {"codes": ["CTH1", "CTH2"]}, "CTH1, CTH2"),
        ("OrderSplit", {"note": "under A0002"}, "note: under A0002"),
        ("DoseLevelExceeded", {"note": f"{DLP}; the patient is pregnant"},
         f"note: {DLP}; the patient is pregnant"),
        ("BreastRecallRaised", {"kind": "BIOPSY", "due_on": "2026-04-01", "note": "2026-04-01"},
         "due 1 Apr 2026"),
        ("BreastLetterSent", {"how": "POST", "note": "post"}, "by post"),
        ("DoseLinked", {"how": "accession number"}, "found by accession number"),
        ("DoseLinked", {"how": "by hand", "reason": "wrong room"}, "reason: wrong room by hand"),
        ("DoseRecorded", {"source": "RDSR", "match": "WAITING"}, "Dose report fits no exam yet"),
        ("ReadingReleased", {"how": "RELEASED"}, ""),
        ("ReadingReleased", {"how": "SILENT"}, "nothing was done there for a while"),
        ("FollowUpReminded", {"how": "PHONE"}, "by phone"),
        ("FollowUpMoved", {"state": "BOOKED"}, "booked"),
        ("ImagesAvailable", {"instances": 1}, "1 image"),
        ("ImagesPartlyAvailable", {"instances": 40, "missing": 2}, "40 images 2 missing"),
        ("PerformedStepStarted", {"match": "UNSCHEDULED"}, "done without an order"),
        ("OrderCanceled", {"reason": "typed twice", "by_placer": True},
         "reason: typed twice by the ordering side"),
    ],
)  # fmt: skip
def test_an_event_says_what_it_adds(name: str, payload: dict[str, Any], said: str) -> None:
    assert event_detail(name, payload) == said


def test_an_assessment_is_said_as_it_was_made() -> None:
    note = Assessed(right="2", left="4A", overall="4A", density="B").words

    assert event_detail("BreastAssessed", {"note": note}) == (
        "note: right 2 (harmless finding); left 4A (suspicious, low); "
        "overall 4A (suspicious, low); density B (some dense areas)"
    )


@pytest.mark.parametrize(
    ("kind", "by"),
    [
        ("user", "Ada"),
        ("endpoint", "Ada (interface)"),
        ("device", "Ada (device)"),
        ("client", "Ada (API client)"),
        ("timer", "automatically"),
        ("operator", "command line"),
        ("patient", "the patient, at the page of the appointment"),
    ],
)
def test_who_did_it_is_said_with_the_kind_of_actor(kind: str, by: str) -> None:
    told = tell(at(EntryKind.EVENT, "OrderHeld", actor="Ada", actor_kind=kind))

    assert told.by == by


def test_a_try_to_send_says_to_whom_how_it_ended_and_how_often() -> None:
    detail = {
        "result": "TRANSIENT",
        "error": "no connection: timed out",
        "number": 1,
        "count": 3,
        "last_at": NOON + timedelta(minutes=9),
    }

    told = tell(at(EntryKind.ATTEMPT, "ORU^R01", actor="EHR", detail=detail))

    assert (told.words, told.detail, told.by) == (
        "ORU^R01 to EHR: not sent, tried again",
        "no connection: timed out, 3 times until 2 Mar 12:09",
        "attempt 1",
    )


def test_a_device_that_was_shown_a_step_is_named() -> None:
    detail = {"step_id": "S7", "count": 1, "last_at": NOON}

    told = tell(at(EntryKind.SIGHTING, "worklist", actor="CT1", actor_kind="device", detail=detail))

    assert (told.words, told.detail, told.by) == (
        "Shown on the worklist of CT1",
        "step S7",
        "CT1 (device)",
    )


def test_a_refusal_is_said_in_german() -> None:
    entry = at(EntryKind.REFUSAL, "CancelOrder", detail={"reason": "no such order"})

    with translation.override("de"):
        assert tell(entry).detail == "diesen Auftrag gibt es nicht"


# --- nothing of it stands outside the catalogs


def test_the_wide_language_tells_what_was_translated() -> None:
    assert narrow(wide("%(who)s (device)") % {"who": "CT1"}, "CT1") == []
    assert narrow("CT1 (device)", "CT1") == ["device"]


def payload_of(event: type[Event]) -> dict[str, Any]:
    hints = get_type_hints(event)
    return {each.name: example(hints[each.name]) for each in fields(event)}


def example(hint: Any) -> Any:
    if get_origin(hint) is tuple:
        return [example(each) for each in get_args(hint) if each is not Ellipsis]
    if get_origin(hint) in {Union, types.UnionType}:
        return example(get_args(hint)[0])
    if not isinstance(hint, type):
        return {}
    if issubclass(hint, StrEnum):
        return next(iter(hint)).value
    known = {bool: True, int: 3, str: THEIRS, datetime: NOON.isoformat(), date: "2026-03-02"}
    return known.get(hint, {})


def every_event() -> list[type[Event]]:
    for module in pkgutil.iter_modules(ris.domain.__path__):
        importlib.import_module(f"ris.domain.{module.name}")
    found: dict[str, type[Event]] = {}
    waiting = [Event]
    while waiting:
        for kind in waiting.pop().__subclasses__():
            waiting.append(kind)
            found[kind.__name__] = kind
    return [found[name] for name in sorted(found)]


@pytest.mark.usefixtures("spoken_wide")
def test_every_event_is_told_in_the_language_of_the_page() -> None:
    told = {kind.__name__: event(kind.__name__, payload_of(kind)) for kind in every_event()}

    left = {name: narrow(f"{one.words} {one.detail}") for name, one in told.items()}
    assert {name: words for name, words in left.items() if words} == {}
    assert len(left) > 200


def event(name: str, payload: dict[str, Any]) -> Told:
    return tell(at(EntryKind.EVENT, name, actor=THEIRS, actor_kind="user", detail=payload))


ABOVE = [
    Compared(measure=measure, part=part, value=12, level=9)  # type: ignore[arg-type]
    for measure in MEASURES
    for part in Part
]
ASSESSED = [
    Assessed(right=category.value, left=category.value, overall=category.value, density=density)
    for category in Category
    for density in (*(each.value for each in Density), "")
]
CODED: list[tuple[str, str, list[str]]] = [
    ("AuthorizationDecided", "state", [each.value for each in AuthorizationState]),
    ("FollowUpMoved", "state", [each.value for each in FollowUpState]),
    ("BreastRecallSettled", "state", [each.value for each in RecallState]),
    ("ProcedureRejected", "reason", [each.value for each in RejectReason]),
    ("PerformedStepDiscontinued", "reason", [each.value for each in ENDED_BECAUSE.values()]),
    ("FollowUpRaised", "reason", [each.value for each in ENDED_BECAUSE.values()]),
    ("PerformedStepStarted", "match", [each.value for each in Match]),
    ("DoseRecorded", "match", [each.value for each in DoseMatch]),
    ("DoseRecorded", "source", [each.value for each in DoseSource]),
    ("DoseLinked", "how", list(FOUND_BY)),
    ("ReadingReleased", "how", [each.value for each in LeaseEnd]),
    ("FollowUpReminded", "how", [each.value for each in Reminder]),
    ("BreastLetterSent", "how", [each.value for each in SentHow]),
    ("ReactionRecorded", "severity", [each.value for each in Severity]),
    ("PathologyRecorded", "note", [each.value.lower() for each in Pathology]),
    ("BreastAssessed", "note", [each.words for each in ASSESSED]),
    ("DoseInPregnancy", "note", list(PREGNANCY_WORDS.values())),
    ("OrderCanceled", "reason", list(REASONS)),
    ("BreastLetterStopped", "note", list(REASONS)),
    ("OrderSplit", "note", [f"under {THEIRS}"]),
]  # fmt: skip


@pytest.mark.usefixtures("spoken_wide")
@pytest.mark.parametrize(("name", "field", "values"), CODED)
def test_what_is_kept_in_codes_or_in_english_is_said_in_words(
    name: str, field: str, values: list[str]
) -> None:
    left = {value: narrow(event_detail(name, {field: value})) for value in values}

    # The categories of a breast, 4A and the like, and its densities are the standard's.
    if name == "BreastAssessed":
        left = {value: [word for word in words if len(word) > 1] for value, words in left.items()}
    assert {value: words for value, words in left.items() if words} == {}


@pytest.mark.usefixtures("spoken_wide")
def test_versions_changed_columns_and_nothing_are_said_in_words() -> None:
    versions = [event_detail("ReportSigned", {"number": 1, "kind": kind}) for kind in VersionKind]
    changed = event_detail("OrderRevised", {"changed": list(FIELDS)})
    nothing = event_detail("SuppliesRecorded", {"items": []})

    assert narrow(" ".join([*versions, changed, nothing])) == []


@pytest.mark.usefixtures("spoken_wide")
def test_a_dose_above_its_level_is_said_with_measure_and_part() -> None:
    units = {info.dimension.value for info in MEASURES.values()}

    left = {
        one.words: narrow(event_detail("DoseLevelExceeded", {"note": one.words}), *units)
        for one in ABOVE
    }

    assert {text: words for text, words in left.items() if words} == {}


def test_every_column_of_an_order_has_a_word() -> None:
    said = {each.name for each in fields(OrderDetails)} - {"remarks"}

    assert said - set(FIELDS) == set()


def test_every_message_to_patients_has_a_name() -> None:
    assert {f"patient {occasion.value}" for occasion in Occasion} - set(MESSAGES) == set()


MESSAGE_IN = {
    "protocol": Protocol.HL7.value, "key": "M1", "state": MessageState.REJECTED.value,
    "outcome": THEIRS, "reply_state": "SENT", "error": "no such order", "key_reused": True,
    "repeats": 3,
}  # fmt: skip
MESSAGE_OUT = {"protocol": Protocol.HL7.value, "key": "M1", "attempt_count": 2}
OFTEN = {"count": 3, "last_at": NOON}


def every_entry() -> Iterator[Entry]:
    """Each kind of entry, in each of its states."""
    for protocol in Protocol:
        for state in MessageState:
            detail = MESSAGE_IN | {"protocol": protocol.value, "state": state.value}
            yield at(EntryKind.MESSAGE_IN, THEIRS, actor=THEIRS, detail=detail)
    yield at(EntryKind.MESSAGE_IN, THEIRS, actor=THEIRS, detail=MESSAGE_IN | {"repeats": 1})
    for sent in DeliveryState:
        for fault in (*OF_SENDING, *(f"0110 {each}: {THEIRS}" for each in OF_STATUS)):
            error = HOLE.sub(THEIRS, fault)
            detail = MESSAGE_OUT | {"state": sent.value, "error": error}
            yield at(EntryKind.MESSAGE_OUT, THEIRS, actor=THEIRS, detail=detail)
    for result in (*(each.value for each in Result), ""):
        detail = {**OFTEN, "result": result, "error": "no connection: timed out", "number": 4}
        yield at(EntryKind.ATTEMPT, THEIRS, actor=THEIRS, detail=detail)
    for name in MESSAGES:
        detail = MESSAGE_OUT | {"state": "PENDING", "error": ""}
        yield at(EntryKind.MESSAGE_OUT, HOLE.sub(THEIRS, name), actor=THEIRS, detail=detail)
    yield at(EntryKind.SIGHTING, "worklist", actor=THEIRS, actor_kind="device",
             detail={**OFTEN, "step_id": THEIRS})  # fmt: skip
    for action in (*LOOKS, THEIRS):
        yield at(EntryKind.ACCESS, action, actor=THEIRS, actor_kind="client", detail=OFTEN)
    for kind in telling_words.BY:
        detail = {"reason": "no such order"}
        yield at(EntryKind.REFUSAL, THEIRS, actor=THEIRS, actor_kind=kind, detail=detail)


@pytest.mark.usefixtures("spoken_wide")
def test_every_kind_of_entry_is_told_in_the_language_of_the_page() -> None:
    told = [(entry, tell(entry)) for entry in every_entry()]

    left = [(one, narrow(f"{one.words} {one.detail} {one.by}")) for _, one in told]
    assert [(one, words) for one, words in left if words] == []
    assert {entry.kind for entry, _ in told} == set(EntryKind) - {EntryKind.EVENT}


@pytest.mark.usefixtures("spoken_wide")
def test_what_people_and_peers_wrote_stays_as_it_is() -> None:
    detail = MESSAGE_OUT | {"state": "REFUSED", "error": "550 Mailbox unavailable"}

    told = tell(at(EntryKind.MESSAGE_OUT, "ORU^R01", actor="EHR", detail=detail))

    assert told.detail == "550 Mailbox unavailable"
    assert "Left" in event_detail("OrderHeld", {"reason": "Left"})
    assert "under anesthesia" in event_detail("InformationAsked", {"note": "under anesthesia"})


def source(*folders: str) -> str:
    """What is written there; then the same with each value of a sentence as ``{}``."""
    plain = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*.py"))
    )
    return plain + re.sub(r"\{[^{}\n]*\}", "{}", plain)


def test_what_the_system_wrote_is_still_written_so() -> None:
    core = source("ris/domain", "ris/selectors", "ris/services", "integration/hl7")
    edges = source("integration", "worklist", "ris/services", "ris/selectors")
    edges += (ROOT / "ris/client_tls.py").read_text(encoding="utf-8")

    def lacking(messages: tuple[str, ...], text: str) -> list[str]:
        return [each for each in messages if HOLE.sub("{}", each) not in text]

    assert lacking(REASONS, core) == []
    assert lacking((*OF_SENDING, *OF_STATUS), edges) == []


# --- a whole timeline


@pytest.mark.django_db
def test_no_word_of_ours_is_left_on_a_rich_timeline() -> None:
    order = rich()
    found = entries(str(order.public_id))

    with in_wide():
        page = render_to_string("orders/_entries.html", {"entries": [tell(one) for one in found]})

    assert {entry.kind for entry in found} == set(EntryKind)
    theirs = {entry.actor for entry in found} | {
        *("ORM^O01", "MPPS N-CREATE", "POST ServiceRequest", "OMG^O19", "REST timeline"),
        *("OpenViewer", "CT1", "AA", "EHR", "550 Mailbox unavailable", make.step_of(order).step_id),
    }
    assert narrow(strip_tags(page), *filter(None, theirs)) == []


def rich() -> Order:
    """An order that came by HL7 and was booked, asked for, performed, reported and told of."""
    make.device("CT1", "CT")
    make.definition()
    order = make.performed()
    key = str(order.public_id)
    make.final_report(order)
    for protocol, name in (
        (Protocol.HL7, "ORM^O01"), (Protocol.DICOM, "MPPS N-CREATE"),
        (Protocol.FHIR, "POST ServiceRequest"),
    ):  # fmt: skip
        InboundMessage.objects.create(
            protocol=protocol.value, message_type=name, sender="EHR", outcome="AA",
            key=f"M {name}", raw=b"", state=MessageState.APPLIED.value, received_at=NOON, repeats=2,
        ).orders.add(order)  # fmt: skip
    for state, error in (
        (DeliveryState.PENDING, "no connection: timed out"),
        (DeliveryState.REFUSED, "550 Mailbox unavailable"),
        (DeliveryState.DELIVERED, ""),
    ):
        delivered(order, state, error)
    WorklistSighting.objects.create(
        step=make.step_of(order), ae_title="CT1", step_version=1, first_at=NOON, last_at=NOON,
        count=4,
    )  # fmt: skip
    for action in ("ViewOrder", "ViewOrder", "PrintReport", "REST timeline"):
        record_access(people.frontdesk, action=action, order=key)
    record_access(
        people.frontdesk,
        action="OpenViewer",
        order=key,
        outcome="denied",
        detail={"reason": "no such order"},
    )
    return order


def delivered(order: Order, state: DeliveryState, error: str) -> None:
    name = f"PEER-{state.value}"
    make.endpoint(name)
    row = Delivery.objects.create(
        endpoint=Endpoint.objects.get(name=name), order=order, lane="EHR", control_id=state.value,
        payload=b"", message_type="OMG^O19", due_at=NOON, state=state.value, last_error=error,
    )  # fmt: skip
    row.attempts.create(
        number=1, started_at=NOON, ended_at=NOON, error=error,
        result=Result.DELIVERED.value if not error else Result.TRANSIENT.value,
    )  # fmt: skip
