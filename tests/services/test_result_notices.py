"""Notices of results to referring doctors: once, to who wants them, and of nobody by name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from ris import config
from ris.domain.accounts import DisableUser
from ris.domain.critical import (
    FlagCriticalResult,
    NoteCriticalAttempt,
    WithdrawCriticalResult,
)
from ris.domain.errors import InvalidValueError, MissingValueError
from ris.domain.exchange import ConfigureEndpoint, Direction, Protocol, Subscription
from ris.domain.preferences import SetPreferences
from ris.domain.referring import (
    NoticeTime,
    RevokeReferrerAccess,
    SetResultNotices,
)
from ris.domain.reporting import (
    AmendReport,
    CommunicateCriticalResult,
    OpenReport,
    RetractReport,
    VersionKind,
)
from ris.models import Delivery, Order, ReferrerAccess, Report, ResultNotice, User
from ris.selectors import patient_messages
from ris.services import execute, outbox, referring
from tests import ground, make, people
from tests import referring as build
from tests.referring import OTTO, Doctors

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


def carrier(name: str = "To doctors", *sends: Subscription) -> str:
    return execute(
        ConfigureEndpoint(
            name=name,
            protocol=Protocol.MAIL,
            direction=Direction.OUT,
            sends=sends or (Subscription.REPORT_NOTICES,),
            settings={"transport": "folder"},
        ),
        actor=people.admin,
    )


def _ground() -> Doctors:
    make.site("UTC")
    make.device()
    make.definition()
    found = build.doctors()
    carrier()
    return found


@pytest.fixture
def doctors(db: None, clock: time_machine.Traveller) -> Doctors:
    made, _ = ground.begin("result notices", _ground)
    return made


def wants(user: User, when: NoticeTime = NoticeTime.AT_ONCE, address: str = "") -> None:
    execute(SetResultNotices(when=when, address=address), actor=build.actor(user))


def final(hour: int = 12) -> tuple[Order, Report]:
    order = build.performed(start_at=NOON.replace(hour=hour))
    return order, make.final_report(order)


def relay() -> None:
    """What the worker and the timer do."""
    outbox.fan_out()
    referring.run_due()


def mails() -> list[dict[str, str]]:
    rows = Delivery.objects.filter(message_type="result notice").order_by("id")
    return [json.loads(bytes(row.payload)) for row in rows]


def dropped() -> list[str]:
    rows = ResultNotice.objects.filter(state="DROPPED").order_by("id")
    return list(rows.values_list("reason", flat=True))


def test_a_final_result_is_told_once_to_who_wants_it(doctors: Doctors) -> None:
    wants(doctors.olga)
    wants(doctors.otto)
    order, report = final()

    relay()
    relay()

    (mail,) = mails()
    assert mail["to"] == "olga@practice.example"
    assert mail["subject"] == "A result of your patient"
    assert f"/referrer/orders/{order.public_id}/" in mail["text"]
    delivery = Delivery.objects.get(message_type="result notice")
    assert (delivery.order, delivery.report) == (order, report)


def test_the_mail_says_nothing_of_the_patient_but_an_initial(doctors: Doctors) -> None:
    wants(doctors.olga)
    order, _ = final()

    relay()

    said = json.dumps(mails()[0])
    assert "Patient B.: a report is final" in said
    number = order.patient.identifiers.get().value
    for secret in ("Berg", "Anna", "1970", number, order.accession_number, "CT", "bleeding"):
        assert secret not in said


def test_nobody_is_written_to_who_did_not_ask(doctors: Doctors) -> None:
    final()

    relay()

    assert ResultNotice.objects.count() == 0
    assert mails() == []


def test_what_is_daily_comes_in_one_mail_in_the_morning(
    doctors: Doctors, clock: time_machine.Traveller
) -> None:
    wants(doctors.olga, NoticeTime.DAILY)
    final(11)
    final(12)
    relay()
    assert mails() == []

    clock.move_to(NOON.replace(day=3, hour=7))
    relay()

    (mail,) = mails()
    assert mail["subject"] == "2 results of your patients"
    assert mail["text"].count("/referrer/orders/") == 2


def test_what_is_critical_changed_or_withdrawn_does_not_wait_for_the_morning(
    doctors: Doctors,
) -> None:
    wants(doctors.olga, NoticeTime.DAILY)
    _, report = final()
    key = str(report.public_id)
    execute(
        CommunicateCriticalResult(report=key, finding="Bleeding", told="Nobody"),
        actor=people.radiologist,
    )
    relay()
    execute(
        AmendReport(report=key, kind=VersionKind.ADDENDUM, sections={"addendum": "Seen again."}),
        actor=people.radiologist,
    )
    relay()
    execute(RetractReport(report=key, reason="Other patient"), actor=people.radiologist)
    relay()

    assert [mail["subject"] for mail in mails()] == [
        "Please read now: a result of your patient",
        "A result of your patient",
        "A result of your patient",
    ]
    texts = [mail["text"] for mail in mails()]
    assert "a critical finding" in texts[0]
    assert "added to or corrected" in texts[1]
    assert "was withdrawn; do not rely on it" in texts[2]


def test_what_became_untrue_meanwhile_is_not_told(
    doctors: Doctors, clock: time_machine.Traveller
) -> None:
    wants(doctors.olga, NoticeTime.DAILY)
    _, read = final(10)
    _, gone = final(11)
    _, changed = final(12)
    relay()
    version = read.versions.get()
    referring.note_opened(build.actor(doctors.olga), [version.pk])
    execute(RetractReport(report=str(gone.public_id), reason="x"), actor=people.radiologist)
    execute(
        AmendReport(
            report=str(changed.public_id),
            kind=VersionKind.ADDENDUM,
            sections={"addendum": "Seen again."},
        ),
        actor=people.radiologist,
    )
    relay()
    assert len(mails()) == 1  # what was withdrawn and what was changed, together

    clock.move_to(NOON.replace(day=3, hour=7))
    relay()

    assert len(mails()) == 1
    assert dropped() == ["was read before", "withdrawn meanwhile", "a newer version is told"]


def test_who_may_not_see_it_any_more_is_not_told(
    doctors: Doctors, clock: time_machine.Traveller
) -> None:
    wants(doctors.olga, NoticeTime.DAILY)
    final()
    relay()
    access = ReferrerAccess.objects.get(user=doctors.olga)
    execute(RevokeReferrerAccess(access=str(access.public_id)), actor=people.manager)

    clock.move_to(NOON.replace(day=3, hour=7))
    relay()

    assert mails() == []
    assert dropped() == ["the login does not see this order any more"]


def test_what_waits_in_the_queue_is_looked_at_again(doctors: Doctors) -> None:
    """A mail server may be away for hours; meanwhile the login was locked out."""
    wants(doctors.olga)
    final()
    relay()
    execute(DisableUser(username="olga"), actor=people.admin)

    outbox.deliver_due()

    delivery = Delivery.objects.get(message_type="result notice")
    assert delivery.state == "SKIPPED"
    assert delivery.last_error == "the login does not work any more"


def test_the_mail_is_delivered(doctors: Doctors) -> None:
    wants(doctors.olga, address="olga@home.example")
    final()
    relay()

    outbox.deliver_due()

    delivery = Delivery.objects.get(message_type="result notice")
    assert delivery.state == "DELIVERED"
    path = config.load().home / "mail" / "To-doctors" / f"{delivery.control_id}.eml"
    raw = path.read_bytes()
    assert b"To: olga@home.example" in raw
    assert b"Auto-Submitted: auto-generated" in raw


def test_it_is_written_in_the_doctors_language(doctors: Doctors) -> None:
    wants(doctors.olga)
    execute(SetPreferences(language="de"), actor=build.actor(doctors.olga))
    final()

    relay()

    assert mails()[0]["language"] == "de"


def test_a_critical_finding_of_a_shared_report_is_told_to_each_of_its_doctors(
    doctors: Doctors,
) -> None:
    for user in (doctors.olga, doctors.otto):
        wants(user)
    patient = make.patient()
    later = NOON + timedelta(hours=1)
    orders = (
        build.performed(patient=patient),
        build.performed(OTTO, patient=patient, station="CT1", start_at=later),
    )
    report = execute(
        OpenReport(procedures=tuple(str(each.procedures.get().public_id) for each in orders)),
        actor=people.radiologist,
    )
    execute(
        FlagCriticalResult(finding="Bleeding", category="RED", report=report),
        actor=people.radiologist,
    )

    relay()

    assert sorted(mail["to"] for mail in mails()) == [
        "olga@practice.example",
        "otto@practice.example",
    ]


def test_a_critical_finding_is_told_before_there_is_a_report_and_not_again_with_it(
    doctors: Doctors,
) -> None:
    wants(doctors.olga)
    order = build.performed()
    key = execute(
        FlagCriticalResult(
            finding="Bleeding", category="RED", procedure=str(order.procedures.get().public_id)
        ),
        actor=people.radiologist,
    )
    relay()
    called = NoteCriticalAttempt(critical_result=key, who="Dr. Ordonez")
    execute(called, actor=people.radiologist)
    make.final_report(order)
    execute(called, actor=people.radiologist)
    relay()

    first, second = mails()
    assert first["subject"] == "Please read now: a result of your patient"
    assert f"/referrer/orders/{order.public_id}/" in first["text"]
    assert "Bleeding" not in json.dumps(first)
    assert second["subject"] == "A result of your patient"
    assert ResultNotice.objects.filter(occasion="CRITICAL").count() == 1
    notice = ResultNotice.objects.get(occasion="CRITICAL")
    assert (notice.report, notice.state, notice.key) == (None, "SENT", key)


def test_a_finding_that_was_withdrawn_before_any_report_is_not_told(doctors: Doctors) -> None:
    wants(doctors.olga)
    order = build.performed()
    key = execute(
        FlagCriticalResult(
            finding="Bleeding", category="RED", procedure=str(order.procedures.get().public_id)
        ),
        actor=people.radiologist,
    )
    outbox.fan_out()
    execute(
        WithdrawCriticalResult(critical_result=key, reason="an artifact"), actor=people.radiologist
    )
    relay()

    assert mails() == []
    assert dropped() == ["it was no critical finding"]


def portal(link: str) -> None:
    execute(
        ConfigureEndpoint(
            name="To doctors",
            protocol=Protocol.MAIL,
            direction=Direction.OUT,
            sends=(Subscription.REPORT_NOTICES,),
            settings={"transport": "folder", "portal_link": link},
        ),
        actor=people.admin,
    )


def test_the_link_leads_to_the_portal_of_the_site(doctors: Doctors) -> None:
    portal("https://portal.example/results/{report}?o={order}")
    wants(doctors.olga)
    order, report = final()
    other = build.performed(start_at=NOON + timedelta(hours=3))
    execute(
        FlagCriticalResult(
            finding="Bleeding", category="RED", procedure=str(other.procedures.get().public_id)
        ),
        actor=people.radiologist,
    )

    relay()

    (mail,) = mails()
    assert (
        f"https://portal.example/results/{report.public_id}?o={order.public_id}\n" in mail["text"]
    )
    assert f"/referrer/orders/{other.public_id}/" in mail["text"]  # it has no report yet


@pytest.mark.parametrize(
    "link",
    [
        "portal.example/{report}",
        "https://portal.example/",
        "https://{report}/",
        "https://portal.example/{accession}",
        "https://portal.example/{",
        "javascript:alert('{report}')",
    ],
)
def test_a_link_that_leads_to_no_portal_is_refused(doctors: Doctors, link: str) -> None:
    with pytest.raises(InvalidValueError) as refused:
        portal(link)

    assert refused.value.path == "settings.portal_link"


def test_a_practice_is_told_of_its_orders(doctors: Doctors) -> None:
    wants(doctors.desk)
    order = make.performed(details=build.details(OTTO, requesting_service="Practice at the Pond"))
    make.final_report(order)

    relay()

    assert [mail["to"] for mail in mails()] == ["desk@practice.example"]


def test_an_address_is_needed_and_has_to_be_one(doctors: Doctors) -> None:
    nobody = build.login("mailless", email="")

    with pytest.raises(MissingValueError):
        wants(nobody)
    with pytest.raises(InvalidValueError):
        wants(nobody, address="not an address")
    wants(nobody, NoticeTime.OFF)


def test_an_endpoint_for_notices_carries_none_to_patients(doctors: Doctors) -> None:
    assert patient_messages.carriers() == {}
    with pytest.raises(InvalidValueError, match="Patient messages"):
        carrier("Both", Subscription.RESULTS)
    with pytest.raises(InvalidValueError, match="not sent over hl7"):
        make.endpoint(sends=(Subscription.REPORT_NOTICES,))


def test_without_a_carrier_a_notice_is_dropped(
    doctors: Doctors, clock: time_machine.Traveller
) -> None:
    wants(doctors.olga, NoticeTime.DAILY)
    final()
    relay()
    execute(
        ConfigureEndpoint(
            name="To doctors",
            protocol=Protocol.MAIL,
            direction=Direction.OUT,
            sends=(Subscription.REPORT_NOTICES,),
            settings={"transport": "folder"},
            active=False,
        ),
        actor=people.admin,
    )

    clock.shift(timedelta(days=1))
    relay()

    assert dropped() == ["nothing carries notices"]
