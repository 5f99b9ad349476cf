"""Kept resources through the one door: versions, patients, locks, who may."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import pytest

from ris.domain.actors import OPERATOR
from ris.domain.errors import DeniedError, StateConflictError, UnknownKeyError
from ris.domain.fhir import ChangeResource, DeleteResource, KeepResource, Method
from ris.domain.patients import MergePatients, PatientReference, UnmergePatients
from ris.domain.protocol import StoredEvent
from ris.models import DomainEvent, FhirIndex, FhirResource, FhirVersion, Patient
from ris.services import afterwards, execute
from ris.services import fhir as services
from tests import make, people

pytestmark = pytest.mark.django_db

CONTENT = '{"resourceType":"Condition"}'


def keep(patient: str = "", **more: Any) -> str:
    command = KeepResource(type="Condition", content=CONTENT, patient=patient, **more)
    return execute(command, actor=people.ehr)


def registered(number: str) -> Patient:
    order = make.order(patient=make.patient(number))
    return order.patient


def test_each_write_is_a_version() -> None:
    key = keep()
    execute(
        ChangeResource(type="Condition", resource=key, content="{}", method=Method.PATCH),
        actor=people.ehr,
    )
    execute(DeleteResource(type="Condition", resource=key), actor=people.ehr)
    execute(DeleteResource(type="Condition", resource=key), actor=people.ehr)

    row = FhirResource.objects.get()
    assert (row.version, row.content, row.source) == (3, "{}", people.ehr.name)
    assert row.deleted_at is not None
    rows = FhirVersion.objects.order_by("id")
    assert [(each.version, each.method, each.content) for each in rows] == [
        ("1", "POST", CONTENT),
        ("2", "PATCH", "{}"),
        ("3", "DELETE", ""),
    ]
    names = DomainEvent.objects.filter(subject_type="FhirResource").values_list("name", flat=True)
    assert list(names) == ["ResourceKept", "ResourceChanged", "ResourceDeleted"]


def test_the_version_that_was_looked_at_must_be_the_present_one() -> None:
    key = keep()
    first = ChangeResource(type="Condition", resource=key, content="{}", version=1)
    execute(first, actor=people.ehr)

    with pytest.raises(StateConflictError):
        execute(ChangeResource(
            type="Condition", resource=key, content="[]", version=1
        ), actor=people.ehr)  # fmt: skip
    with pytest.raises(StateConflictError):
        execute(DeleteResource(type="Condition", resource=key, version=1), actor=people.ehr)

    assert FhirResource.objects.get().content == "{}"
    assert FhirVersion.objects.count() == 2


def test_what_is_not_there_is_not_changed() -> None:
    key = keep()

    for kind, resource in (("Coverage", key), ("Condition", "none")):
        with pytest.raises(UnknownKeyError):
            execute(DeleteResource(type=kind, resource=resource), actor=people.ehr)
    with pytest.raises(UnknownKeyError):
        keep("00000000-0000-7000-8000-000000000001")

    assert FhirVersion.objects.count() == 1


def test_people_and_devices_keep_nothing() -> None:
    with pytest.raises(DeniedError):
        execute(KeepResource(type="Condition", content=CONTENT), actor=people.radiologist)

    assert FhirResource.objects.count() == 0


def test_an_id_that_was_promised_is_given() -> None:
    promised = "00000000-0000-7000-8000-000000000009"

    assert keep(public_id=promised) == promised


def test_a_merge_carries_what_is_kept_and_what_it_is_found_by() -> None:
    survivor, subsumed = registered("S1"), registered("S2")
    key = keep(str(subsumed.public_id))
    gone = keep(str(subsumed.public_id))
    execute(DeleteResource(type="Condition", resource=gone), actor=people.ehr)
    FhirIndex.objects.create(
        type="Condition", public_id=key, parameter="patient", system="Patient",
        target=subsumed.public_id,
    )  # fmt: skip

    def present() -> tuple[Any, int, Any]:
        row = FhirResource.objects.get(public_id=key)
        return row.patient, row.version, FhirIndex.objects.get(public_id=key).target

    execute(
        MergePatients(
            survivor=PatientReference(public_id=str(survivor.public_id)),
            subsumed=PatientReference(public_id=str(subsumed.public_id)),
        ),
        actor=OPERATOR,
    )
    merged = present()
    late = keep(str(subsumed.public_id))
    execute(
        UnmergePatients(subsumed_id=str(subsumed.public_id), reason="another person"),
        actor=OPERATOR,
    )

    assert merged == (survivor, 2, survivor.public_id)
    assert present() == (subsumed, 3, subsumed.public_id)
    assert FhirResource.objects.get(public_id=late).patient == survivor
    assert FhirResource.objects.get(public_id=gone).patient == subsumed


def test_an_indexer_is_told_within_the_write(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, str, Any]] = []

    def index(kind: str, row: FhirResource, said: Mapping[str, Any] | None) -> None:
        told.append((kind, str(row.public_id), dict(said) if said is not None else None))

    monkeypatch.setattr(services, "_indexers", [])
    services.register_indexer(index)
    services.register_indexer(index)
    key = keep()
    execute(DeleteResource(type="Condition", resource=key), actor=people.ehr)

    assert told == [
        ("Condition", key, {"resourceType": "Condition"}),
        ("Condition", key, None),
    ]


def test_followers_work_in_a_thread_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, str]] = []
    done = threading.Event()

    def follower(events: Any) -> None:
        seen.append((len(events), threading.current_thread().name))
        if len(seen) == 3:
            done.set()

    monkeypatch.setattr(afterwards, "_followers", [])
    afterwards._waiting.clear()
    afterwards.register(follower)
    afterwards.register(follower)
    stored = StoredEvent(id=1, name="OrderPlaced", payload={}, at=make.NOON)
    afterwards.wait_with([stored] * (2 * afterwards.AT_ONCE + 1))
    afterwards.follow_apart()
    afterwards.follow_apart()

    assert done.wait(10)
    assert [count for count, _ in seen] == [afterwards.AT_ONCE, afterwards.AT_ONCE, 1]
    assert {name for _, name in seen} == {"afterwards_0"}
