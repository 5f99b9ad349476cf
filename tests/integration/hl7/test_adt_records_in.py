"""ADT about records and visits as commands: what remains, what is given up, and what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from integration.hl7 import schema
from integration.hl7.profiles import Profile
from integration.hl7.routes import ROUTES
from integration.hl7.to_domain import adt
from ris import config
from ris.domain.errors import RisError, SeveralErrors
from ris.domain.patients import (
    ChangeIdentifiers,
    Demographics,
    LinkPatients,
    MergeAccounts,
    MergePatients,
    MergeVisits,
    MoveVisits,
    Sex,
    UpdatePatient,
    UpdateVisit,
)
from ris.domain.values import Identifier, PartialDate, PersonName
from ris.models import DemographicReview, Patient
from tests.integration.hl7 import messages
from tests.integration.hl7.intake import outcome, register
from tests.integration.hl7.messages import PID, PV1, order, profile, read

TWIN = "PID|1||4799^^^HOSP^MR||Berg^Anna||19700503|F"
ACCOUNT = "PID|1||4711^^^HOSP^MR||Berg^Anna" + "|" * 13 + "ACC1^^^HOSP"


def commands(
    event: str, *segments: str, code: str = "ADT", agreed: Profile | None = None
) -> list[Any]:
    message = read(messages.text(f"EVN|{event}", *segments, message_type=f"{code}^{event}"))
    requests = ROUTES[code, event].translate(message, agreed or profile())
    return [command for request in requests for command in request.commands]


def faults(event: str, *segments: str, code: str = "ADT") -> list[str]:
    with pytest.raises(RisError) as caught:
        commands(event, *segments, code=code)
    error = caught.value
    return [each.path for each in (error.errors if isinstance(error, SeveralErrors) else [error])]


# --- visits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", sorted(adt.UPDATES))
def test_what_an_event_does_with_its_visit(event: str) -> None:
    (command,) = commands(event, PID, PV1)

    assert isinstance(command, UpdatePatient)
    assert command.visit_trigger is adt.UPDATES[event]
    assert command.create


@pytest.mark.parametrize("event", sorted(adt.UNDOES))
def test_what_is_undone_is_a_known_visit_and_nothing_of_the_patient(event: str) -> None:
    (command,) = commands(event, PID, PV1)

    assert isinstance(command, UpdateVisit)
    assert command.trigger is adt.UNDOES[event]
    assert command.undo_transfer is (event == "A12")
    assert command.patient.demographics == Demographics()


@pytest.mark.parametrize("event", sorted(adt.UNDOES))
def test_what_is_undone_must_be_named(event: str) -> None:
    assert faults(event, PID, "PV1|1|I|NEURO") == ["PV1-19"]
    assert faults(event, PID) == ["PV1"]
    assert faults(event, "PID|1||||Berg^Anna", "PV1|1|I") == ["PV1-19", "PID-3"]


def test_the_times_of_a_visit_are_read() -> None:
    pv1 = PV1 + "|" * 25 + "202903100800|202903101000"

    (command,) = commands("A03", PID, pv1)

    assert command.visit.started_at.isoformat() == "2029-03-10T07:00:00+00:00"
    assert command.visit.ended_at.isoformat() == "2029-03-10T09:00:00+00:00"


@pytest.mark.parametrize(
    ("mrg", "pv1", "prior"),
    [
        ("MRG|4711||ACC0||V0^^^HOSP", PV1, Identifier("V0", "HOSP")),
        ("MRG|4711||ACC0^^^HOSP", "PV1|1|I", Identifier("ACC0", "HOSP")),
        ("MRG|4711||ACC0", PV1, None),
        ("MRG|4711||||V1^^^HOSP", PV1, None),
    ],
    ids=["visit", "account for a visit", "account alone", "the same"],
)
def test_the_number_before_a_change_of_class(mrg: str, pv1: str, prior: Identifier | None) -> None:
    (command,) = commands("A06", ACCOUNT, mrg, pv1)

    assert command.prior_visit == prior


def test_an_account_is_of_each_visit_behind_it() -> None:
    first, second = commands("P01", ACCOUNT, PV1, PV1.replace("V1^", "V2^"), code="BAR")

    assert [command.visit.number.value for command in (first, second)] == ["V1", "V2"]
    assert first.visit.account == Identifier("ACC1", "HOSP")
    assert first.authoritative is False


# --- records --------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", ["A18", "A34", "A40"])
def test_a_merge_has_one_form_under_three_names(event: str) -> None:
    (command,) = commands(event, PID, "MRG|4799^^^HOSP^MR")

    assert isinstance(command, MergePatients)
    assert command.subsumed.identifiers == (Identifier("4799", "HOSP", "MR"),)
    assert command.subsumed.places == ("MRG-1",)


def test_several_merges_lock_all_patients_ahead_of_the_first() -> None:
    first, second = commands("A40", PID, "MRG|4712", TWIN, "MRG|4713")

    assert [one.identifiers[0].value for one in first.ahead] == ["4799", "4713"]
    assert second.ahead == ()


def test_a_number_that_is_given_up_is_not_among_those_that_remain() -> None:
    pid = PID.replace("4711^^^HOSP^MR", "4711^^^HOSP^MR~4799^^^HOSP^MR")

    (command,) = commands("A40", pid, "MRG|4799^^^HOSP^MR")

    assert command.survivor.identifiers == (Identifier("4711", "HOSP", "MR"),)


@pytest.mark.parametrize(
    ("event", "segments", "kinds"),
    [
        ("A36", (ACCOUNT, "MRG|4799||ACC2"), (MergePatients, MergeAccounts)),
        ("A35", (ACCOUNT, "MRG|4711||ACC2"), (MergeAccounts,)),
        ("A41", (ACCOUNT, "MRG|4711||ACC2"), (MergeAccounts,)),
        ("A42", (PID, "MRG|4711||||V2", PV1), (MergeVisits,)),
        ("A50", (PID, "MRG|4711||||V2", PV1), (MergeVisits,)),
        ("A44", (ACCOUNT, "MRG|4799||ACC2"), (MoveVisits,)),
        ("A45", (PID, "MRG|4799||||V2", PV1, "MRG|4799||||V3"), (MoveVisits, MoveVisits)),
        ("A47", (PID, "MRG|4710"), (ChangeIdentifiers,)),
        ("A24", (PID, TWIN), (LinkPatients,)),
    ],
)
def test_what_each_event_asks_for(
    event: str, segments: tuple[str, ...], kinds: tuple[type[Any], ...]
) -> None:
    assert tuple(type(command) for command in commands(event, *segments)) == kinds


@pytest.mark.parametrize(
    ("event", "segments", "paths"),
    [
        ("A36", (PID, "MRG|4799||ACC2"), ["PID-18"]),
        ("A35", (ACCOUNT, "MRG|4711"), ["MRG-3"]),
        ("A42", (PID, "MRG|4711||||V2"), ["PV1"]),
        ("A42", (PID, "MRG|4711", PV1), ["MRG-5"]),
        ("A44", (ACCOUNT, "MRG|||ACC2"), ["MRG-1"]),
        ("A45", (PID, PV1), ["MRG"]),
        ("A45", (PID, "MRG|4799||||V2", "MRG|4799"), ["MRG[2]-5"]),
        ("A47", (PID,), ["MRG"]),
        ("A47", (PID, "MRG|123-45^^^^SS"), ["MRG-1"]),
        ("A24", (PID,), ["PID[2]"]),
        ("A24", (PID, TWIN, TWIN), ["PID[3]"]),
        ("A24", (PID, "PID|2||||Berg"), ["PID[2]-3"]),
        ("A29", (PID, TWIN), ["PID[2]"]),
    ],
)
def test_what_is_missing_is_told_with_its_place(
    event: str, segments: tuple[str, ...], paths: list[str]
) -> None:
    assert faults(event, *segments) == paths


def test_all_faults_of_all_pairs_are_told() -> None:
    segments = ("PID|1||||Berg^Anna", "MRG|1", "PID|2||4711||Berg^Anna||19701301", "MRG||x")

    assert faults("A40", *segments) == ["PID-3", "PID[2]-7", "MRG[2]-1"]


def test_the_structure_of_a_cancelled_transfer_is_one_of_the_standard() -> None:
    message = messages.text(
        "EVN||20290310", PID, PV1, message_type="ADT^A12^ADT_A12", version="2.5.1"
    )

    assert [fault.path for fault in schema.check(read(message))] == []


# --- settings of a peer ---------------------------------------------------------------------------


def test_a_snapshot_deletes_what_it_leaves_out_but_no_identifier_and_nothing_clinical() -> None:
    agreed = profile(snapshots=["A31"])

    (command,) = commands("A31", "PID|1||4711^^^HOSP||Berg^Anna", agreed=agreed)
    (update,) = commands("A08", "PID|1||4711^^^HOSP||Berg^Anna", agreed=agreed)

    assert command.demographics == Demographics(
        name=PersonName.of("Berg", "Anna"),
        birth_date=PartialDate(""),
        sex=Sex.UNKNOWN,
        phone="",
        email="",
        address="",
        language="",
        mother_birth_name=PersonName(),
        ethnic_group="",
    )
    assert command.replace_identifiers is False
    assert update.demographics == Demographics(name=PersonName.of("Berg", "Anna"))


@pytest.fixture
def peer(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[list[str]], None]]:
    config.load.cache_clear()

    def configure(authoritative: list[str]) -> None:
        register(settings={"authoritative": authoritative})

    yield configure
    config.load.cache_clear()


def adt_message(key: str, sex: str) -> str:
    pid = PID.replace("|F", f"|{sex}")
    return messages.text("EVN|A08", pid, message_type="ADT^A08", key=key)


@pytest.mark.parametrize(
    ("authoritative", "sex", "fields"),
    [
        (["ADT"], "F", ["sex"]),  # the order may not, ADT may
        (["ADT", "ORM"], "M", []),
        ([], "F", ["sex"]),
    ],
    ids=["as a rule", "orders as well", "nobody"],
)
def test_which_messages_say_who_a_patient_is_is_a_setting(
    peer: Callable[[list[str]], None], authoritative: list[str], sex: str, fields: list[str]
) -> None:
    peer(authoritative)
    assert outcome(adt_message("A1", "F")) == ("AA", [])

    assert outcome(order(pid=PID.replace("|F", "|M"), key="M1")) == ("AA", [])

    assert Patient.objects.get().sex == sex
    assert list(DemographicReview.objects.values_list("field", flat=True)) == fields


def test_adt_without_authority_registers_and_changes_nobody(
    peer: Callable[[list[str]], None],
) -> None:
    peer([])
    assert outcome(adt_message("A1", "F")) == ("AA", [])

    assert outcome(adt_message("A2", "M")) == ("AA", [])

    assert Patient.objects.get().sex == "F"
    assert DemographicReview.objects.get().message is not None
