"""Pick-up folders: files that are whole are taken, answered and put away; nothing half-written."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from structlog.testing import capture_logs

from integration.hl7 import folder as folders
from integration.hl7.folder import Folder, PickUp, configured
from integration.hl7.inbound import handle
from integration.hl7.server import Peer, Reply
from ris.models import InboundMessage, Order, Patient
from ris.services import inbox
from tests.integration.hl7 import intake
from tests.integration.hl7.messages import ORC, order
from tests.running import wait_until

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("refusing")]


def register(name: str = "HIS", protocol_name: str = "HIS^GENERAL", **settings: Any) -> None:
    intake.register(name, protocol_name, settings={"folder": "his", **settings})


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Site:
    """A folder with somebody who looks into it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / "his"
        self.clock = Clock()
        self.pick_up = PickUp(lambda: configured(root), handle, clock=self.clock)
        self.pick_up.look()

    def put(self, name: str, content: str | bytes) -> Path:
        raw = content if isinstance(content, bytes) else content.encode()
        (self.path / f"{name}.tmp").write_bytes(raw)
        return (self.path / f"{name}.tmp").rename(self.path / name)

    def look(self) -> int:
        """Look, and look again when what was there has settled."""
        first = self.pick_up.look()
        self.clock.now += folders.SETTLE_SECONDS
        return first + self.pick_up.look()

    @property
    def names(self) -> list[str]:
        return sorted(entry.name for entry in self.path.iterdir())

    def answer(self, name: str) -> list[str]:
        return [line for line in (self.path / name).read_bytes().decode().split("\r") if line]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    register()
    return Site(tmp_path)


def another(number: int) -> str:
    message = order(key=f"M{number}")
    return message.replace("PL1", f"PL{number}").replace("1.2.9^", f"1.2.{number}^")


def test_a_file_is_applied_answered_and_put_away(site: Site) -> None:
    raw = order().replace("\r", "\r\n").encode()
    site.put("a.hl7", raw)

    assert site.look() == 1

    assert site.names == ["a.hl7.ack", "a.hl7.done"]
    assert site.answer("a.hl7.ack")[1] == "MSA|AA|M1"
    message = InboundMessage.objects.get()
    assert (message.state, message.peer, message.sender) == ("APPLIED", "folder his", "HIS^GENERAL")
    assert bytes(message.raw) == raw == (site.path / "a.hl7.done").read_bytes()
    assert message.endpoint is not None
    assert message.endpoint.name == "HIS"
    assert Order.objects.count() == 1


def test_what_is_refused_is_put_aside_with_its_reason(site: Site) -> None:
    site.put("a.hl7", order(orc=ORC.replace("NW", "ZZ")))

    site.look()

    assert site.names == ["a.hl7.ack", "a.hl7.err"]
    assert site.answer("a.hl7.ack")[1].startswith("MSA|AE|M1|")
    assert InboundMessage.objects.get().state == "REJECTED"


def test_a_file_of_several_messages_is_answered_one_by_one(site: Site) -> None:
    site.put("a.hl7", order() + another(2) + another(3))

    site.look()

    told = [line for line in site.answer("a.hl7.ack") if line.startswith("MSA")]
    assert told == ["MSA|AA|M1", "MSA|AA|M2", "MSA|AA|M3"]
    assert (site.names, Order.objects.count()) == (["a.hl7.ack", "a.hl7.done"], 3)


def test_a_batch_is_answered_as_a_batch_and_one_bad_message_shows(site: Site) -> None:
    bad = another(2).replace("ORC|NW", "ORC|ZZ")
    site.put("b.hl7", "FHS|^~\\&|HIS\rBHS|^~\\&|HIS\r" + order() + bad + "BTS|3\rFTS|1\r")

    site.look()

    lines = site.answer("b.hl7.ack")
    assert [line[:3] for line in lines if line[:3] in ("FHS", "BHS", "BTS", "FTS")] == [
        "FHS", "BHS", "BTS", "FTS",
    ]  # fmt: skip
    assert [line[:6] for line in lines if line[:3] == "MSA"] == ["MSA|AA", "MSA|AE"]
    assert "BTS|2|3 messages announced, 2 came" in lines
    assert site.names == ["b.hl7.ack", "b.hl7.err"]


