"""ADT^A60: what a patient is allergic to is told one by one (IAM), by what became of each."""

from __future__ import annotations

import pytest

from ris.models import InboundMessage, Patient
from tests.integration.hl7.intake import outcome, register
from tests.integration.hl7.messages import PID, text

pytestmark = pytest.mark.django_db


def iam(code: str, action: str, status: str = "", number: int = 1, named: str = "") -> str:
    return f"IAM|{number}|DA|{code}|SV|Rash|{action}|{named}{'|' * 10}{status}"


def a60(*segments: str, key: str, pid: str = PID) -> tuple[str, list[str]]:
    return outcome(text("EVN|A60", pid, *segments, message_type="ADT^A60^ADT_A60", key=key))


def known(*texts: str) -> None:
    lines = (f"AL1|{number}|DA|^{each}" for number, each in enumerate(texts, start=1))
    assert outcome(text("EVN|A08", PID, *lines, message_type="ADT^A08", key="K"))[0] == "AA"


def allergies() -> list[str]:
    found: list[str] = Patient.objects.get().allergies
    return found


def test_one_allergy_is_added_and_the_others_stay() -> None:
    register()
    known("Penicillin")

    assert a60(iam("I1^Iodinated contrast^L", "A"), key="A1") == ("AA", [])

    assert allergies() == ["Penicillin", "Iodinated contrast"]


def test_one_allergy_is_taken_away_by_its_text_and_the_others_stay() -> None:
    register()
    known("Penicillin", "Iodinated contrast")

    assert a60(iam("P1^PENICILLIN^L", "D"), key="A1") == ("AA", [])
    assert a60(iam("P1^PENICILLIN^L", "D"), key="A2") == ("AA", [])

    assert allergies() == ["Iodinated contrast"]


def test_one_that_came_as_a_code_alone_is_taken_away_by_its_code() -> None:
    register()
    a60(iam("P1", "A"), key="A1")

    assert a60(iam("P1^Penicillin^L", "D"), key="A2") == ("AA", [])
    assert allergies() == []


def test_each_segment_says_what_became_of_its_own() -> None:
    register()
    known("Penicillin", "Latex")

    told = a60(
        iam("^Penicillin", "D"),
        iam("^Latex", "X", number=2),
        iam("^Gadolinium", "A", number=3),
        iam("^Iodinated contrast", "U", number=4),
        key="A1",
    )

    assert told == ("AA", [])
    assert allergies() == ["Latex", "Gadolinium", "Iodinated contrast"]


@pytest.mark.parametrize(
    ("status", "expected"),
    [("C", True), ("U", True), ("P", True), ("S", True), ("D", True), ("E", False), ("I", False)],
)
def test_what_is_an_error_or_over_is_no_allergy(status: str, expected: bool) -> None:
    """Table 0438: what is only suspected, or in doubt, is one."""
    register()
    known("Latex")

    assert a60(iam("^Latex", "U", status), key="A1") == ("AA", [])

    assert allergies() == (["Latex"] if expected else [])


def test_an_update_that_changes_nothing_does_not_double_it() -> None:
    register()
    known("Latex")

    assert a60(iam("^latex ", "U"), key="A1") == ("AA", [])
    assert allergies() == ["Latex"]


def test_who_is_heard_of_for_the_first_time_is_registered_with_it() -> None:
    register()

    assert a60(iam("^Latex", "A"), iam("^Penicillin", "D", number=2), key="A1") == ("AA", [])

    assert (Patient.objects.get().name, allergies()) == ("Berg^Anna^Maria", ["Latex"])


def test_who_does_not_keep_the_patients_data_adds_and_takes_none_away() -> None:
    register()
    known("Penicillin")
    register(settings={"authoritative": []})

    added = a60(iam("^Latex", "A"), key="A1")
    refused = a60(iam("^Gadolinium", "A"), iam("^Penicillin", "D", number=2), key="A2")

    assert (added, refused) == (("AA", []), ("AE", ["207 IAM^2^3"]))
    assert allergies() == ["Penicillin", "Latex"]
    assert InboundMessage.objects.get(state="REJECTED").error == (
        "only who keeps the patient's data takes an allergy away"
    )


