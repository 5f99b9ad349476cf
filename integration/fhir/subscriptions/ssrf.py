"""Where this server connects to for a client: never into its own network (OWASP ASVS 5.0 1.3.6).

The name is resolved here, every address it has is looked at, and the connection is made to the very
address that was found good: a name that answers otherwise the second time changes nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from ris.domain.errors import InvalidValueError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], list[str]]

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_NAT64_LOCAL = ipaddress.ip_network("64:ff9b:1::/48")  # RFC 8215: where it leads, the site knows
_6TO4 = ipaddress.ip_network("2002::/16")
# Addresses clouds give their metadata services; some of them are in ranges that are not private.
_METADATA = frozenset({"169.254.169.254", "100.100.100.200", "168.63.129.16", "fd00:ec2::254"})
MAX_URL = 2000
_PRIVATE = (
    "the endpoint is in a private network; an administrator can allow its host "
    "(fhir.subscription_hosts)"
)


class ForbiddenAddressError(InvalidValueError):
    """The endpoint is somewhere this server does not connect to."""


@dataclass(frozen=True, slots=True)
class Target:
    """A checked endpoint: ``addresses`` are those that may be connected to, in order."""

    scheme: str
    host: str
    port: int
    path: str
    addresses: tuple[str, ...]

    @property
    def netloc(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = {"https": 443, "http": 80}[self.scheme]
        return host if self.port == default else f"{host}:{self.port}"


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a name; raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(row[4][0]).partition("%")[0] for row in found))


def check_url(url: str, allowed: Sequence[str]) -> SplitResult:
    """The parts of an endpoint's address if its form is allowed; raises ForbiddenAddressError."""
    if len(url) > MAX_URL or not url.isprintable() or " " in url or not url.isascii():
        raise ForbiddenAddressError("the endpoint is not a URL")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ForbiddenAddressError("the endpoint is not a URL") from None
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise ForbiddenAddressError("the endpoint must be an https URL")
    if parts.username is not None or parts.password is not None:
        raise ForbiddenAddressError("credentials belong in channel.header, not into the endpoint")
    if parts.fragment:
        raise ForbiddenAddressError("the endpoint has a fragment, which is never sent")
    if parts.scheme == "http" and not is_allowed(parts.hostname, port or 80, allowed):
        raise ForbiddenAddressError(
            "the endpoint must be an https URL, or its host be on fhir.subscription_hosts"
        )
    return parts


def check_unresolved(url: str, allowed: Sequence[str]) -> None:
    """Refuse what is forbidden whatever a name resolves to; raises ForbiddenAddressError.

    For a request that waits in a transaction, which must not wait for a name server as well.
    """
    parts = check_url(url, allowed)
    host = (parts.hostname or "").lower().rstrip(".")
    if is_allowed(host, _port(parts), allowed):
        return
    literal = _literal(host)
    if literal is not None and not is_public(literal):
        raise ForbiddenAddressError(_PRIVATE)
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        raise ForbiddenAddressError(_PRIVATE)


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def check(url: str, allowed: Sequence[str], resolve: Resolve = resolve) -> Target:
    """The endpoint with the addresses it may be reached at; raises ForbiddenAddressError.

    ``allowed`` are hosts the site trusts, as ``name``, ``name:port`` or a network. Raises OSError
    where the name does not resolve.
    """
    parts = check_url(url, allowed)
    host = (parts.hostname or "").rstrip(".")
    port = _port(parts)
    literal = _literal(host)
    addresses = [str(literal)] if literal else resolve(host, port)
    if not is_allowed(host, port, allowed):
        for text in addresses:
            address = _literal(text)
            if address is None or not (is_public(address) or _is_listed(address, allowed)):
                # Not which address: that would tell a client what our resolver knows.
                raise ForbiddenAddressError(_PRIVATE)
    if not addresses:
        raise OSError("the name has no address")
    path = parts.path or "/"
    if parts.query:
        path += f"?{parts.query}"
    return Target(parts.scheme, host, port, path, tuple(addresses))


def is_public(address: Address) -> bool:
    """Whether an address belongs to the internet at large."""
    if str(address) in _METADATA:
        return False
    inner = _embedded(address)
    if inner is not None:
        return is_public(inner)
    return (
        address.is_global
        and address not in _NAT64_LOCAL
        and not address.is_multicast
        and not address.is_reserved
        and not address.is_loopback
        and not address.is_link_local
        and not address.is_unspecified
    )


def _embedded(address: Address) -> Address | None:
    """The IPv4 address that an IPv6 address leads to: mapped, NAT64, 6to4, Teredo."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.teredo is not None:
        return address.teredo[1]
    if address in _6TO4:
        return address.sixtofour
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if int(address) >> 32 == 0 and int(address) > 1:
        return ipaddress.IPv4Address(int(address))  # IPv4-compatible, RFC 4291 2.5.5.1
    return None


def is_allowed(host: str, port: int, allowed: Sequence[str]) -> bool:
    """Whether the site trusts this host by name, or by the network it is written in."""
    host = host.lower().rstrip(".")
    literal = _literal(host)
    if literal is not None and _is_listed(literal, allowed):
        return True
    return any(each.lower() in {host, f"{host}:{port}", f"[{host}]:{port}"} for each in allowed)


def _is_listed(address: Address, allowed: Sequence[str]) -> bool:
    for each in allowed:
        try:
            if address in ipaddress.ip_network(each, strict=False):
                return True
        except ValueError:
            continue
    return False


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