def test_a_file_is_left_alone_while_it_grows(site: Site) -> None:
    whole = order()
    path = site.path / "a.hl7"
    for end in (40, 300, len(whole)):
        path.write_text(whole[:end])
        assert site.pick_up.look() == 0
        site.clock.now += 0.9

    assert (site.names, InboundMessage.objects.count()) == (["a.hl7"], 0)
    assert site.look() == 1
    assert site.answer("a.hl7.ack")[1] == "MSA|AA|M1"


@pytest.mark.parametrize("written", [0, 60], ids=["nothing", "half a segment"])
def test_a_writer_that_pauses_in_the_middle_is_waited_for(site: Site, written: int) -> None:
    raw = order().encode()
    (site.path / "a.hl7").write_bytes(raw[:written])
    assert (site.look(), site.names) == (0, ["a.hl7"])

    with (site.path / "a.hl7").open("ab") as file:
        file.write(raw[written:])
    site.look()

    assert site.names == ["a.hl7.ack", "a.hl7.done"]
    assert InboundMessage.objects.count() == 1


def test_a_file_without_an_end_is_read_when_nobody_went_on_with_it(site: Site) -> None:
    site.put("a.hl7", order().rstrip("\r"))
    site.look()

    site.clock.now += folders.CUT_SECONDS

    assert (site.look(), site.names) == (1, ["a.hl7.ack", "a.hl7.done"])


def test_other_names_are_left_alone(site: Site) -> None:
    for name in ("a.hl7.tmp", "a.hl7.part", ".a.hl7", "a.txt", "a.hl7.done", "a.hl7.err"):
        (site.path / name).write_text(order())
    (site.path / "b.hl7").mkdir()
    (site.path / "c.hl7").symlink_to(site.path / "a.txt")
    before = site.names

    assert (site.look(), site.names, InboundMessage.objects.count()) == (0, before, 0)


def test_files_are_taken_in_the_order_in_which_they_were_written(site: Site) -> None:
    for name, number, written in (("b.hl7", 1, 100), ("a.hl7", 2, 200), ("c.hl7", 3, 150)):
        os.utime(site.put(name, another(number)), (written, written))

    site.look()

    keys = InboundMessage.objects.order_by("pk").values_list("key", flat=True)
    assert list(keys) == ["M1", "M3", "M2"]


def test_the_same_file_again_has_no_second_effect_and_both_are_kept(site: Site) -> None:
    site.put("a.hl7", order())
    site.look()
    site.put("a.hl7", order())

    site.look()

    assert site.names == ["a.hl7.2.done", "a.hl7.ack", "a.hl7.done"]
    assert (InboundMessage.objects.get().repeats, Order.objects.count()) == (1, 1)


def test_a_file_whose_reader_died_is_read_again(site: Site) -> None:
    site.put("a.hl7", order()).rename(site.path / "a.hl7.busy")

    assert site.look() == 1
    assert site.names == ["a.hl7.ack", "a.hl7.done"]


def test_a_file_that_another_process_reads_is_left_to_it(site: Site) -> None:
    busy = site.put("a.hl7", order()).rename(site.path / "a.hl7.busy")
    with folders._locked(busy) as file:
        assert file is not None
        assert (site.look(), site.names) == (0, ["a.hl7.busy"])

    assert site.look() == 1


