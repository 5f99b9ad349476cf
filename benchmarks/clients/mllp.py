"""HL7 v2 over MLLP as a conversation: one message in flight, its acknowledgement checked."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.dataset import Item, orm_o01
from benchmarks.load import Said, TalkError

_START, _END = b"\x0b", b"\x1c\r"
_FILLER = b"ZFL|"


class MllpTalk:
    """Sends new orders; AA with the right control id is an answer.

    ``length`` fills a message up to so many bytes with a segment that nobody knows.
    """

    def __init__(self, orders: Iterator[Item], length: int = 1024) -> None:
        self._orders = orders
        self._length = length
        self._rest = b""
        self._control_id = ""

    def hello(self) -> bytes:
        self._rest = b""
        return b""

    def request(self) -> bytes:
        order = next(self._orders)
        self._control_id = f"M{order.number}"
        message = orm_o01(order, self._control_id)
        missing = self._length - len(message) - len(_FILLER) - 1
        if missing > 0:
            message += _FILLER + b"x" * missing + b"\r"
        return _START + message + _END

    def goodbye(self) -> bytes:
        return b""

    def hear(self, data: bytes) -> tuple[Said, bytes]:
        self._rest += data
        if not self._rest.endswith(_END):
            return Said.MORE, b""
        text, self._rest = self._rest.strip(_START + _END).decode(), b""
        lines = [line.split("|") for line in text.split("\r")]
        found = next((line for line in lines if line[0] == "MSA"), ["MSA", "", ""])
        if found[1] != "AA" or found[2] != self._control_id:
            reason = next((line for line in lines if line[0] == "ERR"), [])
            raise TalkError(f"acknowledged {found[1]} {'|'.join(reason)[:80]}")
        return Said.ANSWERED, b""
