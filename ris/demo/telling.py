"""Tells the demo: equips the site, plays the stories, lets the receivers answer."""

from __future__ import annotations

from datetime import datetime

from ris.demo import after_reports, breast_days, days, mammography, troubles
from ris.demo.after_reports import review
from ris.demo.cast import gather
from ris.demo.clearance import clear
from ris.demo.desk import set_the_day
from ris.demo.devices import Devices, Technologist
from ris.demo.ehr import Ehr
from ris.demo.orders_desk import leave
from ris.demo.patients import allow_patients, count, hear_from_patients
from ris.demo.player import Diary, Player, Story
from ris.demo.reading import at_the_list
from ris.demo.receivers import ImageArchive, Receivers
from ris.demo.referrers import take_note
from ris.demo.resources import furnish
from ris.demo.signing import shown
from ris.demo.site import connect_receivers, equip, pause_portal, set_portal, stations
from ris.demo.stories import DAY, MINUTE, World
from ris.demo.templates import keep_templates
from ris.demo.waiting import queue_up
from ris.domain.exchange import Protocol
from ris.domain.reporting import AmendReport, ReportStatus, VersionKind
from ris.models import Report
from ris.services import as_of, execute, outbox

# For so long the receivers have been connected.
TOLD = 95 * MINUTE
PACE = 6 * MINUTE


def tell(now: datetime) -> None:
    """Everything up to ``now``, which carries the zone of the site."""
    cast = gather(now.date())
    with as_of(now - 12 * DAY):
        actors = equip(cast)
        allow_patients()
        mammography.set_up(actors)
    devices = Devices(cast.dice, stations())
    world = World(
        cast=cast,
        diary=Diary(now.tzinfo),  # type: ignore[arg-type]
        ehr=Ehr(),
        devices=devices,
        technologist=Technologist(actors["technologist"], devices),
        actors=actors,
    )
    player = Player(now)
    for story in (*days.stories(world, now), *troubles.stories(world, now)):
        player.add(story)
    for story in after_reports.stories(actors, now):
        player.add(story)
    for story in breast_days.stories(world, now):
        player.add(story)
    player.add(_questions(world, now))
    player.add(_portal_set_back(world, now))
    with (
        outbox.speaking(Protocol.HL7, lambda edge: Receivers(edge, world.refuses)),
        outbox.speaking(Protocol.DICOM, ImageArchive),
    ):
        player.add(_receivers_come(player, now))
        player.play()
        with as_of(now):
            furnish(now, actors)
            queue_up(now, actors)
            set_the_day(now, actors)
            clear(now, actors)
            review(actors)
            mammography.follow(now, actors)
            keep_templates(actors)
            at_the_list(now, actors)
            leave(now, actors)
            take_note(now)
            _relay()
            pause_portal()
            hear_from_patients(now)
            _relay()
            count(now)


def _receivers_come(player: Player, now: datetime) -> Story:
    """From here on the receivers are told; what was before is not sent after the fact."""
    yield now - TOLD
    while outbox.fan_out():
        pass
    connect_receivers()
    player.after_act = Relay()


def _portal_set_back(world: World, now: datetime) -> Story:
    """The portal was set to Western letters while a name had others; it is mended, not sent again.

    One line of one report says so, and an administrator sends it again from there.
    """
    yield now - 45 * MINUTE
    final = Report.objects.filter(status=ReportStatus.FINAL.value).select_related("order__patient")
    others = (each for each in final.order_by("-pk") if not _is_western(each.order.patient.name))
    report = next(others, None)
    if report is None:
        return
    while outbox.fan_out():
        pass
    set_portal("8859/1")
    execute(
        AmendReport(
            report=str(report.public_id),
            kind=VersionKind.ADDENDUM,
            sections={"addendum": "Discussed with the referring practice: no further exam needed."},
            proof=shown(),
        ),
        actor=world.actors["radiologist"],
    )
    while outbox.fan_out():
        pass
    set_portal("UNICODE UTF-8")


def _is_western(name: str) -> bool:
    try:
        name.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True


class Relay:
    """Does what the worker does, as often as minutes pass in the story."""

    def __init__(self) -> None:
        self._last: datetime | None = None

    def __call__(self, moment: datetime) -> None:
        if self._last is None or moment - self._last >= PACE:
            self._last = moment
            _relay()


def _relay() -> None:
    while outbox.fan_out():
        pass
    outbox.deliver_due()


def _questions(world: World, now: datetime) -> Story:
    """The devices ask for their day, now and then; one wrongly, one that nobody registered."""
    yield now - 110 * MINUTE
    world.devices.ask_wrongly("US1", now - 110 * MINUTE)
    world.devices.knock("MR2", "10.20.0.12", now - 110 * MINUTE, count=14)
    for minutes in (100, 2):
        at = now - minutes * MINUTE
        yield at
        for modality in ("CT", "MR", "US", "DX", "MG", "NM"):
            world.devices.ask(f"{modality}1", at)
