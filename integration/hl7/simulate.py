"""Other systems to try this one with: an EHR that orders, receivers that answer and print.

Everything in it is invented. What is sent goes over real MLLP, as from a real peer.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import cycle
from typing import Literal

from integration.hl7 import acks, times
from integration.hl7 import charset as charsets
from integration.hl7.er7 import Message
from integration.hl7.er7_writer import Raw, SegmentRow, build, msh
from integration.hl7.server import Handle, Peer
from ris.domain.errors import DeniedError, InvalidValueError, RisError

Say = Callable[[str], None]

_PEOPLE = (
    ("Berg", "Anna", "19700503", "F"),
    ("Łukasik", "Paweł", "19551112", "M"),
    ("Müller", "Jörg", "19831224", "M"),
    ("O'Neill", "Siobhán", "19990228", "F"),
    ("Nguyễn", "Thị Hoa", "19480817", "F"),
    ("Papadopoulou", "Ελένη", "20120430", "F"),
)
_EXAMS = (
    ("CTHEAD", "CT head without contrast", "CT", "headache since three days"),
    ("MRKNEE", "MR knee", "MR", "twisted the knee"),
    ("USABD", "Ultrasound abdomen", "US", "pain right upper quadrant"),
    ("DXCHEST", "Chest two views", "DX", "cough, fever"),
    ("MGSCR", "Screening mammography", "MG", "screening"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ehr:
    """The ordering system: its name in MSH, the zone of its times, what it writes."""

    application: str = "EHR"
    facility: str = "GENERAL"
    version: str = "2.3.1"
    zone: tzinfo

    def orders(
        self, count: int, now: datetime, *, first_at: datetime | None, modality: str = ""
    ) -> Iterator[tuple[str, bytes]]:
        """``count`` new orders: their placer numbers and messages.

        From ``first_at`` on they ask for a time every half hour; without it for none.
        """
        exams = [exam for exam in _EXAMS if not modality or exam[2] == modality]
        if not exams:
            raise InvalidValueError("no exam with this modality", path="--modality")
        run = secrets.token_hex(3).upper()
        wanted = first_at
        for number, person, exam in zip(
            range(1, count + 1), cycle(_PEOPLE), cycle(exams), strict=False
        ):
            placer = f"E{run}{number:04}"
            yield placer, self._order("NW", placer, now, person, exam, number, wanted)
            if wanted is not None:
                wanted += timedelta(minutes=30)

    def cancellation(self, placer: str, now: datetime, reason: str = "") -> bytes:
        """A CA as many systems write it: without OBR (spec 1.2)."""
        orc: SegmentRow = (
            "ORC", "CA", (placer, self.application), *(None,) * 12,
            None, (None, reason) if reason else None,
        )  # fmt: skip
        return self._message(now, [orc])

    def _order(
        self,
        control: str,
        placer: str,
        now: datetime,
        person: Sequence[str],
        exam: Sequence[str],
        number: int,
        wanted: datetime | None,
    ) -> bytes:
        family, given, born, sex = person
        code, meaning, modality, reason = exam
        ei = (placer, self.application)
        start = times.write(wanted, self.zone) if wanted else None
        timing = (None, None, None, start, None, "R")
        doctor = ("1001", "Ordonez", "Olga", None, None, "Dr.")
        patient_id = (f"M{_PEOPLE.index((family, given, born, sex)) + 1:05}",)
        return self._message(
            now,
            [
                (
                    "PID", 1, None, (*patient_id, None, None, self.facility, "MR"), None,
                    (family, given), None, born, sex,
                ),
                ("PV1", 1, "O", ("NEURO", "12", "A")),
                ("ORC", control, ei, None, None, None, None, timing, None,
                 times.write(now, self.zone), None, None, doctor),
                ("OBR", number, ei, None, (code, meaning, "L"), *(None,) * 11, doctor,
                 *(None,) * 7, modality, *(None,) * 6, (None, reason)),
            ],
        )  # fmt: skip

    def _message(self, now: datetime, rows: Sequence[SegmentRow]) -> bytes:
        utf_8 = charsets.find(charsets.UTF_8)
        header = msh(
            sending=(self.application, self.facility),
            receiving=("RIS", "RADIOLOGY"),
            at=times.write(now, self.zone),
            message_type=("ORM", "O01"),
            control_id=acks.new_control_id(),
            version=self.version,
            charset=utf_8,
        )
        return build([header, *rows], charset=utf_8)


# --- receivers ----------------------------------------------------------------------------------

Answer = Literal["AA", "AE", "AR", "none"]


def receiver(say: Say, answer: Answer = "AA", *, whole: bool = False) -> Handle:
    """A handler that prints what it gets and answers the same to everything.

    Where it accepts, an order that asks for a number (SN) gets an invented one (NA).
    """

    def handle(frame: bytes, peer: Peer) -> bytes | None:
        try:
            message = Message.from_bytes(frame, default_charset="UNICODE UTF-8")
        except RisError as error:
            say(f"unreadable message from {peer.address}: {error.message}")
            return acks.acknowledge_raw(frame, error)
        say(summary(message))
        if whole:
            for segment in message.segments():
                say(f"  {segment.raw}")
        if answer == "none":
            return None
        numbers = _numbers(message) if answer == "AA" else []
        return acks.acknowledge(
            message.header,
            _refusal(answer),
            message_type=_NUMBERED[message.header.code] if numbers else (),
            segments=numbers,
        )

    return handle


_NUMBERED = {"ORM": ("ORR", "O02", "ORR_O02"), "OMG": ("ORG", "O20", "ORG_O20")}


def _numbers(message: Message) -> list[SegmentRow]:
    """NA with a new number for each order that asks for one (IHE RAD-3)."""
    if message.header.code not in _NUMBERED:
        return []
    number = (f"E{secrets.token_hex(4).upper()}", "EHR")
    asked = [orc for orc in message.segments("ORC") if orc.get("1") == "SN"]
    fillers = dict.fromkeys(orc.fields[3] for orc in asked if len(orc.fields) > 3)
    return [("ORC", "NA", number, Raw(filler)) for filler in fillers]


def _refusal(answer: Answer) -> RisError | None:
    if answer == "AE":
        return InvalidValueError("refused, as this simulator was told to")
    if answer == "AR":
        return DeniedError("refused, as this simulator was told to")
    return None


def summary(message: Message) -> str:
    """What a message says, on a line: for the eye, not for a program."""
    header = message.header
    parts = [f"{header.code}^{header.trigger}", header.version]
    for group in message.groups("ORC", "OBR"):
        told = [f"{name} {value}" for name, value in _group(group.get) if value]
        parts.append(" ".join(told))
    for name, path in (("patient", "PID-3"), ("name", "PID-5"), ("appointment", "SCH-25")):
        value = message.get(path)
        if value:
            parts.append(f"{name} {value}")
    if message.get("MRG-1"):
        parts.append(f"was {message.get('MRG-1')}")
    text = next(
        (
            message.text(f"OBX[{number}]-5") or ""
            for number, obx in enumerate(message.segments("OBX"), start=1)
            if obx.get("2") in ("FT", "TX")
        ),
        "",
    )
    if text:
        first = text.splitlines()[0]
        parts.append(f"“{first[:60]}{'…' if len(text) > 60 or len(text.splitlines()) > 1 else ''}”")
    return " · ".join(part for part in parts if part)


def _group(get: Callable[[str], str | None]) -> list[tuple[str, str | None]]:
    return [
        ("control", get("ORC-1")),
        ("status", get("ORC-5")),
        ("placer", get("ORC-2")),
        ("accession", get("OBR-18") or get("IPC-1")),
        ("exam", get("OBR-4.2")),
        ("result", get("OBR-25")),
    ]
