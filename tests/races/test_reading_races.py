"""Several readers at one exam at once: exactly one gets it, on either database."""

from __future__ import annotations

from functools import partial

import pytest

from ris.domain.actors import Actor, ActorKind, Role
from ris.domain.errors import StateConflictError
from ris.domain.reading import SetReadingTargets, TakeOverReading, Target
from ris.domain.reporting import OpenReport
from ris.domain.sets import version_of
from ris.models import DomainEvent, ReadingLease, Report, User
from ris.selectors.reading_targets import targets
from ris.services import execute
from tests import make, people
from tests.races.at_once import together

pytestmark = pytest.mark.django_db(transaction=True)

READERS = 4


def readers() -> list[Actor]:
    users = [User.objects.create_user(f"reader{number}") for number in range(READERS)]
    return [
        Actor(ActorKind.USER, user.username, frozenset({Role.RADIOLOGIST}), user_id=user.pk)
        for user in users
    ]


def test_of_those_who_open_an_exam_at_once_one_reads_it() -> None:
    make.device()
    procedure = str(make.performed().procedures.get().public_id)
    actors = readers()

    results = together(
        *(partial(execute, OpenReport(procedures=(procedure,)), actor=actor) for actor in actors)
    )

    refused = [result for result in results if isinstance(result, StateConflictError)]
    assert len(refused) == READERS - 1
    assert Report.objects.count() == 1
    assert ReadingLease.objects.filter(ended_at=None).count() == 1
    assert DomainEvent.objects.filter(name="ReportOpened").count() == 1


def test_of_those_who_take_over_at_once_one_reads_it_in_the_end() -> None:
    make.device()
    procedure = str(make.performed().procedures.get().public_id)
    first, *others = readers()
    report = execute(OpenReport(procedures=(procedure,)), actor=first)

    results = together(
        *(
            partial(execute, TakeOverReading(report=report, reason="On call"), actor=actor)
            for actor in others
        )
    )

    assert results == [None] * len(others)
    assert ReadingLease.objects.filter(ended_at=None).count() == 1
    assert ReadingLease.objects.filter(ended_how="TAKEN_OVER").count() == len(others)


def test_of_those_who_save_target_times_at_once_one_does() -> None:
    shown = version_of(targets())
    calls = [
        SetReadingTargets(targets=(Target(minutes=minutes),), expected_version=shown)
        for minutes in (30, 60, 90)
    ]

    results = together(*(partial(execute, call, actor=people.manager) for call in calls))

    refused = [result for result in results if isinstance(result, StateConflictError)]
    assert len(refused) == len(calls) - 1
    kept = calls[results.index(None)]
    assert targets() == kept.targets
