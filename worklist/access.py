"""What a device must show to be let in, and how much it may then do (dicom.md SEC-03 to SEC-06)."""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from worklist.passcodes import Passcodes, is_hash
from worklist.service import (
    CALLING_AE_NOT_RECOGNIZED,
    IDENTITY_REFUSED,
    TEMPORARY_CONGESTION,
    Admission,
    AssociationRequest,
    PeerCertificate,
    Rejection,
    UserIdentity,
)
from worklist.sop_classes import (
    DOSE_REPORTS,
    INSTANCE_AVAILABILITY_NOTIFICATION,
    MODALITY_PERFORMED_PROCEDURE_STEP,
    MODALITY_PERFORMED_PROCEDURE_STEP_RETRIEVE,
    MODALITY_WORKLIST_FIND,
    STORAGE_COMMITMENT,
    VERIFICATION,
)

SERVICES: Mapping[str, frozenset[str]] = {
    "worklist": frozenset({MODALITY_WORKLIST_FIND}),
    "mpps": frozenset(
        {MODALITY_PERFORMED_PROCEDURE_STEP, MODALITY_PERFORMED_PROCEDURE_STEP_RETRIEVE}
    ),
    "availability": frozenset({INSTANCE_AVAILABILITY_NOTIFICATION}),
    "dose": frozenset(DOSE_REPORTS),
    "commitment": frozenset({STORAGE_COMMITMENT}),
}
# Who may associate may always ask whether we are there.
_ALWAYS = frozenset({VERIFICATION})

# Not refused for good: the same identity may be let in a second later.
_TOO_SOON = "user identity follows a wrong passcode too soon"
_NAME, _NAME_AND_PASSCODE = 1, 2
_KINDS = {3: "Kerberos", 4: "SAML", 5: "JSON Web Token"}


@dataclass(frozen=True, slots=True)
class Access:
    """The part of a device's ``settings`` that is about getting in; they stand at ``Profile``."""

    tls_required: bool = False
    certificate_sha256: str = ""
    certificate_name: str = ""
    user_name: str = ""
    passcode: str = ""
    sop_classes: frozenset[str] | None = None
    associations: int | None = None
    queries_per_minute: int | None = None

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Access:
        return cls(
            tls_required=settings.get("tls") == "required",
            certificate_sha256=str(settings.get("certificate_sha256", "")).lower(),
            certificate_name=str(settings.get("certificate_name", "")),
            user_name=str(settings.get("user_name", "")),
            passcode=str(settings.get("passcode", "")),
            sop_classes=_sop_classes(settings.get("services")),
            associations=_number(settings.get("associations")),
            queries_per_minute=_number(settings.get("queries_per_minute")),
        )

    def objection(self, request: AssociationRequest, passcodes: Passcodes) -> Rejection | None:
        """Why the caller is not let in, or None; the reason is for our log."""
        reason = ""
        if self.tls_required and not request.tls:
            reason = "device must use TLS"
        elif not self._has_certificate(request.certificate):
            reason = "certificate is not that of the device"
        if reason:
            how = CALLING_AE_NOT_RECOGNIZED
            return Rejection(how.result, how.source, how.diagnostic, reason)
        reason = self._identity_objection(request.identity, passcodes)
        if reason:
            how = TEMPORARY_CONGESTION if reason == _TOO_SOON else IDENTITY_REFUSED
            return Rejection(how.result, how.source, how.diagnostic, reason)
        return None

    def admission(self, peer: object, queries_per_minute: int | None = None) -> Admission:
        """The terms of a caller that is let in; the rate is that of devices without their own."""
        return Admission(
            peer=peer,
            # Said only if it was checked; empty for a name or passcode (PS3.7 D.3.3.7.2).
            identity_response=b"" if self.user_name else None,
            associations=self.associations,
            sop_classes=self.sop_classes,
            queries_per_minute=self.queries_per_minute or queries_per_minute,
        )

    def _has_certificate(self, certificate: PeerCertificate | None) -> bool:
        if self.certificate_sha256 and (
            certificate is None or certificate.sha256.lower() != self.certificate_sha256
        ):
            return False
        return not self.certificate_name or (
            certificate is not None and certificate.is_named(self.certificate_name)
        )

    def _identity_objection(self, identity: UserIdentity | None, passcodes: Passcodes) -> str:
        """PS3.7 D.3.3.7; a device that need not identify itself may say who it is all the same."""
        if not self.user_name:
            return ""
        if identity is None:
            return "user identity is missing"
        if identity.kind in _KINDS:
            return f"user identity by {_KINDS[identity.kind]} is not supported"
        if identity.kind not in {_NAME, _NAME_AND_PASSCODE}:
            return "user identity is of no known kind"
        if identity.primary != self.user_name.encode():
            return "user identity is of another user"
        if not self.passcode:
            return ""
        if identity.kind == _NAME:
            return "user identity lacks the passcode"
        right = passcodes.is_right(self.passcode, identity.secondary)
        if right is None:
            return _TOO_SOON
        return "" if right else "user identity has the wrong passcode"


def _sop_classes(services: Any) -> frozenset[str] | None:
    if not isinstance(services, list):
        return None
    return _ALWAYS.union(*(SERVICES.get(str(one), frozenset()) for one in services))


def _number(value: Any) -> int | None:
    return value if _is_number(value) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and bool(value) and set(value) <= set(string.hexdigits)


def _are_services(value: Any) -> bool:
    return isinstance(value, list) and all(one in SERVICES for one in value)


NAMES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "tls": (lambda value: value == "required", "required"),
    "certificate_sha256": (_is_digest, "the digest in hexadecimal digits"),
    "certificate_name": (_is_text, "a host, an address or a common name"),
    "user_name": (_is_text, "the user the device names"),
    "passcode": (is_hash, "what `ris passcode` prints"),
    "services": (_are_services, f"a list of {', '.join(SERVICES)}"),
    "associations": (_is_number, "a whole number above 0"),
    "queries_per_minute": (_is_number, "a whole number above 0"),
}
