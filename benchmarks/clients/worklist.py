"""A scanner's worklist query as a conversation, with the return keys of IHE RAD TF-2 4.5."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date, timedelta
from itertools import cycle

from benchmarks import dataset
from benchmarks.clients import dicom
from benchmarks.clients.dicom import Elements
from benchmarks.load import Said, TalkError

CALLING = "BENCHSCU"
QUERIES = ("day", "single", "broad")
# One step by its number, by a query that was never asked before: no answer can be given again.
ANEW = "single anew"
# Names, and as many matches by date: each query another one, so that none is remembered.
NAMES = ("prefix", "contains", "by date")

_STEP_KEYS = {
    0x00080060: "CS", 0x00400001: "AE", 0x00400002: "DA", 0x00400003: "TM", 0x00400006: "PN",
    0x00400007: "LO", 0x00400009: "SH", 0x00400010: "SH", 0x00400011: "SH", 0x00400012: "LO",
    0x00400020: "CS",
}  # fmt: skip
_KEYS = {
    0x00080050: "SH", 0x00080090: "PN", 0x00100010: "PN", 0x00100020: "LO", 0x00100021: "LO",
    0x00100030: "DA", 0x00100040: "CS", 0x00101030: "DS", 0x00102000: "LO", 0x00102110: "LO",
    0x001021C0: "US", 0x0020000D: "UI", 0x00321032: "PN", 0x00321060: "LO", 0x00380010: "LO",
    0x00380300: "LO", 0x00380500: "LO", 0x00401001: "SH", 0x00401003: "SH", 0x00401004: "LO",
}  # fmt: skip
_CODE: Elements = [(0x00080100, "SH", ""), (0x00080102, "SH", ""), (0x00080104, "LO", "")]


def _identifier(step: dict[int, str], top: dict[int, str]) -> bytes:
    step_keys: Elements = [
        *((tag, vr, step.get(tag, "")) for tag, vr in _STEP_KEYS.items()),
        (0x00400008, "SQ", [_CODE]),
    ]
    return dicom.encode(
        [
            (0x00080005, "CS", "ISO_IR 192"),
            *((tag, vr, top.get(tag, "")) for tag, vr in _KEYS.items()),
            (0x00081110, "SQ", []),
            (0x00321064, "SQ", [_CODE]),
            (0x00400100, "SQ", [step_keys]),
        ]
    )


def identifier_of(accession: str) -> bytes:
    """The identifier that asks for the steps of one order."""
    return _identifier({}, {0x00080050: accession})


def identifiers(query: str, size: int, among: int = 0) -> Callable[[], bytes]:
    """What makes the identifier of each request; `single` asks for another step each time.

    ``among`` is of how many steps, if not all: so that as much is in memory at each size.
    """
    if query == "single":
        chance = random.Random(size)
        most = among or size
        return lambda: _identifier({}, {0x00080050: f"A{chance.randrange(1, most + 1):08d}"})
    if query == ANEW:
        chance = random.Random()
        most = among or size
        return lambda: _identifier(
            {0x00400002: f"{_long_ago(chance):%Y%m%d}-20991231"},
            {0x00080050: f"A{chance.randrange(1, most + 1):08d}"},
        )
    if query in NAMES:
        return _names(query, size)
    if query == "day":
        day = f"{dataset.DAY:%Y%m%d}"
        keys = {0x00400001: dataset.STATION, 0x00080060: "CT", 0x00400002: day}
    elif query == "broad":
        first, last = dataset.DAY - timedelta(days=15), dataset.DAY + timedelta(days=15)
        keys = {0x00080060: "MR", 0x00400002: f"{first:%Y%m%d}-{last:%Y%m%d}"}
    else:
        raise ValueError(f"no such query: {query}")
    fixed = _identifier(keys, {})
    return lambda: fixed


def _long_ago(chance: random.Random) -> date:
    return date(1900, 1, 1) + timedelta(days=chance.randrange(40_000))


def each_number(among: int) -> Callable[[], bytes]:
    """What asks for each of so many steps by its number, one after the other, again and again."""
    numbers = cycle(range(1, among + 1))
    return lambda: _identifier({}, {0x00080050: f"A{next(numbers):08d}"})


def _names(query: str, size: int) -> Callable[[], bytes]:
    """One of all the full names there are; or the days of one station that are as many steps."""
    chance = random.Random(size)
    names = dataset.names()
    if query == "prefix":
        return lambda: _identifier({}, {0x00100010: f"{chance.choice(names)}*"})
    if query == "contains":
        return lambda: _identifier({}, {0x00100010: f"*{chance.choice(names)[1:]}*"})
    spans = dataset.spans(size, dataset.each_name(size))
    identifiers = [
        _identifier({0x00400001: station, 0x00400002: f"{first:%Y%m%d}-{last:%Y%m%d}"}, {})
        for station, first, last in spans
    ]
    return lambda: chance.choice(identifiers)


def expected(query: str, size: int) -> int | None:
    """How many steps a query finds; None if that is another number each time."""
    if query in NAMES:
        return None
    if query == "day":
        return dataset.day_matches(size)
    return dataset.broad_matches(size) if query == "broad" else 1  # by a number


class WorklistTalk:
    """Associate, C-FIND, release; every answer is counted."""

    def __init__(
        self, called: str, query: str, size: int, identifier: Callable[[], bytes] | None = None
    ) -> None:
        self._hello = dicom.associate_rq(CALLING, called, dicom.WORKLIST_FIND)
        self._identifier = identifier or identifiers(query, size)
        self._expected = expected(query, size)
        self._reader = dicom.Reader()
        self._number = 0
        self._matches = 0
        self.answers = 0
        self.found = 0  # in all answers

    def hello(self) -> bytes:
        self._reader = dicom.Reader()
        return self._hello

    def request(self) -> bytes:
        self._number = self._number % 60_000 + 1
        self._matches = 0
        return dicom.find_rq(self._number, self._identifier())

    def goodbye(self) -> bytes:
        return dicom.RELEASE_RQ

    def hear(self, data: bytes) -> tuple[Said, bytes]:
        for kind, pdu in self._reader.feed(data):
            if kind == dicom.P_DATA:
                for status in dicom.statuses(pdu):
                    if status in {0xFF00, 0xFF01}:
                        self._matches += 1
                    else:
                        self._check(status)
                        return Said.ANSWERED, b""
            elif kind == dicom.ASSOCIATE_AC:
                if not dicom.is_accepted(pdu):
                    raise TalkError("presentation context refused")
                return Said.OPEN, b""
            elif kind == dicom.RELEASE_RP_TYPE:
                return Said.PARTED, b""
            else:
                raise TalkError(_ENDINGS.get(kind, f"PDU of type {kind}"))
        return Said.MORE, b""

    def _check(self, status: int) -> None:
        if status:
            raise TalkError(f"status {status:04X}")
        self.answers += 1
        self.found += self._matches
        if self._expected is not None and self._matches != self._expected:
            raise TalkError(f"{self._matches} matches instead of {self._expected}")


_ENDINGS = {dicom.ASSOCIATE_RJ: "association rejected", dicom.ABORT: "aborted by the server"}
