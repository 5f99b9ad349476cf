"""Housekeeping of the journal."""

from __future__ import annotations

from datetime import timedelta

from ris.domain.actors import Role
from ris.domain.errors import InvalidValueError
from ris.domain.journal import ForgetQueries
from ris.models import WorklistQueryLog
from ris.services._context import Context

_AT_ONCE = 5_000  # a statement short enough to let others write


def forget_queries(command: ForgetQueries, context: Context) -> int:
    if command.days < 1:
        raise InvalidValueError("at least one day is kept", path="days")
    old = WorklistQueryLog.objects.filter(at__lt=context.now - timedelta(days=command.days))
    keys = list(old.order_by("at").values_list("pk", flat=True)[:_AT_ONCE])
    context.subject = f"worklist queries before {context.now - timedelta(days=command.days):%F}"
    deleted, _ = WorklistQueryLog.objects.filter(pk__in=keys).delete()
    return deleted


HANDLERS = {ForgetQueries: forget_queries}
PERMISSIONS = {ForgetQueries: {Role.ADMIN, Role.SYSTEM}}