def test_all_that_is_missing_or_unknown_is_told_at_once() -> None:
    register()

    told = a60(iam("^Latex", "Q"), iam("", "A", number=2), key="A1")

    assert told == ("AE", ["103 IAM^1^6", "101 IAM^2^3"])
    assert Patient.objects.count() == 0


def test_without_any_allergy_nothing_is_said() -> None:
    register()

    assert a60(key="A1") == ("AE", ["101 IAM^1^"])


def test_an_allergy_whose_action_is_not_said_is_there() -> None:
    register()

    assert a60(iam("^Latex", ""), key="A1") == ("AA", [])
    assert allergies() == ["Latex"]


def test_a_text_that_is_too_long_is_refused_with_its_place() -> None:
    register()

    assert a60(iam("^" + "x" * 201, "A"), key="A1") == ("AE", ["102 IAM^1^3"])


# --- IAM-7 --------------------------------------------------------------------------------------


def test_one_is_taken_away_by_its_number_alone() -> None:
    register()
    a60(iam("^Latex", "A", named="77^HIS"), iam("^Penicillin", "A", number=2), key="A1")

    assert a60(iam("", "D", named="77^HIS"), key="A2") == ("AA", [])
    assert a60(iam("", "D", named="77^HIS"), key="A3") == ("AA", [])

    assert allergies() == ["Penicillin"]


def test_one_that_is_told_in_other_words_under_its_number_is_not_doubled() -> None:
    register()
    a60(iam("^Contrast", "A", named="77"), key="A1")

    assert a60(iam("^Iodinated contrast", "U", named="77"), key="A2") == ("AA", [])
    assert allergies() == ["Iodinated contrast"]

    assert a60(iam("", "D", named="77"), key="A3") == ("AA", [])
    assert allergies() == []


def test_a_number_that_nobody_told_before_is_refused_for_an_allergy_would_stay() -> None:
    register()
    a60(iam("^Latex", "A", named="77^HIS"), key="A1")

    other_authority = a60(iam("", "D", named="77^LAB"), key="A2")
    other_number = a60(iam("", "D", named="78^HIS"), key="A3")

    assert other_authority == other_number == ("AE", ["204 IAM^1^7"])
    assert allergies() == ["Latex"]


def test_a_number_whose_text_is_there_no_more_is_refused_for_it_may_have_another_text() -> None:
    register()
    a60(iam("^Latex", "A", named="77^HIS"), key="A1")
    known("Latex gloves")

    assert a60(iam("", "D", named="77^HIS"), key="A2") == ("AE", ["204 IAM^1^7"])
    assert allergies() == ["Latex gloves"]


def test_what_two_numbers_stand_for_stays_until_both_are_taken_away() -> None:
    register()
    a60(iam("^Latex", "A", named="77"), iam("^Latex", "A", number=2, named="78"), key="A1")

    a60(iam("^Latex", "D", named="77"), key="A2")
    assert allergies() == ["Latex"]

    a60(iam("", "D", named="78"), key="A3")
    assert allergies() == []


def test_the_number_of_a_merged_record_finds_the_allergy_at_the_survivor() -> None:
    register()
    a60(iam("^Latex", "A", named="77"), key="A1")
    survivor = PID.replace("4711", "4712")
    text_of = text("EVN|A40", survivor, "MRG|4711^^^HOSP^MR", message_type="ADT^A40", key="M1")
    outcome(text("EVN|A28", survivor, message_type="ADT^A28", key="A28"))
    assert outcome(text_of) == ("AA", [])

    assert a60(iam("", "D", named="77"), key="A2", pid=survivor) == ("AA", [])

    assert Patient.objects.get(merged_into=None).allergies == []


def test_who_does_not_keep_the_patients_data_takes_none_away_by_a_number_either() -> None:
    register()
    a60(iam("^Latex", "A", named="77"), key="A1")
    register(settings={"authoritative": []})

    told = a60(iam("^Gloves", "U", named="77"), key="A2")
    refused = a60(iam("", "D", named="77"), key="A3")

    assert (told, refused) == (("AA", []), ("AE", ["207 IAM^1^7"]))
    assert allergies() == ["Latex", "Gloves"]
