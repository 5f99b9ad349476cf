"""Names for times that are computed and never stored: slots, and offers made of them.

A name holds the device, the start and the length (an offer also the step it is for), so it means
the same whenever it comes back, and nothing has to be remembered. It is sealed with the site's
secret: nobody can make one up, or find a neighbor's by counting. A new secret makes new names.
"""

from __future__ import annotations

import struct
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.utils.crypto import salted_hmac

_MAC = 6  # bytes
_SLOT = struct.Struct(">I")
_OFFER_MARK = "offer-"
# What a name can hold: seconds since 1970 in four bytes.
EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)
LATEST = datetime(2106, 1, 1, tzinfo=UTC)
LONGEST_SECONDS = 2**24 - 1  # 194 days: a closure that lasts longer is named by its beginning


@dataclass(frozen=True, slots=True)
class SlotKey:
    """A time of a device (by primary key); ``step`` (likewise) is what an offer is for."""

    device: int
    start_at: datetime
    seconds: int
    step: int = 0

    @property
    def end_at(self) -> datetime:
        return self.start_at + timedelta(seconds=self.seconds)

    @property
    def minutes(self) -> int:
        return max(round(self.seconds / 60), 1)


def slot_key(device: int, start_at: datetime, end_at: datetime, step: int = 0) -> SlotKey:
    length = int((end_at - start_at).total_seconds())
    return SlotKey(device, start_at, min(length, LONGEST_SECONDS), step)


def slot_id(key: SlotKey) -> str:
    """The public id of a slot: it looks like all others."""
    return str(uuid.UUID(bytes=_seal(_plain(key), "slot")))


def read_slot_id(text: str) -> SlotKey | None:
    try:
        sealed = uuid.UUID(text).bytes
    except ValueError:
        return None
    plain = _unseal(sealed, "slot")
    return _key(plain) if plain is not None else None


def offer_id(key: SlotKey) -> str:
    """The id of an appointment that nobody asked for yet (``Appointment/$find``)."""
    return _OFFER_MARK + _seal(_plain(key) + key.step.to_bytes(6, "big"), "offer").hex()


def read_offer_id(text: str) -> SlotKey | None:
    if not text.startswith(_OFFER_MARK):
        return None
    try:
        sealed = bytes.fromhex(text.removeprefix(_OFFER_MARK))
    except ValueError:
        return None
    plain = _unseal(sealed, "offer") if len(sealed) == _MAC + 16 else None
    return _key(plain[:10], int.from_bytes(plain[10:], "big")) if plain is not None else None


def _plain(key: SlotKey) -> bytes:
    start = int(key.start_at.timestamp())
    return key.device.to_bytes(3, "big") + _SLOT.pack(start) + key.seconds.to_bytes(3, "big")


def _key(plain: bytes, step: int = 0) -> SlotKey:
    (start,) = _SLOT.unpack(plain[3:7])
    return SlotKey(
        int.from_bytes(plain[:3], "big"),
        datetime.fromtimestamp(start, UTC),
        int.from_bytes(plain[7:10], "big"),
        step,
    )


def _mac(kind: str, plain: bytes) -> bytes:
    return salted_hmac(f"ris.{kind}", plain, algorithm="sha256").digest()[:_MAC]


def _mask(kind: str, mac: bytes, plain: bytes) -> bytes:
    stream = salted_hmac(f"ris.{kind}.mask", mac, algorithm="sha256").digest()
    return bytes(a ^ b for a, b in zip(plain, stream, strict=False))


def _seal(plain: bytes, kind: str) -> bytes:
    """The check value, then the plain text under a mask that follows from it."""
    mac = _mac(kind, plain)
    return mac + _mask(kind, mac, plain)


def _unseal(sealed: bytes, kind: str) -> bytes | None:
    plain = _mask(kind, sealed[:_MAC], sealed[_MAC:])
    return plain if _mac(kind, plain) == sealed[:_MAC] else None
