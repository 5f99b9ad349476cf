"""MLLP framing without input or output (HL7 v2 Implementation Guide appendix C; MLLP release 2).

A frame is 0x0B, the message, 0x1C 0x0D. Release 2 adds frames of one byte that a receiver sends
before the application's answer: COMMIT (stored safely) and NAK.

Read tolerantly: any chunking, several frames at once, bytes before a frame, no 0x0B before ``MSH``,
0x0A after a frame or instead of its 0x0D, no 0x0D before the next frame, a frame cut off by the
start of the next one. Written exactly, because strict peers hang up without an answer.
"""

from __future__ import annotations

from ris.domain.errors import InvalidValueError, UnsupportedError

START = b"\x0b"
END = b"\x1c"
CARRIAGE_RETURN = b"\x0d"

COMMIT = b"\x06"
NAK = b"\x15"

MAX_FRAME = 16 * 1024 * 1024
_HEAD = 4_096  # enough of an over-long frame to answer it
_MAX_NOISE = 65_536
_AFTER_END = b"\x0d\x0a\x0b"  # what may follow 0x1C; anything else makes it part of the text


class FrameTooLongError(UnsupportedError):
    """A frame beyond the limit; ``head`` is its beginning. Nothing more can be read."""

    def __init__(self, limit: int, head: bytes) -> None:
        super().__init__(f"the message is longer than {limit} bytes")
        self.head = head


class NoFrameError(InvalidValueError):
    """So much came without the start of a frame that this is no MLLP. Nothing more can be read."""


class Decoder:
    """Bytes in, contents of frames out.

    ``noise`` counts bytes that belonged to no frame, ``cut`` frames that the start of another one
    ended: both are for the log, without their content.
    """

    __slots__ = (
        "_bare", "_buffer", "_clean", "_failed", "_inside", "_limit", "_scanned", "cut", "noise",
    )  # fmt: skip

    def __init__(self, limit: int = MAX_FRAME) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._inside = False  # a frame has begun …
        self._bare = False  # … without its 0x0B
        self._clean = True  # nothing but line ends since the last frame
        self._scanned = 0  # how far the buffer holds no end of a frame
        self._failed = False
        self.noise = 0
        self.cut = 0

    @property
    def begun(self) -> bool:
        """A frame has begun and not ended; its peer must go on within the time limit."""
        return self._inside or bool(self._buffer)

    @property
    def held(self) -> int:
        """Bytes of the frame that has begun, for limits."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that ``data`` completes, empty ones left out.

        Raises FrameTooLongError or NoFrameError, after which the connection is of no more use;
        frames completed before are handed out first, the error comes with the next call.
        """
        self._buffer += data
        frames: list[bytes] = []
        try:
            while self._find_start():
                content = self._find_end()
                if content is None:
                    break
                if content:
                    frames.append(content)
        except (FrameTooLongError, NoFrameError):
            if not frames or self._failed:
                raise
            self._failed = True
        return frames

    def flush(self) -> bytes | None:
        """The frame that only lacks what comes after 0x1C: the peer waits, or has closed."""
        if not self._inside or self._buffer[-1:] != END:
            return None
        content = bytes(self._buffer[:-1])
        self._reset(len(self._buffer))
        return self._uncut(content) or None

    def _find_start(self) -> bool:
        """Drop what precedes a frame; whether one has begun."""
        if self._inside:
            return True
        buffer = self._buffer
        # Ends of lines between frames are so usual that they are not worth a log line.
        blank = 0
        while blank < len(buffer) and buffer[blank] in b"\r\n":
            blank += 1
        del buffer[:blank]
        if self._clean and buffer and b"MSH".startswith(buffer[:3]):
            # The peer leaves the start block out, or its byte was lost.
            self._inside = self._bare = len(buffer) >= 3
            return self._inside
        start = buffer.find(START)
        if start < 0:
            self.noise += len(buffer)
            self._clean = self._clean and not buffer
            buffer.clear()
            if self.noise > _MAX_NOISE:
                raise NoFrameError("no MLLP frame was found")
            return False
        self.noise += start
        self._begin(start + 1)
        return True

    def _begin(self, consumed: int) -> None:
        del self._buffer[:consumed]
        self._inside, self._bare, self._scanned = True, False, 0

    def _find_end(self) -> bytes | None:
        buffer = self._buffer
        if self._bare:
            restart = buffer.find(START, self._scanned)
            if restart >= 0 and END not in buffer[self._scanned : restart]:
                self.cut += 1
                self.noise += restart
                self._begin(restart + 1)
        end = buffer.find(END, self._scanned)
        while end >= 0:
            if end > self._limit:
                break
            if end + 1 == len(buffer):
                self._scanned = end
                return None
            if buffer[end + 1] in _AFTER_END:
                content = bytes(buffer[:end])
                self._reset(end + 1)
                return self._uncut(content)
            end = buffer.find(END, end + 1)
        if len(buffer) > self._limit and (end < 0 or end > self._limit):
            raise FrameTooLongError(self._limit, bytes(buffer[:_HEAD]))
        self._scanned = len(buffer)
        return None

    def _reset(self, consumed: int) -> None:
        del self._buffer[:consumed]
        self._inside, self._bare, self._clean, self._scanned = False, False, True, 0

    def _uncut(self, content: bytes) -> bytes:
        """Without an earlier frame that the sender left unfinished before it began this one.

        A vertical tab alone is text (word processors use it as a line break).
        """
        restart = content.rfind(START + b"MSH")
        if restart < 0:
            return content
        self.cut += 1
        self.noise += restart
        return content[restart + 1 :]


def encode(content: bytes) -> bytes:
    """The frame for a message; raises InvalidValueError for bytes that would end it early."""
    if START in content or END in content:
        raise InvalidValueError("the message holds a framing character (0x0B or 0x1C)")
    return b"".join((START, content, END, CARRIAGE_RETURN))
