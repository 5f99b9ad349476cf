"""Who may do what here: bearer tokens as for FHIR, scopes of the two services, and the device.

A token whose client is called like the AE title of a registered device speaks for that device: its
view of the worklist, its rules and its strictness are those of the register, as if it had opened an
association. Any other client sees what a device without settings would see.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic
from typing import Any

from ris.domain.actors import Actor, ActorKind, Role
from ris.services import bearer
from ris.services.audit import record_access
from worklist.rates import Rates
from worklist.registry import Registry
from worklist.sop_classes import (
    MODALITY_PERFORMED_PROCEDURE_STEP,
    MODALITY_PERFORMED_PROCEDURE_STEP_RETRIEVE,
    MODALITY_WORKLIST_FIND,
)
from worklist.web.refusal import HttpError

REALM = "DICOMweb"

WORKLIST_READ = "worklist.read"
MPPS_READ = "mpps.read"
MPPS_WRITE = "mpps.write"
# Each scope with the SOP class whose service it opens.
_SOP_CLASSES: Mapping[str, str] = {
    WORKLIST_READ: MODALITY_WORKLIST_FIND,
    MPPS_READ: MODALITY_PERFORMED_PROCEDURE_STEP_RETRIEVE,
    MPPS_WRITE: MODALITY_PERFORMED_PROCEDURE_STEP,
}

# Not those of FHIR: its ``*`` means every FHIR resource, and an EHR is no scanner.
_SCOPE = re.compile(r"(?:system|user)/(worklist|mpps)\.(read|write|\*)")


def granted(texts: Iterable[str]) -> frozenset[str]:
    """The scopes of this edge in those of a token; ``system/mpps.*`` is read and write."""
    found: set[str] = set()
    for text in texts:
        match = _SCOPE.fullmatch(text)
        if match is not None:
            letters = ("read", "write") if match[2] == "*" else (match[2],)
            found.update(f"{match[1]}.{letter}" for letter in letters)
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class Client:
    """An authenticated client; ``name`` is its AE title if it speaks for a device."""

    actor: Actor
    scopes: frozenset[str]

    @property
    def name(self) -> str:
        return self.actor.name


def authenticate(environ: Mapping[str, Any]) -> Client:
    """The client of a request; raises HttpError (401, 403)."""
    try:
        token = bearer.authenticate(environ)
    except bearer.BearerError as error:
        challenge = {"WWW-Authenticate": error.challenge(REALM)} if error.status == 401 else {}
        raise HttpError(error.status, error.message, headers=challenge) from None
    actor = client_actor(token.client, bearer.address_of(environ))
    return Client(actor, granted(token.scopes))


def client_actor(name: str, address: str) -> Actor:
    """The client as the core knows it: it may what a modality may."""
    return Actor(ActorKind.CLIENT, name, frozenset({Role.MODALITY}), address=address, display=name)


@dataclass(slots=True)
class Gate:
    """Decides on each request; knows how many queries a client sent lately, in this process."""

    rates: Rates = field(default_factory=Rates)
    _lock: Lock = field(default_factory=Lock)

    def require(self, client: Client, scope: str, registry: Registry, *, secure: bool) -> None:
        """Raise HttpError (403, 429) unless the client may do this; a refusal is audited.

        What a device must show to open an association, a certificate or a passcode, its token
        stands for; that it must use TLS holds here too.
        """
        profile = registry.snapshot().profile(client.name)
        allowed = profile.access.sop_classes
        reason = ""
        if scope not in client.scopes:
            reason = f"the token lacks the scope system/{scope}"
        elif profile.known and not profile.active:
            reason = "the device of this token is not active"
        elif profile.access.tls_required and not secure:
            reason = "the device of this token must use TLS"
        elif allowed is not None and _SOP_CLASSES[scope] not in allowed:
            reason = "the device of this token is not offered this service"
        if reason:
            record_access(client.actor, action=f"DICOMweb {scope}", outcome="denied")
            raise HttpError(403, reason)
        if scope == WORKLIST_READ:
            self._count(client.name, profile.access.queries_per_minute, registry)

    def _count(self, name: str, own: int | None, registry: Registry) -> None:
        with self._lock:
            self.rates.allow(name, own or registry.queries_per_minute)
            if self.rates.take(name, monotonic()):
                return
        raise HttpError(429, "too many queries, ask again later", headers={"Retry-After": "60"})
