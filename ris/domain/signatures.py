"""Who signed a version as what, how the hand was known, and what shows that nothing was changed.

A version has one signature. A resident signs a preliminary version, an attending radiologist every
other; the versions that follow go on naming the resident whose text they began from.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from ris.domain.actors import Actor, ActorKind, Role


class SignedAs(StrEnum):
    RESIDENT = "RESIDENT"
    ATTENDING = "ATTENDING"


class Proof(StrEnum):
    """By what a person showed at the moment of signing that it is this person."""

    NONE = "none"  # the login alone
    FIRST_FACTOR = "password"  # the login's own password, once more
    SECOND_FACTOR = "second-factor"

    @property
    def strength(self) -> int:
        return tuple(Proof).index(self)


def signed_as(actor: Actor) -> SignedAs | None:
    """As what a person signs; None for what was signed elsewhere and came as a message.

    Who is both is asked as what he may do more.
    """
    if actor.kind is not ActorKind.USER:
        return None
    if actor.has(Role.RESIDENT) and not actor.has(Role.RADIOLOGIST):
        return SignedAs.RESIDENT
    return SignedAs.ATTENDING


def seal(before: str, said: Mapping[str, Any]) -> str:
    """SHA-256 over a version and the seal of the version before it.

    The content's own hash shows a changed text. This one also shows a changed signer or time, and a
    version that was taken out: every later seal stands on it.
    """
    canonical = json.dumps([before, dict(said)], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def sealed_at(at: datetime) -> str:
    """An instant as a seal says it, whatever database gave it back."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")