def test_the_folder_says_who_sends(site: Site) -> None:
    register("LAB", "LAB^GENERAL", folder="lab")
    site.put("a.hl7", order().replace("HIS|GENERAL", "LAB|GENERAL"))
    site.put("b.hl7", another(2).replace("HIS|GENERAL", "XXX|GENERAL"))

    site.look()

    assert site.answer("a.hl7.ack")[1] == "MSA|AR|M1|this folder is another sender's"
    assert site.answer("b.hl7.ack")[1] == "MSA|AR|M2|this sender is not registered"
    assert Order.objects.count() == 0


def test_a_network_that_was_agreed_is_no_matter_of_files(tmp_path: Path) -> None:
    register(addresses=["10.0.0.0/8"])
    site = Site(tmp_path)
    site.put("a.hl7", order())

    site.look()

    assert "a.hl7.done" in site.names


def test_what_is_no_message_is_put_aside_and_kept(site: Site) -> None:
    site.put("a.hl7", b"\xff\xd8\xff\xe0 no message\n")

    site.look()

    assert (site.path / "a.hl7.ack").read_text() == "Not a message of HL7 version 2.\n"
    assert site.names == ["a.hl7.ack", "a.hl7.err"]
    assert InboundMessage.objects.get().outcome == "unreadable"


def test_frames_of_mllp_in_a_file_do_no_harm(site: Site) -> None:
    site.put("a.hl7", b"\x0b" + order().encode() + b"\x1c\r\x0b" + another(2).encode() + b"\x1c\r")

    site.look()

    assert ("a.hl7.done" in site.names, Order.objects.count()) == (True, 2)


def test_letters_of_utf_16_are_not_taken_for_frames(site: Site) -> None:
    site.put("a.hl7", order().replace("Berg", "Berg\u4e1c\u0b05").encode("utf-16"))

    site.look()

    assert "a.hl7.done" in site.names
    assert Patient.objects.get().name == "Berg\u4e1c\u0b05^Anna^Maria"


@pytest.mark.parametrize(
    "codec", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
)
def test_several_messages_of_a_wide_character_set_are_told_apart(site: Site, codec: str) -> None:
    first, second = order().replace("Berg", "Berg\u4e1c"), another(2)
    second = second.replace("4711", "4712").replace("V1^", "V2^")
    site.put("a.hl7", (first + second).encode(codec))

    site.look()

    assert [line for line in site.answer("a.hl7.ack") if line.startswith("MSA")] == [
        "MSA|AA|M1",
        "MSA|AA|M2",
    ]
    assert "a.hl7.done" in site.names
    assert sorted(Patient.objects.values_list("name", flat=True)) == [
        "Berg^Anna^Maria",
        "Berg\u4e1c^Anna^Maria",
    ]
    stored = [bytes(each.raw).decode(codec) for each in InboundMessage.objects.order_by("id")]
    assert stored == [first, second]


def test_an_envelope_may_be_of_a_wide_character_set(site: Site) -> None:
    batch = f"FHS|^~\\&|HIS\rBHS|^~\\&|HIS\r{order()}{another(2)}BTS|3\rFTS|1\r"
    site.put("a.hl7", batch.encode("utf-16"))

    site.look()

    told = [line for line in site.answer("a.hl7.ack") if line[:3] in ("MSA", "BTS")]
    assert told == ["MSA|AA|M1", "MSA|AA|M2", "BTS|2|3 messages announced, 2 came"]
    assert ("a.hl7.err" in site.names, Order.objects.count()) == (True, 2)


@pytest.mark.parametrize("codec", ["utf-16", "utf-8-sig"])
def test_files_that_were_joined_with_their_marks_are_taken_apart(site: Site, codec: str) -> None:
    site.put("a.hl7", order().encode(codec) + another(2).encode(codec))

    site.look()

    assert ("a.hl7.done" in site.names, Order.objects.count()) == (True, 2)


