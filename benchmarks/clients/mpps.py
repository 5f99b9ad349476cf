"""A scanner's N-CREATE and N-SET of one step as a conversation (PS3.4 F.7)."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.clients import dicom
from benchmarks.dataset import Item
from benchmarks.load import Said, TalkError

_ROOT = "1.2.826.0.1.3680043.8.498.76"


class MppsTalk:
    """Each request is a pair: the step begins, and ends."""

    def __init__(self, called: str, run: int, steps: Iterator[Item]) -> None:
        self._hello = dicom.associate_rq("BENCHCT1", called, dicom.MPPS)
        self._run = run
        self._steps = steps
        self._reader = dicom.Reader()
        self._step: Item | None = None
        self._uid = ""
        self._begun = False

    def hello(self) -> bytes:
        self._reader = dicom.Reader()
        return self._hello

    def request(self) -> bytes:
        self._step = next(self._steps, None)
        if self._step is None:
            raise TalkError("no step is left to perform")
        self._uid = f"{_ROOT}.{self._run}.{self._step.number}"
        self._begun = False
        data = dicom.created(self._step, f"PPS{self._step.number}")
        return dicom.create_rq(1, self._uid, data)

    def goodbye(self) -> bytes:
        return dicom.RELEASE_RQ

    def hear(self, data: bytes) -> tuple[Said, bytes]:
        for kind, pdu in self._reader.feed(data):
            if kind == dicom.P_DATA:
                for status in dicom.statuses(pdu):
                    return self._responded(status)
            elif kind == dicom.ASSOCIATE_AC:
                if not dicom.is_accepted(pdu):
                    raise TalkError("presentation context refused")
                return Said.OPEN, b""
            elif kind == dicom.RELEASE_RP_TYPE:
                return Said.PARTED, b""
            else:
                raise TalkError(f"PDU of type {kind}")
        return Said.MORE, b""

    def _responded(self, status: int) -> tuple[Said, bytes]:
        assert self._step is not None
        if status:
            raise TalkError(f"{'N-SET' if self._begun else 'N-CREATE'} status {status:04X}")
        if self._begun:
            return Said.ANSWERED, b""
        self._begun = True
        return Said.MORE, dicom.set_rq(2, self._uid, dicom.completed(self._step, self._uid))
