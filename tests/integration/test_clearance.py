"""Results, allergies and insurances of messages: what of them the core is told."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from integration.fhir.writing import clearance as fhir
from integration.hl7.er7 import Message
from integration.hl7.to_domain import clearance as hl7
from ris.domain.authorization import CoverageDetails


class _Profile:
    """All that is asked of a peer here."""

    zone = UTC


def message(*segments: str) -> Any:
    head = "MSH|^~\\&|EHR|HOSP|RIS|RAD|20260302080000||ORM^O01|M1|P|2.5.1"
    return Message.from_bytes(("\r".join((head, *segments)) + "\r").encode())


def observations(*segments: str) -> Any:
    return hl7.observations(message(*segments), _Profile())  # type: ignore[arg-type]


def test_a_result_by_loinc_is_kept_with_its_time() -> None:
    (found,) = observations("OBX|1|NM|98979-8^eGFR^LN||27|mL/min/{1.73_m2}|||||F|||20260228093000")

    assert (found.code, found.value, found.unit, found.meaning) == (
        "98979-8",
        "27",
        "mL/min/{1.73_m2}",
        "eGFR",
    )
    assert found.observed_at == datetime(2026, 2, 28, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "segment",
    [
        "OBX|1|NM|98979-8^eGFR^LN||27|mL/min|||||X",  # cannot be obtained
        "OBX|1|NM|EGFR^eGFR^L||27|mL/min|||||F",  # a look-alike
        "OBX|1|NM|98979-8^eGFR^LN|||mL/min|||||F",
        "OBX|1|NM|29463-7^Body weight^LN||72|kg|||||F",  # has a field of its own
    ],
)
def test_what_is_no_result_for_a_question_is_left_out(segment: str) -> None:
    assert observations(segment) == ()


@pytest.mark.parametrize(
    ("kind", "value", "kept"),
    [("NM", "<30", "<30"), ("SN", ">^60", ">60"), ("SN", "<=^15", "<=15"), ("SN", "^27", "27")],
)
def test_a_result_beyond_what_was_measured_keeps_its_comparator(
    kind: str, value: str, kept: str
) -> None:
    (found,) = observations(f"OBX|1|{kind}|98979-8^eGFR^LN||{value}|mL/min|||||F")

    assert found.value == kept


def test_a_time_nobody_can_read_does_not_lose_the_result() -> None:
    (found,) = observations("OBX|1|NM|2160-0^Creatinine^LN||1.2|mg/dl|||||F|||yesterday")

    assert found.observed_at is None


def test_an_insurance_names_company_plan_and_member() -> None:
    in1 = "IN1|1|PPO^Preferred plan|C77|Acme Health||||G-9||||20260101|20261231" + "|" * 23 + "M-1"

    assert hl7.coverages(message(in1)) == (
        CoverageDetails(
            payer="Acme Health",
            plan="Preferred plan",
            member_number="M-1",
            group_number="G-9",
            valid_from=date(2026, 1, 1),
            valid_until=date(2026, 12, 31),
        ),
    )
    assert hl7.coverages(message("IN1|1|PPO")) == ()


def egfr(**changes: object) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "33914-3"}]},
        "valueQuantity": {"value": 54.5, "unit": "mL/min/1.73 m2"},
        "effectiveDateTime": "2026-02-28T09:30:00+01:00",
        **changes,
    }


def test_an_observation_of_fhir_says_the_same() -> None:
    found = fhir.observed(egfr(), "o1")

    assert found is not None
    assert (found.code, found.value, found.key) == ("33914-3", "54.5", "Observation/o1")
    assert found.observed_at == datetime(2026, 2, 28, 8, 30, tzinfo=UTC)
    assert fhir.observed(egfr(status="entered-in-error"), "o1") is None
    assert fhir.observed(egfr(code={"coding": [{"code": "1234-5"}]}), "o1") is None


def test_an_observation_beyond_what_was_measured_keeps_its_comparator() -> None:
    found = fhir.observed(egfr(valueQuantity={"value": 30, "comparator": "<"}), "o1")

    assert found is not None
    assert found.value == "<30"


@pytest.mark.parametrize(
    ("said", "at"),
    [
        ({"effectiveDateTime": "2024"}, datetime(2024, 1, 1, tzinfo=UTC)),
        ({"effectiveDateTime": "2024-03"}, datetime(2024, 3, 1, tzinfo=UTC)),
        ({"effectiveDateTime": "2024-03-05"}, datetime(2024, 3, 5, tzinfo=UTC)),
        (
            {"effectivePeriod": {"start": "2024-03-05T08:00:00Z", "end": "2024-03-06"}},
            datetime(2024, 3, 5, 8, tzinfo=UTC),
        ),
        ({"effectivePeriod": {"end": "2024-03-06"}}, None),
        (
            {"effectiveInstant": "2024-03-05T08:00:00.5Z"},
            datetime(2024, 3, 5, 8, 0, 0, 500000, UTC),
        ),
        ({"issued": "2024-03-05T08:00:00Z"}, datetime(2024, 3, 5, 8, tzinfo=UTC)),
    ],
)
def test_a_result_is_as_old_as_its_time_may_mean(said: dict[str, Any], at: datetime | None) -> None:
    resource = egfr(**said)
    if "effectiveDateTime" not in said:
        del resource["effectiveDateTime"]

    found = fhir.observed(resource, "o1")

    assert (found.observed_at if found else None) == at


def test_a_result_of_no_time_is_no_result_of_today() -> None:
    resource = egfr()
    del resource["effectiveDateTime"]

    assert fhir.observed(resource, "o1") is None


@pytest.mark.parametrize(
    ("value", "unit", "kilograms"),
    [
        (72.5, "kg", "72.5"),
        (3500, "g", "3.5"),
        (180, "[lb_av]", "81.65"),
        (180, "lbs", "81.65"),
        (11, "stone", None),
    ],
)
def test_a_weight_is_told_in_kilograms_or_not_at_all(
    value: float, unit: str, kilograms: str | None
) -> None:
    body = {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]}

    found = fhir.observed(egfr(code=body, valueQuantity={"value": value, "unit": unit}), "o1")

    assert (f"{found.value} {found.unit}" if found else None) == (
        f"{kilograms} kg" if kilograms else None
    )


def test_an_allergy_without_words_is_told_by_its_substance_or_code() -> None:
    snomed = {"system": "http://snomed.info/sct", "code": "293637006"}
    coded = fhir.allergy({"code": {"coding": [snomed]}}, "a1")
    reaction = fhir.allergy({"reaction": [{"substance": {"text": "Iohexol"}}]}, "a2")

    assert (coded.value if coded else "") == "293637006"
    assert (reaction.value if reaction else "") == "Iohexol"


def test_that_no_allergy_is_known_is_no_allergy() -> None:
    none = {"coding": [{"system": "http://snomed.info/sct", "code": "716186003"}]}

    assert fhir.allergy({"code": {**none, "text": "No known allergy"}}, "a1") is None


def test_an_allergy_counts_until_it_is_refuted() -> None:
    said = {"code": {"text": "Iodinated contrast"}, "recordedDate": "2025-01-01"}

    found = fhir.allergy(said, "a1")

    assert found is not None
    assert (found.code, found.value) == ("ALLERGY", "Iodinated contrast")
    refuted = {**said, "verificationStatus": {"coding": [{"code": "refuted"}]}}
    assert fhir.allergy(refuted, "a1") is None


def test_a_coverage_of_fhir_says_who_pays() -> None:
    said = {
        "status": "active",
        "payor": [{"display": "Acme Health"}],
        "subscriberId": "M-1",
        "period": {"start": "2026-01-01", "end": "2026-12-31"},
        "class": [{"type": {"coding": [{"code": "group"}]}, "value": "G-9"}],
    }

    assert fhir.coverage(said) == CoverageDetails(
        payer="Acme Health",
        member_number="M-1",
        group_number="G-9",
        valid_from=date(2026, 1, 1),
        valid_until=date(2026, 12, 31),
    )
    assert fhir.coverage({"status": "active"}) is None
