"""A radiologist with a login, who signs."""

from __future__ import annotations

from ris.domain.accounts import CreateUser
from ris.domain.actors import Actor, ActorKind, Role
from ris.domain.reporting import FinalizeReport
from ris.models import Order, Report
from ris.services import execute
from tests import make, people


def reader() -> Actor:
    roles = frozenset({Role.RADIOLOGIST})
    user = execute(
        CreateUser(username="ruth", password="", roles=roles, first_name="Ruth", last_name="Weiss"),
        actor=people.admin,
    )
    return Actor(ActorKind.USER, "ruth", roles, user_id=user, address="127.0.0.1")


def sign(order: Order, who: Actor) -> Report:
    """A final report on all of the order's procedures."""
    report = make.opened_report(order)
    execute(FinalizeReport(report=str(report.public_id), sections=dict(make.TEXT)), actor=who)
    report.refresh_from_db()
    return report
