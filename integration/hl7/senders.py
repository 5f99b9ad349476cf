"""Who a message says it is from, whether that can be, and what was agreed with that peer."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

import structlog

from integration.hl7.er7 import Header
from integration.hl7.peer import Peer
from integration.hl7.profiles import Profile, for_unknown_sender, profile
from integration.hl7.tls import is_one_of
from ris import config
from ris.domain.actors import Actor, endpoint_actor
from ris.domain.errors import BusyError, DeniedError, InvalidValueError, RisError
from ris.domain.exchange import NO_CERTIFICATE, OTHER_CERTIFICATE, Protocol
from ris.domain.protocol import EndpointInfo
from ris.selectors.exchange import find_sender
from ris.selectors.facility import SiteView, site

log = structlog.get_logger(__name__)

FOLDER = "folder "  # begins the address of what came as a file


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who a message says it is from, and what was agreed with that peer."""

    name: str
    actor: Actor
    profile: Profile
    refusal: RisError | None = None  # not registered, or not from there


def sender_of(header: Header, address: str, peer: Peer | None = None) -> Sender:
    """The registered peer of MSH-3 and MSH-4, or of MSH-3 alone; or an unknown one.

    Without a ``peer`` the message was stored before: how it came was looked at then.
    """
    application = column(header.sending_application, 90)
    facility = column(header.sending_facility, 90)
    name = f"{application}^{facility}".rstrip("^")
    here = site()
    endpoint = find_sender(Protocol.HL7, name) if name else None
    if endpoint is None and facility and application:
        endpoint = find_sender(Protocol.HL7, application)
    if endpoint is None:
        refusal = None
        if config.load().mllp.unknown_senders != "accept" or address.startswith(FOLDER):
            refusal = DeniedError("this sender is not registered", path="MSH-3")
        return Sender(
            name=name,
            actor=endpoint_actor(name or "unnamed sender", None, address),
            profile=for_unknown_sender(here, (application, facility)),
            refusal=refusal,
        )
    actor = endpoint_actor(endpoint.name, endpoint.id, address)
    try:
        agreed = _agreed(endpoint, here, (application, facility))
    except InvalidValueError as error:
        # Our fault, not the sender's, and mended by an operator: it is asked to try again.
        log.error("an endpoint cannot be used", endpoint=endpoint.name, reason=error.message)
        return Sender(
            name=name,
            actor=actor,
            profile=for_unknown_sender(here, (application, facility)),
            refusal=BusyError("the settings for this sender cannot be used at the moment"),
        )
    return Sender(
        name=name,
        actor=actor,
        profile=agreed,
        refusal=_refusal(agreed, endpoint.name, address, peer),
    )


def _agreed(endpoint: EndpointInfo, here: SiteView, sender: tuple[str, str]) -> Profile:
    """The profile of a sender; the same one for as long as endpoint and site are the same."""
    known = _PROFILES.get(sender)
    if known is not None and known[0] is endpoint and known[1] is here:
        return known[2]
    agreed = profile(endpoint, here, sender=sender)
    if len(_PROFILES) >= _MOST_PROFILES:
        _PROFILES.clear()
    _PROFILES[sender] = endpoint, here, agreed
    return agreed


_MOST_PROFILES = 1000
_PROFILES: dict[tuple[str, str], tuple[EndpointInfo, SiteView, Profile]] = {}


def _refusal(agreed: Profile, endpoint: str, address: str, peer: Peer | None) -> RisError | None:
    """Why the peer cannot be who it says it is; None if it can."""
    settings = agreed.settings
    if address.startswith(FOLDER):
        other = address.removeprefix(FOLDER) != settings.folder
        if (peer.folder != endpoint) if peer is not None else other:
            return DeniedError("this folder is another sender's", path="MSH-3")
        return None
    if settings.addresses and not _is_within(address, settings.addresses):
        return DeniedError("this sender may not send from there", path="MSH-3")
    if peer is not None and settings.certificates:
        if peer.certificate is None:
            return DeniedError(NO_CERTIFICATE, path="MSH-3")
        if not is_one_of(peer.certificate, settings.certificates):
            return DeniedError(OTHER_CERTIFICATE, path="MSH-3")
    return None


def _is_within(address: str, networks: Iterable[str]) -> bool:
    try:
        here = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(here, "ipv4_mapped", None)
    return any(
        (mapped or here) in ipaddress.ip_network(network, strict=False) for network in networks
    )


def column(text: str, length: int) -> str:
    """Text of a header for a database column: NUL is none of its characters."""
    return text.replace("\x00", "")[:length].strip()
