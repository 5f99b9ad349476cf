"""Binary: bytes whose ``securityContext`` names what they are part of, which often names them."""

from __future__ import annotations

from integration.fhir.writing.kept import KeptResources


class Binaries(KeptResources):
    """Writes of Binary resources."""

    later = "securityContext"
