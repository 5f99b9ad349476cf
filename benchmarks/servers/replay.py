"""The floor of the worklist: an asyncio server that replays the bytes our listener once sent.

``python -m benchmarks.servers.replay PORT RECORDING`` answers every C-FIND with the recorded
answer, so that it shows what the sockets, the event loop and the client alone cost.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.clients import dicom
from benchmarks.clients.worklist import WorklistTalk
from benchmarks.load import Said


@dataclass(frozen=True, slots=True)
class Recording:
    """What a server sends for one association: its acceptance, and the answer to a query."""

    accept: bytes
    answer: bytes

    def save(self, file: Path) -> None:
        file.write_bytes(struct.pack(">L", len(self.accept)) + self.accept + self.answer)

    @classmethod
    def load(cls, file: Path) -> Recording:
        data = file.read_bytes()
        end = 4 + struct.unpack_from(">L", data)[0]
        return cls(data[4:end], data[end:])


def record(port: int, called: str, query: str, size: int) -> Recording:
    """Ask a server once and keep its bytes."""
    talk = WorklistTalk(called, query, size)
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(talk.hello())
        accept = _until(connection, talk, Said.OPEN)
        connection.sendall(talk.request())
        answer = _until(connection, talk, Said.ANSWERED)
        connection.sendall(talk.goodbye())
        _until(connection, talk, Said.PARTED)
    return Recording(accept, answer)


def _until(connection: socket.socket, talk: WorklistTalk, wanted: Said) -> bytes:
    data = b""
    while True:
        part = connection.recv(1 << 16)
        if not part:
            raise ConnectionError("closed by the server")
        data += part
        if talk.hear(part)[0] is wanted:
            return data


class _Replay(asyncio.Protocol):
    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._reader = dicom.Reader()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        for kind, pdu in self._reader.feed(data):
            if kind == dicom.P_DATA:
                if pdu[11] == 2:  # the last fragment of a data set: the query is complete
                    self._transport.write(self._recording.answer)
            elif kind == dicom.RELEASE_RQ_TYPE:
                self._transport.write(dicom.RELEASE_RP)
            else:
                self._transport.write(self._recording.accept)


async def _serve(port: int, recording: Recording) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    server = await loop.create_server(lambda: _Replay(recording), "127.0.0.1", port, backlog=512)
    async with server:
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), Recording.load(Path(sys.argv[2]))))