def test_a_wide_file_with_a_broken_letter_is_put_aside_whole(site: Site) -> None:
    broken = order().encode("utf-16-le") + b"\x00\xd8" + another(2).encode("utf-16-le")
    site.put("a.hl7", broken)

    site.look()

    assert ("a.hl7.err" in site.names, Order.objects.count()) == (True, 0)
    assert bytes(InboundMessage.objects.get().raw) == broken


def test_a_batch_of_which_a_message_is_missing_is_no_success(site: Site) -> None:
    site.put("a.hl7", f"BHS|^~\\&|HIS|GENERAL|RIS|RAD\r{order()}BTS|2\r")

    site.look()

    assert site.names == ["a.hl7.ack", "a.hl7.err"]
    assert site.answer("a.hl7.ack")[-1] == "BTS|1|2 messages announced, 1 came"
    assert Order.objects.count() == 1


def test_a_file_that_is_too_long_is_put_aside(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "MAX_FILE", 100)
    site.put("a.hl7", order())

    site.look()

    assert (site.path / "a.hl7.ack").read_text() == "The file is longer than 100 bytes.\n"
    assert (site.names, InboundMessage.objects.count()) == (["a.hl7.ack", "a.hl7.err"], 0)


def test_a_file_that_cannot_be_stored_now_is_tried_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**_: Any) -> Any:
        raise OperationalError("disk full")

    site.put("a.hl7", order())
    with monkeypatch.context() as patched:
        patched.setattr(inbox, "receive", full)
        site.look()
    assert site.names == ["a.hl7"]
    assert site.look() == 0  # not at once

    site.clock.now += 20
    assert site.pick_up.look() == 1
    assert site.names == ["a.hl7.ack", "a.hl7.done"]


def test_a_crash_is_told_by_its_reference(tmp_path: Path) -> None:
    register()

    def crashes(content: bytes, peer: Peer) -> Reply:
        raise KeyError("Berg")

    (tmp_path / "his").mkdir()
    (tmp_path / "his" / "a.hl7").write_text(order())
    pick_up = PickUp(lambda: configured(tmp_path), crashes, settle_seconds=0)

    assert pick_up.look() == 1

    answer = (tmp_path / "his" / "a.hl7.ack").read_text()
    assert "MSA|AE|M1" in answer
    assert "Berg" not in answer


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_told_once(site: Site) -> None:
    site.put("a.hl7", order()).chmod(0)

    with capture_logs() as logs:
        site.look()
        site.look()

    assert [log["event"] for log in logs] == ["a file cannot be picked up"]


def test_a_name_without_room_for_its_answer_is_told_once_and_not_read(site: Site) -> None:
    (site.path / ("x" * 246 + ".hl7")).write_text(order())

    with capture_logs() as logs:
        site.look()
        site.look()

    assert [log["reason"] for log in logs] == ["File name too long"]
    assert InboundMessage.objects.count() == 0


def test_an_answer_may_be_read_by_those_who_may_read_the_file(site: Site) -> None:
    site.put("a.hl7", order()).chmod(0o640)

    site.look()

    assert stat.S_IMODE((site.path / "a.hl7.ack").stat().st_mode) == 0o640


def test_a_peer_names_its_folder_and_its_files(tmp_path: Path) -> None:
    register(folder_pattern="ORM_*.txt")
    register("LAB", "LAB", folder="lab.in")
    register("OTHER", "OTHER", folder="")

    assert configured(tmp_path) == [
        Folder("HIS", tmp_path / "his", "ORM_*.txt"),
        Folder("LAB", tmp_path / "lab.in", "*.hl7"),
    ]


@pytest.mark.django_db(transaction=True)
def test_folders_are_looked_into_until_the_stop(tmp_path: Path) -> None:
    register()
    with folders.running(tmp_path, handle):
        wait_until((tmp_path / "his").is_dir, "the folder is made")
        (tmp_path / "his" / "a.hl7").write_text(order())
        wait_until((tmp_path / "his" / "a.hl7.done").exists, "the file is done")

    assert Order.objects.count() == 1
