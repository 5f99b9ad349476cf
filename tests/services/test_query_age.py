"""Worklist queries are kept for as long as the setting says, and no longer."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from ris import config
from ris.domain.actors import TIMER
from ris.domain.errors import DeniedError, InvalidValueError
from ris.domain.journal import ForgetQueries
from ris.models import AuditEvent, WorklistQueryLog
from ris.services import execute
from ris.services.timers import run_due
from tests import people

pytestmark = pytest.mark.django_db


def asked(days_ago: float) -> WorklistQueryLog:
    return WorklistQueryLog.objects.create(
        at=timezone.now() - timedelta(days=days_ago), calling_ae_title="CT1"
    )


def test_old_queries_go_once_one_of_them_is_a_day_over_its_time() -> None:
    kept, older, oldest = asked(89), asked(90.5), asked(92)

    run_due()

    assert list(WorklistQueryLog.objects.all()) == [kept]
    audit = AuditEvent.objects.get(action="ForgetQueries")
    assert (audit.actor_name, audit.outcome) == (TIMER.name, "success")
    assert older.pk != oldest.pk


def test_nothing_is_done_and_nothing_audited_before() -> None:
    kept = [asked(1), asked(90.5)]

    run_due()

    assert sorted(row.pk for row in WorklistQueryLog.objects.all()) == [row.pk for row in kept]
    assert not AuditEvent.objects.filter(action="ForgetQueries").exists()


def test_zero_days_keep_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    asked(4000)
    monkeypatch.setenv("RIS_DICOM__QUERY_DAYS", "0")
    config.load.cache_clear()

    run_due()

    assert WorklistQueryLog.objects.count() == 1
    config.load.cache_clear()


def test_a_batch_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ris.services.journal._AT_ONCE", 2)
    for days in (100, 101, 102):
        asked(days)

    assert execute(ForgetQueries(days=90), actor=TIMER) == 2
    assert execute(ForgetQueries(days=90), actor=TIMER) == 1
    assert execute(ForgetQueries(days=90), actor=TIMER) == 0


def test_nobody_else_may_and_a_day_is_always_kept() -> None:
    asked(100)

    with pytest.raises(DeniedError):
        execute(ForgetQueries(days=90), actor=people.radiologist)
    with pytest.raises(InvalidValueError):
        execute(ForgetQueries(days=0), actor=TIMER)
    assert WorklistQueryLog.objects.count() == 1
