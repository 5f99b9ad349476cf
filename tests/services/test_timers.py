"""The clock gives every piece of its work its turn."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from ris.domain.actors import Actor, ActorKind, Role
from ris.domain.critical import FlagCriticalResult
from ris.domain.reading import ClaimReading
from ris.models import CriticalFinding, User
from ris.services import execute, timers
from tests import make, people

pytestmark = pytest.mark.django_db


def test_what_fails_holds_up_no_critical_result(monkeypatch: pytest.MonkeyPatch) -> None:
    make.device()
    report = make.opened_report(make.performed())
    execute(
        FlagCriticalResult(
            report=str(report.public_id), finding="Aortic dissection", category="RED"
        ),
        actor=people.radiologist,
    )

    def broken() -> bool:
        raise RuntimeError("a row that nobody can read")

    monkeypatch.setattr(timers, "holds_due", broken)

    with (
        time_machine.travel(timezone.now() + timedelta(minutes=31), tick=False),
        pytest.raises(RuntimeError, match="a row that nobody can read"),
    ):
        timers.run_due()

    assert CriticalFinding.objects.get().level == 1


def test_what_fails_holds_up_nothing_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    make.device()
    report = make.opened_report(make.performed())
    user = User.objects.create_user("ada")
    actor = Actor(ActorKind.USER, "ada", frozenset({Role.RADIOLOGIST}), user_id=user.pk)
    execute(ClaimReading(report=str(report.public_id)), actor=actor)

    def broken() -> bool:
        raise RuntimeError("a row that nobody can read")

    monkeypatch.setattr(timers, "holds_due", broken)

    with (
        time_machine.travel(timezone.now() + timedelta(minutes=6), tick=False),
        pytest.raises(RuntimeError, match="a row that nobody can read"),
    ):
        timers.run_due()

    assert list(report.leases.values_list("ended_how", flat=True)) == ["SILENT"]
