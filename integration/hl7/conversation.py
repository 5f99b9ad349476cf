"""One MLLP connection: read, handle, answer, until one side ends it (spec 1.4).

Messages of one connection are handled one after the other, so that what a sender tells in order is
done in order. A begun message must go on; a peer that never reads its answers is given up.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from integration.hl7 import acks, mllp
from integration.hl7.handling import Crash, Handling
from integration.hl7.listening import ListenerConfig
from integration.hl7.mllp import Decoder, FrameTooLongError, NoFrameError
from integration.hl7.peer import Commit, Peer
from ris.domain.errors import InvalidValueError

log = structlog.get_logger(__name__)

READ = 65_536
CLOSE_SECONDS = 1.0


class Conversation:
    """What is said over one connection."""

    def __init__(
        self,
        config: ListenerConfig,
        handling: Handling,
        room: asyncio.Semaphore,
        peer: Peer,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._config = config
        self._handling = handling
        self._room = room  # for long messages, shared by all connections
        self._has_room = False
        self._peer = peer
        self._reader = reader
        self._writer = writer
        self._decoder = Decoder(config.frame_bytes)
        self._deadline = 0.0
        self._release_2 = config.release_2
        self.busy = False  # a message is with its handler, or its answer is being written
        self.stopping = False

    async def hold(self) -> str:
        """Converse to the end; returns why it ended."""
        try:
            while True:
                ended = await self._turn()
                if ended:
                    return ended
        finally:
            self._give_room_back()

    async def _turn(self) -> str:
        """Read once and answer what is complete; returns why the connection ends, if it does."""
        decoder = self._decoder
        loop = asyncio.get_running_loop()
        was_begun = decoder.begun
        last = False
        data = b""
        try:
            data = await self._read()
        except TimeoutError:
            if not was_begun:
                return "idle"
            last = True
        noise = decoder.noise
        try:
            if data:
                frames = decoder.feed(data)
            else:
                # The peer waits, or has sent all it will: take a frame that only lacks its CR.
                rest = decoder.flush()
                frames = [rest] if rest else []
                if not frames:
                    return _ended_because(last, decoder)
            answered = bool(frames)
            while frames:
                for frame in frames:
                    if not await self._answer(frame):
                        return "ended by the handler or the peer"
                    if self.stopping:
                        return "listener stopped"
                frames = decoder.feed(b"")
        except FrameTooLongError as error:
            await self._refuse(error)
            return "message too long"
        except NoFrameError:
            return "not MLLP"
        if decoder.noise > noise:
            log.warning(
                "bytes outside of any message",
                connection=self._peer.connection,
                count=decoder.noise - noise,
            )
        if answered:
            self._give_room_back()
        if decoder.begun and (answered or not was_begun):
            self._deadline = loop.time() + self._config.frame_seconds
        return ""

    async def _read(self) -> bytes:
        """The next bytes; raises TimeoutError when the peer took too long for them."""
        config, decoder = self._config, self._decoder
        loop = asyncio.get_running_loop()
        if not decoder.begun:
            async with asyncio.timeout(config.idle_seconds):
                return await self._reader.read(READ)
        if decoder.held > config.large_bytes and not self._has_room:
            asked_at = loop.time()
            await self._room.acquire()
            self._has_room = True
            self._deadline += loop.time() - asked_at  # it was us who kept it waiting
        wait = self._deadline + decoder.held / config.bytes_per_second - loop.time()
        if wait <= 0:
            raise TimeoutError  # a steady trickle must not outlast its time either
        async with asyncio.timeout(wait):
            return await self._reader.read(READ)

    def _give_room_back(self) -> None:
        if self._has_room:
            self._has_room = False
            self._room.release()

    async def _answer(self, frame: bytes) -> bool:
        """Handle one message and write its answer; whether the connection goes on."""
        if frame in (mllp.COMMIT, mllp.NAK):
            return True  # about an answer of ours, which nobody waits for
        self.busy = True
        try:
            reply = await self._handling.run(frame, self._peer)
            if reply is None:
                return False
            if isinstance(reply, bytes):
                crashed = isinstance(reply, Crash) and self._release_2
                return await self._write(reply, Commit.NOT_STORED if crashed else Commit.NONE)
            written = False
            try:
                written = await self._write(reply.payload, reply.commit)
            finally:
                self._handling.tell(reply, written=written)
            return written
        finally:
            self.busy = False

    async def _write(self, payload: bytes, commit: Commit) -> bool:
        """Write an answer; whether that went well."""
        self._release_2 |= commit is not Commit.NONE
        try:
            data = self._framed(payload, commit)
        except InvalidValueError:
            # A framing character in a value that we echo: no answer can carry it.
            log.warning("the answer cannot be framed", connection=self._peer.connection)
            return False
        try:
            if data:
                self._writer.write(data)
            async with asyncio.timeout(self._config.write_seconds):
                await self._writer.drain()
        except OSError as error:  # TimeoutError among them
            log.warning(
                "an answer could not be written",
                connection=self._peer.connection,
                peer=self._peer.address,
                error=type(error).__name__,
            )
            self._writer.transport.abort()
            return False
        return True

    def _framed(self, payload: bytes, commit: Commit) -> bytes:
        if commit is Commit.NOT_STORED:
            return mllp.encode(mllp.NAK)
        answer = mllp.encode(payload) if payload else b""
        return mllp.encode(mllp.COMMIT) + answer if self._release_2 else answer

    async def _refuse(self, error: FrameTooLongError) -> None:
        """Say what was wrong with a message that is not even read to its end."""
        peer = self._peer
        log.warning("an HL7 message is too long", connection=peer.connection, peer=peer.address)
        reply = acks.acknowledge_raw(error.head, error)
        if self._release_2:
            self._writer.write(mllp.encode(mllp.NAK))
            self._release_2 = False
        if reply is None or not await self._write(reply, Commit.NONE):
            return
        # Closing on unread bytes would reset the connection and with it our answer: let the peer
        # come to an end for a moment, keeping nothing of it.
        if self._writer.can_write_eof():
            self._writer.write_eof()
        with suppress(OSError):
            async with asyncio.timeout(CLOSE_SECONDS):
                left = 4 * self._config.frame_bytes
                while left > 0 and (data := await self._reader.read(READ)):
                    left -= len(data)


def _ended_because(timed_out: bool, decoder: Decoder) -> str:
    if timed_out:
        return "message not complete in time"
    return "closed by the peer within a message" if decoder.begun else "closed by the peer"
