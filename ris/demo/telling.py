"""Tells the demo: equips the site, plays the stories, lets the receivers answer."""

from __future__ import annotations

from datetime import datetime

from ris.demo import days
from ris.demo.cast import gather
from ris.demo.devices import Devices
from ris.demo.ehr import Ehr
from ris.demo.player import Diary, Player
from ris.demo.site import equip
from ris.demo.stories import DAY, World
from ris.services import as_of


def tell(now: datetime) -> None:
    """Everything up to ``now``, which carries the zone of the site."""
    cast = gather(now.date())
    with as_of(now - 10 * DAY):
        actors = equip(cast)
    world = World(
        cast=cast,
        diary=Diary(now.tzinfo),  # type: ignore[arg-type]
        ehr=Ehr(),
        devices=Devices(cast.dice),
        actors=actors,
    )
    player = Player(now)
    for story in days.stories(world, now):
        player.add(story)
    player.play()
