"""Who is let in: negotiation and the service's decision on one A-ASSOCIATE-RQ."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import structlog

from worklist.negotiation import Agreement, Negotiator
from worklist.pdu import PduError
from worklist.prompt import Prompt
from worklist.service import (
    TEMPORARY_CONGESTION,
    Admission,
    AssociationRequest,
    PeerCertificate,
    Rejection,
    Service,
)

log = structlog.get_logger(__name__)

_KNOWN_CALLERS = 1_024
_KNOWN_BYTES = 8 * 1_024

_Known = tuple[bytes, str, bool, PeerCertificate | None]


@dataclass(frozen=True, slots=True)
class Caller:
    """What the connection itself tells about the peer."""

    address: str
    port: int
    tls: bool
    certificate: PeerCertificate | None


@dataclass(frozen=True, slots=True)
class Decision:
    """A peer is let in, on these terms."""

    agreement: Agreement
    request: AssociationRequest
    admission: Admission

    @property
    def answer(self) -> bytes:
        """The A-ASSOCIATE-AC."""
        identity, response = self.agreement.identity, self.admission.identity_response
        if identity is not None and identity.response_requested and response is not None:
            return self.agreement.answer_with_identity(response)
        return self.agreement.answer


def _key(raw: bytes, caller: Caller) -> _Known:
    return raw, caller.address, caller.tls, caller.certificate


class Gatekeeper:
    """Decides, in pool threads because the service may look into a database."""

    def __init__(
        self, service: Service, negotiator: Negotiator, faults: Counter[str] | None = None
    ) -> None:
        self._service = service
        self._negotiator = negotiator
        self._faults = Counter() if faults is None else faults
        # What the service rests its decisions on, and the last of them; see recall().
        self._register = service.register if isinstance(service, Prompt) else lambda: None
        self._known: dict[_Known, tuple[object, Decision]] = {}

    def recall(self, raw: bytes, caller: Caller) -> Decision | None:
        """What was decided on the same request of the same caller, if it rests on the same.

        For the event loop: a scanner that asks every minute need not wait for a thread.
        """
        register = self._register()
        if register is None:
            return None
        known = self._known.get(_key(raw, caller))
        if known is None or known[0] is not register:
            return None
        decision = known[1]
        return replace(decision, request=replace(decision.request, port=caller.port))

    def decide(
        self, raw: bytes, titles: tuple[str, str], caller: Caller
    ) -> Decision | Rejection | PduError:
        """Negotiate and ask the service; never raises."""
        register = self._register()
        try:
            agreement = self._negotiator.negotiate(raw)
            if isinstance(agreement, Rejection):
                return agreement
            request = AssociationRequest(
                calling_ae_title=titles[0],
                called_ae_title=titles[1],
                address=caller.address,
                port=caller.port,
                tls=caller.tls,
                certificate=caller.certificate,
                identity=agreement.identity,
                abstract_syntaxes=agreement.abstract_syntaxes,
                implementation_class_uid=agreement.implementation_class_uid,
                implementation_version_name=agreement.implementation_version_name,
            )
            verdict = self._service.admit(request)
            if isinstance(verdict, Rejection):
                return verdict
            self._negotiator.remember(raw, agreement)
            if verdict.sop_classes is not None:
                agreement = self._negotiator.negotiate(raw, verdict.sop_classes)
                if isinstance(agreement, Rejection):
                    return agreement
                self._negotiator.remember(raw, agreement, verdict.sop_classes)
            decision = Decision(agreement, request, verdict)
            if agreement.identity is None and len(raw) <= _KNOWN_BYTES:
                if len(self._known) >= _KNOWN_CALLERS:
                    self._known.clear()
                self._known[_key(raw, caller)] = register, decision
            return decision
        except PduError as error:
            return error
        except BaseException:
            self._faults["admission"] += 1
            log.exception("dicom admission failed", address=caller.address)
            return TEMPORARY_CONGESTION
