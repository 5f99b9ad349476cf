"""The hospital around a RIS: an EHR, an archive, two scanners, and somebody at the pages.

Everything is outside of the RIS: the EHR speaks through python-hl7, the scanners through
pynetdicom, and the EHR and the archive listen on sockets of their own.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from hl7.client import MLLPClient
from pydicom.dataset import Dataset

from ris.domain.identifiers import new_uid
from tests.pages import Person
from tests.peers import Heard, MllpReceiver
from tests.running import ROOT, Running, running_ris, wait_until
from worklist.modality import Modality, begun, ended, query

ROLES = ("scheduler", "frontdesk", "technologist", "radiologist", "admin")
_PASSWORD = "story-telling-2026"
_SITE = """
[[site]]
name = "Lakeside Clinic, Radiology"
institution = "Lakeside Clinic"
patient_id_issuer = "HOSP"

[[room]]
name = "CT room"
hours = ["Mon-Sun 00:00-23:59"]

[[room]]
name = "MR room"
hours = ["Mon-Sun 00:00-23:59"]

[[device]]
ae_title = "CT1"
station_name = "CT 1"
modality = "CT"
room = "CT room"

[[device]]
ae_title = "MR1"
station_name = "MR 1"
modality = "MR"
room = "MR room"

[[endpoint]]
name = "EHR"
protocol = "hl7"
direction = "in"
protocol_name = "EHR^HOSP"

[[endpoint]]
name = "EHR"
protocol = "hl7"
direction = "out"
protocol_name = "EHR^HOSP"
host = "127.0.0.1"
port = {ehr}
version = "2.5.1"
sends = ["order-status", "results", "appointments"]

[endpoint.settings]
order_message = "ORM"
{ehr_settings}

