"""The demo's staff, group, holidays, reserved time, and devices that are or will be down."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta

from ris.domain.actors import Actor
from ris.domain.facility import ResourceKind
from ris.domain.resources import (
    BeginDowntime,
    ChangeResource,
    KeptFor,
    RegisterStaff,
    ReserveBlock,
    SaveGroup,
    SetHoliday,
)
from ris.selectors.resource_lists import key_of
from ris.services import execute

_HOLIDAYS = ((1, 1, "New Year's Day"), (5, 1, "Labor Day"), (12, 25, "Christmas Day"))
_SOON = timedelta(days=3)  # a demo on a closed day shows little
_WEDNESDAY = 2


def furnish(now: datetime, actors: Mapping[str, Actor]) -> None:
    """What booking goes by, once the stories are told: it stands in the way of none of them."""
    manager, technologist = actors["manager"], actors["technologist"]
    ct, mr, nm = (key_of(ResourceKind.DEVICE, name) for name in ("CT1", "MR1", "NM1"))
    for name, skills in (
        ("Dr. Noor Haidari", ("radiologist", "interpreter:ar")),
        ("Ilse Brandt", ("nurse", "MR-safety", "pediatric-sedation")),
    ):
        execute(RegisterStaff(name=name, skills=skills), actor=manager)
    execute(SaveGroup(name="Cross-sectional", members=(ct, mr)), actor=manager)
    execute(
        ChangeResource(
            resource=nm,
            buffer_after_minutes=10,
            gap_minutes=20,
            note="Camera table up to 180 kg",
        ),
        actor=manager,
    )
    for weekday in range(5):
        execute(
            ReserveBlock(
                resource=ct,
                label="Emergencies",
                weekday=weekday,
                opens=time(12, 30),
                closes=time(13),
                kept_for=KeptFor(priorities=("STAT", "ASAP")),
                release_hours_before=2,
            ),
            actor=manager,
        )
    for day, name in _coming(now.date()):
        execute(SetHoliday(date=day, name=name), actor=manager)
    service = _service(now)
    execute(
        BeginDowntime(
            resource=mr,
            reason="Maintenance by the manufacturer",
            start_at=service,
            end_at=service + timedelta(hours=3),
        ),
        actor=manager,
    )
    execute(
        BeginDowntime(
            resource=nm,
            reason="Detector fault, service is called",
            start_at=now - timedelta(minutes=25),
        ),
        actor=technologist,
    )


def _coming(today: date) -> list[tuple[date, str]]:
    """The next of each holiday."""
    found = []
    for month, day, name in _HOLIDAYS:
        this_year = date(today.year, month, day)
        passed = this_year - today < _SOON
        found.append((this_year.replace(year=today.year + 1) if passed else this_year, name))
    return sorted(found)


def _service(now: datetime) -> datetime:
    """Seven o'clock on the next Wednesday that is not too near."""
    ahead = (_WEDNESDAY - now.weekday()) % 7
    day = now.date() + timedelta(days=ahead if timedelta(days=ahead) >= _SOON else ahead + 7)
    return datetime.combine(day, time(7), now.tzinfo)
