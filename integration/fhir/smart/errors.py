"""Refusals of the token endpoint (RFC 6749 5.2): no FHIR resource, but JSON of its own."""

from __future__ import annotations

from ris.domain.errors import DeniedError


class OAuthError(DeniedError):
    """``error`` is a code of RFC 6749 5.2; a client that proved nothing is answered 401."""

    def __init__(self, error: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.error = error
        self.status = status


def invalid_client(message: str) -> OAuthError:
    return OAuthError("invalid_client", message, 401)
