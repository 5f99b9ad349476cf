"""DICOMweb as the outbox and the pages know it: reports by STOW-RS, a test by QIDO-RS.

Light on purpose, as :mod:`.outbound` is: every process loads it when the app registers itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ris.client_tls import ClientTls
from ris.domain.errors import InvalidValueError
from ris.domain.exchange import Subscription
from ris.domain.protocol import Attempt, EndpointInfo, Outgoing, Result, StoredEvent
from ris.services.peers import Peer
from worklist import dicomweb_settings
from worklist.dicomweb_settings import WebSettings, read_settings
from worklist.outbound import SIGNED

if TYPE_CHECKING:
    from worklist.web_client import Service


class DicomWeb:
    """DICOMweb over HTTP (ris.domain.protocol.OutboundProtocol)."""

    def cares(self, event: str, endpoint: EndpointInfo) -> bool:
        return event in SIGNED and Subscription.REPORT_OBJECTS.value in endpoint.sends

    def render(
        self, event: StoredEvent, endpoint: EndpointInfo, control_id: str
    ) -> Sequence[Outgoing]:
        if not self.cares(event.name, endpoint):
            return ()
        from worklist import storing

        settings = read_settings(endpoint.settings)
        return storing.messages(
            event, endpoint, settings, control_id, modalities=settings.modalities
        )

    def send(self, payload: bytes, control_id: str, endpoint: EndpointInfo) -> Attempt:
        try:
            settings = read_settings(endpoint.settings)
        except InvalidValueError as error:
            return Attempt(result=Result.TRANSIENT, error=error.message)  # an operator mends it
        from worklist import stow

        return stow.send(payload, settings)

    def readdress(self, payload: bytes, control_id: str, endpoint: EndpointInfo) -> bytes:
        """The same bytes: an object has its own name."""
        return payload

    def accepted(self, payload: bytes, reply: bytes, endpoint: EndpointInfo) -> None:
        """An archive took a report: have it looked whether it is there."""
        from worklist import storing

        storing.look_for(payload, endpoint)

    def check_settings(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        return dicomweb_settings.check_settings(settings)


def service(settings: WebSettings) -> Service:
    """Whom to ask, and how; raises InvalidValueError if a file of the settings is not there."""
    from worklist.web_client import Service

    authorization = ""
    if settings.authorization_file:
        try:
            authorization = Path(settings.authorization_file).read_text("ascii").strip()
        except (OSError, ValueError):
            raise InvalidValueError("the authorization file cannot be read") from None
        if not authorization.isprintable() or not authorization:
            raise InvalidValueError("the authorization file holds more or less than one line")
    return Service(
        url=settings.url,
        tls=ClientTls(
            ca=_file(settings.tls_ca),
            certificate=_file(settings.tls_cert),
            key=_file(settings.tls_key),
            fingerprint=settings.tls_fingerprint,
        ),
        authorization=authorization,
        connect_seconds=settings.connect_seconds,
        answer_seconds=settings.answer_seconds,
    )


def _file(name: str) -> Path | None:
    return Path(name) if name else None


_PROBE_SECONDS = 5.0


def probe(peer: Peer) -> str:
    """The least QIDO-RS has, for ``ris.services.peers``: what went wrong in words, or nothing."""
    from worklist.asking import Web
    from worklist.requestor import CallError

    try:
        whom = service(read_settings(peer.settings))
        Web(
            replace(
                whom,
                connect_seconds=min(whom.connect_seconds, _PROBE_SECONDS),
                answer_seconds=min(whom.answer_seconds, _PROBE_SECONDS),
            )
        ).studies("0", "")
    except InvalidValueError as error:
        return error.message
    except CallError as error:
        return str(error)
    return ""


def readable(raw: bytes) -> Mapping[str, Any] | None:
    """A stored message for ``ris.services.peers``: an object we send, or a request that came."""
    from worklist import outbound
    from worklist.web import inbound

    if raw.startswith(_OBJECT):
        return outbound.readable(raw)
    if raw.startswith(b'{"operation"'):
        return None  # JSON needs no reader
    return inbound.readable(raw)


_OBJECT = b"\0" * 128 + b"DICM"
