"""After a release that knows more search parameters, what clients sent before is found by them."""

from __future__ import annotations

from typing import Any

import pytest

from integration.fhir import indexing
from ris import prepare, probes
from ris.models import FhirIndex, FhirIndexState
from ris.services import fhir_reindexing
from tests.integration.fhir import resources
from tests.integration.fhir.api import Api

pytestmark = pytest.mark.django_db

SECONDS = 60.0


def conditions(api: Api, count: int) -> list[str]:
    patient = api.post("/Patient", resources.patient("1")).body["id"]
    body = {"resourceType": "Condition", "subject": {"reference": f"Patient/{patient}"}}
    body["code"] = {"coding": [{"system": "http://snomed.info/sct", "code": "195967001"}]}  # type: ignore[dict-item]
    return [api.post("/Condition", body).body["id"] for _ in range(count)]


def as_of_an_older_release(*kinds: str) -> None:
    """What was stored before ``code`` could be searched, and the note of it."""
    fhir_reindexing.note()
    fhir_reindexing.advance(SECONDS)
    FhirIndex.objects.filter(type__in=kinds, parameter="code").delete()
    FhirIndexState.objects.filter(type__in=kinds).update(fingerprint="older", aim="older")


def found(api: Api) -> list[str]:
    body = api.get("/Condition?code=195967001").body
    return [each["resource"]["id"] for each in body.get("entry", [])]


def test_what_an_older_release_stored_is_found_after_the_start(api: Api) -> None:
    (key,) = conditions(api, 1)
    as_of_an_older_release("Condition")
    assert found(api) == []

    assert fhir_reindexing.note() == 1
    assert fhir_reindexing.advance(SECONDS) == 1

    assert found(api) == [key]
    assert (fhir_reindexing.note(), fhir_reindexing.advance(SECONDS)) == (0, 0)


def test_a_database_that_never_noted_anything_is_indexed_once(api: Api) -> None:
    (key,) = conditions(api, 1)
    FhirIndex.objects.all().delete()
    FhirIndexState.objects.all().delete()

    assert fhir_reindexing.note() == 2  # the patient and the condition
    fhir_reindexing.advance(SECONDS)

    assert found(api) == [key]
    assert fhir_reindexing.note() == 0


def test_a_new_installation_has_nothing_to_do() -> None:
    assert fhir_reindexing.note() == 0

    assert FhirIndexState.objects.count() > 20
    assert fhir_reindexing.left() == 0


@pytest.mark.database
def test_what_was_stopped_goes_on_where_it_was(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = conditions(api, 5)
    as_of_an_older_release("Condition")
    monkeypatch.setattr(fhir_reindexing, "AT_ONCE", 2)
    fhir_reindexing.note()

    assert fhir_reindexing.advance(0) == 2
    assert (fhir_reindexing.left(), sorted(found(api))) == (3, sorted(keys[:2]))

    assert fhir_reindexing.note() == 3  # another start changes nothing of it
    assert fhir_reindexing.advance(SECONDS) == 3
    assert (fhir_reindexing.left(), sorted(found(api))) == (0, sorted(keys))


def test_only_types_whose_definitions_changed_are_read_again(api: Api) -> None:
    conditions(api, 1)
    as_of_an_older_release("Condition")
    FhirIndex.objects.filter(type="Patient").delete()

    fhir_reindexing.note()
    fhir_reindexing.advance(SECONDS)

    assert not FhirIndex.objects.filter(type="Patient").exists()


def test_the_fingerprint_of_a_type_is_that_of_its_parameters_and_of_the_sites_clock(
    settings: Any,
) -> None:
    before = indexing.fingerprints()

    settings.TIME_ZONE = "Asia/Tokyo"  # a date without a zone is another time there

    after = indexing.fingerprints()
    assert before["Condition"] != after["Condition"]
    assert before["Condition"] != before["Observation"]


def test_a_start_reads_again_what_it_can_in_a_moment(api: Api) -> None:
    (key,) = conditions(api, 1)
    as_of_an_older_release("Condition")

    prepare.catch_up()

    assert found(api) == [key]


def test_the_doctor_says_that_searches_may_miss_something_meanwhile(api: Api) -> None:
    conditions(api, 1)
    assert list(probes.fhir_index(prepare.settings.CONFIG)) == []
    as_of_an_older_release("Condition")
    fhir_reindexing.note()

    (finding,) = probes.fhir_index(prepare.settings.CONFIG)

    assert finding.state is probes.State.WARNING
    assert finding.text == "1 resources of FHIR clients are not yet found by all of their values"

    fhir_reindexing.run_due()
    assert list(probes.fhir_index(prepare.settings.CONFIG)) == []


def test_reindexing_by_hand_leaves_nothing_to_the_worker(api: Api) -> None:
    from integration.fhir.commands import reindex

    conditions(api, 1)
    as_of_an_older_release("Condition")
    fhir_reindexing.note()

    assert reindex([]) == 0

    assert (fhir_reindexing.left(), fhir_reindexing.note()) == (0, 0)
