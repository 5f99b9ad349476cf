"""Residents and attending radiologists at one report, by way of the door."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import Group

from ris import config
from ris.domain.actors import Actor, Role
from ris.domain.errors import (
    DeniedError,
    InvalidValueError,
    MissingValueError,
    StateConflictError,
)
from ris.domain.reading import ReleaseReading
from ris.domain.reporting import (
    AmendReport,
    ChooseAttending,
    DiscardDraft,
    FinalizeReport,
    OpenReport,
    RetractReport,
    ReturnReport,
    SaveDraft,
    SignPreliminary,
    VersionKind,
)
from ris.domain.signatures import Proof
from ris.models import DomainEvent, Report, ReportVersion, User
from ris.selectors import reading
from ris.selectors.reading import Pile
from ris.selectors.reports import report_view
from ris.services import execute
from tests import ground, make, people

pytestmark = pytest.mark.django_db

THEIRS = {"findings": "A nodule of 4 mm.", "impression": "Nodule."}


def person(actor: Actor, last_name: str) -> Actor:
    user = User.objects.create(username=actor.name, first_name="Iris", last_name=last_name)
    return replace(actor, user_id=user.pk)


def _cast() -> tuple[str, Actor, Actor]:
    make.device()
    report = make.opened_report(make.performed())
    return (
        str(report.public_id),
        person(people.resident, "Ekdahl"),
        person(people.radiologist, "Bildhauer"),
    )


@pytest.fixture
def cast() -> tuple[str, Actor, Actor]:
    """A report that nobody wrote on yet, a resident and an attending radiologist."""
    found, _ = ground.begin("a report for a resident", _cast)
    return found


def sign(report: str, actor: Actor, text: dict[str, str] | None = None) -> None:
    execute(SignPreliminary(report=report, sections=text or dict(make.TEXT)), actor=actor)


def stored(report: str) -> Report:
    return Report.objects.get(public_id=report)


def test_what_a_resident_signs_waits_for_an_attending(cast: tuple[str, Actor, Actor]) -> None:
    report, resident, _ = cast

    sign(report, resident)

    row = stored(report)
    version = row.versions.get()
    assert (row.status, row.resident_id) == ("PRELIMINARY", resident.user_id)
    assert row.sent_at == version.signed_at
    assert (version.signed_as, version.signed_with) == ("RESIDENT", "none")


def test_the_final_version_names_both(cast: tuple[str, Actor, Actor]) -> None:
    report, resident, attending = cast
    sign(report, resident)

    execute(FinalizeReport(report=report, sections=THEIRS), actor=attending)

    final = report_view(report).versions[1]
    assert (final.kind, final.sections, final.signed_as) == (VersionKind.FINAL, THEIRS, "ATTENDING")
    assert (final.signer, final.signer_name.display) == ("radiologist", "BILDHAUER, Iris")
    assert (final.resident, final.resident_name.display) == ("resident", "EKDAHL, Iris")
    assert stored(report).sent_at is None


def test_who_signed_alone_is_not_named_twice(cast: tuple[str, Actor, Actor]) -> None:
    report, resident, _ = cast

    sign(report, resident)

    (version,) = report_view(report).versions
    assert (version.signer, version.resident, bool(version.resident_name)) == (
        "resident",
        "",
        False,
    )


@pytest.mark.parametrize(
    "command",
    [
        FinalizeReport(report="", sections=dict(make.TEXT)),
        AmendReport(report="", kind=VersionKind.ADDENDUM, sections={"addendum": "More."}),
        RetractReport(report="", reason="wrong patient"),
    ],
    ids=["final", "addendum", "withdrawal"],
)
def test_a_resident_is_told_who_signs_that(
    cast: tuple[str, Actor, Actor], command: FinalizeReport | AmendReport | RetractReport
) -> None:
    report, resident, attending = cast
    sign(report, attending)

    with pytest.raises(DeniedError, match="is signed by an attending radiologist"):
        execute(replace(command, report=report), actor=resident)

    assert ReportVersion.objects.count() == 1


def test_a_resident_does_not_sign_over_an_attending(cast: tuple[str, Actor, Actor]) -> None:
    report, resident, attending = cast
    sign(report, attending)

    with pytest.raises(StateConflictError):
        sign(report, resident, THEIRS)

    assert ReportVersion.objects.get().sections == make.TEXT


def test_who_is_both_signs_as_attending(cast: tuple[str, Actor, Actor]) -> None:
    report, resident, _ = cast
    both = replace(resident, roles=frozenset({Role.RESIDENT, Role.RADIOLOGIST}))

    execute(FinalizeReport(report=report, sections=dict(make.TEXT)), actor=both)

    assert ReportVersion.objects.get().signed_as == "ATTENDING"


def test_a_report_given_back_stays_preliminary_and_says_why(
    cast: tuple[str, Actor, Actor],
) -> None:
    report, resident, attending = cast
    sign(report, resident)

    execute(ReturnReport(report=report, note=" Look at the left lung. "), actor=attending)

    row = stored(report)
    assert (row.status, row.return_note, row.sent_at) == (
        "PRELIMINARY",
        "Look at the left lung.",
        None,
    )
    assert (row.returned_by_id, row.versions.count()) == (attending.user_id, 1)
    event = DomainEvent.objects.latest("id")
    assert (event.name, event.payload["note"]) == ("ReportReturned", "Look at the left lung.")


def test_signing_again_answers_the_note(cast: tuple[str, Actor, Actor]) -> None:
    report, resident, attending = cast
    sign(report, resident)
    execute(ReturnReport(report=report, note="Look again."), actor=attending)

    sign(report, resident, THEIRS)

    row = stored(report)
    assert (row.return_note, row.returned_at, row.returned_by_id) == ("", None, None)
    assert row.sent_at is not None


def test_a_draft_of_a_resident_can_be_given_back(cast: tuple[str, Actor, Actor]) -> None:
    report, resident, attending = cast
    execute(SaveDraft(report=report, sections=THEIRS), actor=resident)
    execute(ReleaseReading(report=report), actor=resident)

    execute(ReturnReport(report=report, note="Measure it.", expected_version=0), actor=attending)

    row = stored(report)
    assert (row.status, row.draft, row.return_note) == ("DRAFT", THEIRS, "Measure it.")


@pytest.mark.parametrize(
    ("note", "version", "error"),
    [
        ("  ", None, MissingValueError),
        ("Look again.", 0, StateConflictError),
    ],
    ids=["no note", "signed meanwhile"],
)
def test_nothing_is_given_back_without_a_note_or_on_an_old_page(
    cast: tuple[str, Actor, Actor], note: str, version: int | None, error: type[Exception]
) -> None:
    report, resident, attending = cast
    sign(report, resident)

    with pytest.raises(error):
        execute(ReturnReport(report=report, note=note, expected_version=version), actor=attending)

    assert stored(report).return_note == ""


def test_what_is_final_or_no_residents_is_not_given_back(cast: tuple[str, Actor, Actor]) -> None:
    report, _, attending = cast

    for sign_it in (False, True):
        if sign_it:
            execute(FinalizeReport(report=report, sections=dict(make.TEXT)), actor=attending)
        with pytest.raises(StateConflictError):
            execute(ReturnReport(report=report, note="Look again."), actor=attending)


def test_a_resident_throws_away_no_draft_of_others(cast: tuple[str, Actor, Actor]) -> None:
    report, resident, attending = cast
    row = stored(report)
    Report.objects.filter(pk=row.pk).update(author=attending.user_id)

    with pytest.raises(DeniedError):
        execute(DiscardDraft(report=report), actor=resident)

    assert stored(report).status == "DRAFT"


def test_what_is_signed_is_not_written_on(cast: tuple[str, Actor, Actor]) -> None:
    report, _, attending = cast
    execute(FinalizeReport(report=report, sections=dict(make.TEXT)), actor=attending)

    with pytest.raises(StateConflictError):
        execute(SaveDraft(report=report, sections=THEIRS), actor=attending)

    assert stored(report).draft == {}


def test_after_a_withdrawal_a_report_is_begun_anew(cast: tuple[str, Actor, Actor]) -> None:
    report, _, attending = cast
    execute(FinalizeReport(report=report, sections=dict(make.TEXT)), actor=attending)
    procedures = tuple(str(each.public_id) for each in stored(report).procedures.all())

    execute(RetractReport(report=report, reason="wrong side"), actor=attending)
    anew = execute(OpenReport(procedures=procedures), actor=attending)

    order = stored(report).order
    assert (stored(report).status, order.status) == ("RETRACTED", "ACTIVE")
    assert anew != report
    assert stored(anew).status == "DRAFT"


# --- a proof at signing


@pytest.fixture
def asks_for_the_password(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("RIS_REPORTS__SIGN_WITH", "password")
    config.load.cache_clear()
    yield
    monkeypatch.undo()
    config.load.cache_clear()


@pytest.mark.usefixtures("asks_for_the_password")
def test_without_the_proof_that_the_site_asks_for_nothing_is_signed(
    cast: tuple[str, Actor, Actor],
) -> None:
    report, _, attending = cast

    with pytest.raises(DeniedError, match="asks for the password"):
        execute(FinalizeReport(report=report, sections=dict(make.TEXT)), actor=attending)

    assert (stored(report).status, ReportVersion.objects.count()) == ("DRAFT", 0)


@pytest.mark.usefixtures("asks_for_the_password")
@pytest.mark.parametrize("proof", [Proof.FIRST_FACTOR, Proof.SECOND_FACTOR])
def test_the_version_keeps_what_was_shown(cast: tuple[str, Actor, Actor], proof: Proof) -> None:
    report, _, attending = cast

    execute(FinalizeReport(report=report, sections=dict(make.TEXT), proof=proof), actor=attending)

    assert ReportVersion.objects.get().signed_with == proof.value


# --- who is to sign with the resident


def _attendings() -> tuple[str, Actor, Actor, Actor]:
    """The report, its resident, and two attending radiologists with their role."""
    make.device()
    report = make.opened_report(make.performed())
    role, _ = Group.objects.get_or_create(name=Role.RADIOLOGIST.value)
    found = [
        person(replace(people.radiologist, name=name), name.capitalize())
        for name in ("asta", "birk")
    ]
    role.user_set.set(User.objects.filter(username__in=["asta", "birk"]))
    return str(report.public_id), person(people.resident, "Ekdahl"), found[0], found[1]


@pytest.fixture
def two() -> tuple[str, Actor, Actor, Actor]:
    return ground.begin("a report for one of two attendings", _attendings)[0]


def ask(report: str, resident: Actor, attending: str | None) -> None:
    text = dict(make.TEXT)
    execute(SignPreliminary(report=report, sections=text, attending=attending), actor=resident)


def waits_for(*readers: Actor) -> list[int]:
    return [reading.in_pile(Pile.SENT, each.user_id).count() for each in readers]


def test_what_a_resident_sends_waits_for_the_attending_he_chose(
    two: tuple[str, Actor, Actor, Actor],
) -> None:
    report, resident, asta, birk = two
    ask(report, resident, "asta")
    asked = (stored(report).attending_id, waits_for(asta, birk, resident))

    execute(ChooseAttending(report=report, attending="birk"), actor=asta)
    passed_on = waits_for(asta, birk, resident)
    execute(ChooseAttending(report=report, attending=""), actor=resident)

    assert asked == (asta.user_id, [1, 0, 1])
    assert passed_on == [0, 1, 1]
    assert waits_for(asta, birk, resident) == [1, 1, 1]
    chosen = DomainEvent.objects.filter(name="AttendingChosen").order_by("id")
    assert [each.payload["attending"] for each in chosen] == ["asta", "birk", ""]


def test_what_the_chosen_one_leaves_for_a_day_waits_for_everybody(
    two: tuple[str, Actor, Actor, Actor],
) -> None:
    report, resident, asta, birk = two
    ask(report, resident, "asta")

    sent_at = stored(report).versions.get().signed_at
    with time_machine.travel(sent_at + timedelta(hours=25), tick=False):
        later = waits_for(asta, birk)
    User.objects.filter(username="asta").update(is_active=False)

    assert later == [1, 1]
    assert waits_for(birk) == [1]


def test_signing_again_keeps_the_attending_and_his_signature_ends_the_wait(
    two: tuple[str, Actor, Actor, Actor],
) -> None:
    report, resident, asta, birk = two
    ask(report, resident, "asta")
    ask(report, resident, None)
    kept = stored(report).attending_id

    execute(FinalizeReport(report=report, sections=THEIRS), actor=birk)

    assert kept == asta.user_id
    assert stored(report).attending_id is None
    with pytest.raises(StateConflictError, match="does not wait"):
        execute(ChooseAttending(report=report, attending="asta"), actor=birk)


def test_nobody_who_may_not_sign_is_chosen(two: tuple[str, Actor, Actor, Actor]) -> None:
    report, resident, _, _ = two

    with pytest.raises(InvalidValueError, match="no such attending radiologist"):
        ask(report, resident, "resident")
    ask(report, resident, "asta")
    stranger = replace(people.resident, user_id=person(replace(resident, name="x"), "X").user_id)
    with pytest.raises(DeniedError, match="a report of his own"):
        execute(ChooseAttending(report=report, attending=""), actor=stranger)
