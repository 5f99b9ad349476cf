"""The reading list of the demo: what a colleague reads, what he is at, and times that are short."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from ris.demo.after_reports import SECOND
from ris.domain.actors import Actor
from ris.domain.reading import TARGETS, SetReadingScope, SetReadingTargets, Target
from ris.domain.reporting import OpenReport
from ris.models import User
from ris.selectors import reading
from ris.selectors.accounts import user_actor
from ris.selectors.reading import Pile
from ris.services import execute


def at_the_list(now: datetime, actors: Mapping[str, Actor]) -> None:
    """The second radiologist reads chest and abdomen, and has an exam open."""
    user = User.objects.get(username=SECOND)
    second = user_actor(user, "127.0.0.1")
    execute(SetReadingScope(subspecialties=("chest", "abdomen")), actor=second)
    execute(
        SetReadingTargets(targets=(*TARGETS[:-1], Target(minutes=48 * 60))),
        actor=actors["manager"],
    )
    waiting = reading.ordered(reading.in_pile(Pile.UNREAD, user.pk), Pile.UNREAD)
    for key in waiting.filter(reports=None).values_list("public_id", flat=True)[1:2]:
        execute(OpenReport(procedures=(str(key),)), actor=second)