[[endpoint]]
name = "PACS"
protocol = "hl7"
direction = "out"
protocol_name = "PACS^HOSP"
host = "127.0.0.1"
port = {pacs}
version = "2.3.1"
sends = ["procedure-scheduled", "patient-updates"]
"""


@dataclass(slots=True)
class Scanner:
    """One modality: what it finds, and what it says it did."""

    modality: Modality

    def sees(self, **keys: str) -> list[Dataset]:
        return list(self.modality.find(query(**keys)).identifiers)

    def sees_one(self, **keys: str) -> Dataset:
        found = self.sees(**keys)
        assert len(found) == 1, f"{len(found)} entries for {keys}"
        return found[0]

    def begins(self, *entries: Dataset, uid: str = "", **said: object) -> str:
        """N-CREATE for one entry or several; the UID of the performed step."""
        uid = uid or new_uid()
        start = begun(entries[0], station=self.modality.calling, at=datetime.now(UTC))
        for entry in entries[1:]:
            more = begun(entry, station=self.modality.calling, at=datetime.now(UTC))
            start.ScheduledStepAttributesSequence += more.ScheduledStepAttributesSequence
        for keyword, value in said.items():
            setattr(start, keyword, value)
        self.modality.create(start, uid)
        return uid

    def ends(self, entry: Dataset, uid: str, reason: tuple[str, str] | None = None) -> None:
        self.modality.set(ended(entry, at=datetime.now(UTC), reason=reason), uid)

    def performs(self, entry: Dataset) -> str:
        uid = self.begins(entry)
        self.ends(entry, uid)
        return uid


@dataclass(slots=True)
class Hospital:
    """What the stories are told to."""

    ris: Running
    ehr: MllpReceiver
    pacs: MllpReceiver
    person: Person
    ct: Scanner
    mr: Scanner
    at: datetime  # when exams are booked for, each an hour later than the last
    _controls: Iterator[int] = field(default_factory=lambda: count(1))

    def hour(self) -> datetime:
        """A time nobody has yet."""
        self.at += timedelta(hours=1)
        return self.at

    # --- what the EHR says

    def says(
        self,
        kind: str,
        *segments: str,
        version: str = "2.3.1",
        charset: str = "UNICODE UTF-8",
        encoding: str = "utf-8",
        sender: str = "EHR|HOSP",
    ) -> str:
        """Send a message; the answer as text, whatever it says."""
        head = (
            f"MSH|^~\\&|{sender}|RIS|RAD|{datetime.now(UTC):%Y%m%d%H%M%S}||{kind}"
            f"|S{next(self._controls):05d}|P|{version}||||||{charset}"
        )
        message = "\r".join([head, *segments, ""]).encode(encoding)
        with MLLPClient("127.0.0.1", self.ris.mllp_port) as client:
            client.socket.settimeout(20)
            reply: bytes = client.send(b"\x0b" + message + b"\x1c\x0d")
        return reply.strip(b"\x0b\x1c\r").decode(encoding)

    def tells(self, kind: str, *segments: str, **how: str) -> str:
        """The same, and it is accepted."""
        answer = self.says(kind, *segments, **how)
        assert "\rMSA|AA|" in answer, answer
        return answer

    def orders(
        self,
        number: str,
        patient: str,
        name: str,
        *,
        at: datetime | None = None,
        procedure: str = "CTHEAD^CT head^L",
        modality: str = "CT",
        station: str = "CT1",
        uid: str = "",
        control: str = "NW",
        birth: str = "19650212",
        sex: str = "F",
    ) -> datetime:
        """Place an order that is booked at once; its time."""
        when = at or self.hour()
        stamp = f"{when:%Y%m%d%H%M%S}+0000"
        timing = f"^^^{stamp}^^R"
        self.tells(
            "ORM^O01",
            f"PID|1||{patient}^^^HOSP^MR||{name}||{birth}|{sex}",
            "PV1|1|O|||||||44^Ordway^Olga",
            f"ORC|{control}|{number}^EHR|||||{timing}||20260302080000|||44^Ordway^Olga",
            f"OBR|1|{number}^EHR||{procedure}|||||||||||||||||{station}|||{modality}|||{timing}",
            *([f"ZDS|{uid}^RIS^Application^DICOM"] if uid else []),
        )
        return when

    # --- what the others hear

    def heard_by_ehr(self, number: str, kind: str = r"ORM\^O01") -> list[tuple[str, str]]:
        """ORC-1 and ORC-5 of each message about an order, in the order they came."""
        return _controls(self.ehr, number, kind)

    def heard_by_pacs(self, number: str, kind: str = r"ORM\^O01") -> list[tuple[str, str]]:
        return _controls(self.pacs, number, kind)

    def ehr_hears(self, number: str, *expected: tuple[str, str]) -> None:
        """Wait until the EHR heard exactly this of an order."""
        _await(lambda: self.heard_by_ehr(number), expected, "EHR")

    def pacs_hears(self, number: str, *expected: tuple[str, str]) -> None:
        _await(lambda: self.heard_by_pacs(number), expected, "PACS")

    def messages(self, peer: MllpReceiver, kind: str, word: str) -> list[Heard]:
        return [message for message in peer.of_type(kind) if word in message.text]

    def awaits(self, peer: MllpReceiver, kind: str, word: str, times: int = 1) -> Heard:
        """The last of so many messages of a kind that name something."""
        wait_until(
            lambda: len(self.messages(peer, kind, word)) >= times,
            f"{kind} about {word}: {[m.type for m in peer.heard if word in m.text]}",
        )
        found = self.messages(peer, kind, word)
        assert len(found) == times, [message.type for message in found]
        return found[-1]


def _controls(peer: MllpReceiver, number: str, kind: str) -> list[tuple[str, str]]:
    return [
        (message.field("ORC", 1), message.field("ORC", 5))
        for message in peer.of_type(kind)
        if f"|{number}^" in message.text or f"|{number}|" in message.text
    ]


def _await(
    heard: Callable[[], list[tuple[str, str]]], expected: Sequence[tuple[str, str]], who: str
) -> None:
    try:
        wait_until(lambda: heard() == list(expected), f"what {who} hears")
    except AssertionError:
        raise AssertionError(f"{who} hears {heard()} and not {list(expected)}") from None


@contextmanager
def hospital(folder: Path, ehr_settings: str = "") -> Iterator[Hospital]:
    """A RIS with its neighbors, empty of patients."""
    with (
        closing(MllpReceiver()) as ehr,
        closing(MllpReceiver()) as pacs,
        running_ris(folder / "data", RIS_TIME_ZONE="UTC") as ris,
    ):
        site = folder / "site.toml"
        site.write_text(_SITE.format(ehr=ehr.port, pacs=pacs.port, ehr_settings=ehr_settings))
        done = ris.ris("configure", str(site), "--yes")
        assert done.returncode == 0, done.stdout + done.stderr
        yield Hospital(
            ris,
            ehr,
            pacs,
            _logged_in(ris),
            Scanner(Modality(host="127.0.0.1", port=ris.dicom_port, calling="CT1")),
            Scanner(Modality(host="127.0.0.1", port=ris.dicom_port, calling="MR1")),
            datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1),
        )


def _logged_in(ris: Running) -> Person:
    roles = [part for role in ROLES for part in ("--role", role)]
    subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "user", "add", "sam", *roles],
        env=ris.environment,
        input=f"{_PASSWORD}\n",
        text=True,
        capture_output=True,
        timeout=60,
        check=True,
    )
    person = Person(ris.http_port)
    person.log_in("sam", _PASSWORD)
    return person
