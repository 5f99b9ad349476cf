"""The TLS files of a listener: read anew when they change, their ends told in time."""

from __future__ import annotations

import errno
import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

log = structlog.get_logger(__name__)

_LOOK_SECONDS: Final = 1.0
_DAY: Final = 86_400.0
_WARN_DAYS: Final = (60, 30, 7, 0)
_NEVER: Final = datetime(9999, 1, 1, tzinfo=UTC)
REVOCATIONS: Final = "revocations"


def load_pair(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    """Load what a server shows; OSError says which file cannot be used, and why."""
    from cryptography import x509  # only who has TLS pays for it

    for path in (certificate, key):
        if path is not None:
            path.open("rb").close()  # OpenSSL does not say which of them is missing
    own = key or certificate
    try:
        # A key with a password would ask at the terminal for it.
        context.load_cert_chain(certificate, key, password=lambda: "")
        first = x509.load_pem_x509_certificates(certificate.read_bytes())[0]
    except ssl.SSLError as error:
        if "KEY_VALUES_MISMATCH" in str(error):
            raise OSError(errno.EINVAL, "the key of another certificate", str(own)) from None
        text = f"no certificate and key in PEM form without a password ({error.reason})"
        raise OSError(errno.EINVAL, text, str(own)) from None
    except ValueError as error:
        raise OSError(errno.EINVAL, f"no PEM certificate ({error})", str(certificate)) from None
    if first.version is x509.Version.v1:
        raise OSError(errno.EINVAL, "a certificate of version 1 without names", str(certificate))


class TlsFiles:
    """The context for new connections, built anew when a file changes.

    Connections that are open keep what they began with. A file that cannot be used, or a key that
    does not belong to its certificate yet, changes nothing until it changes again.

    ``files`` are named for people: certificate, key, authority, revocations.
    """

    def __init__(
        self,
        files: Mapping[str, Path | None],
        build: Callable[[], ssl.SSLContext],
        wall_clock: Callable[[], float],
    ) -> None:
        self._files = {name: path for name, path in files.items() if path is not None}
        self._build = build
        self._wall_clock = wall_clock
        self._next_look = 0.0
        self._stamps = self._read_stamps()
        self._warned: dict[str, int] = {}
        self._day = 0.0
        self.context = build()
        self.ends = self._read_ends()
        self.reloads = 0

    def look(self, now: float) -> None:
        """Called by the listener's clock; looks at the files once a second."""
        if now < self._next_look:
            return
        self._next_look = now + _LOOK_SECONDS
        stamps = self._read_stamps()
        if stamps != self._stamps:
            self._stamps = stamps
            self._reload()
            self._day = 0.0
        if now >= self._day:
            self._day = now + _DAY
            self._warn()

    def _reload(self) -> None:
        try:
            context, ends = self._build(), self._read_ends()
        except Exception as error:
            # Also what cryptography raises for odd files: none of it may stop the clock.
            log.error("tls files not usable, the former ones stay", error=str(error))
            return
        self.context, self.ends = context, ends
        self.reloads += 1
        self._warned.clear()
        log.info("tls files read anew")

    def _warn(self) -> None:
        """Once for each of the days before the end that matter."""
        for name, end in self.ends.items():
            days = (end - self._wall_clock()) / _DAY
            passed = sum(days < one for one in _WARN_DAYS)
            if passed > self._warned.get(name, 0):
                self._warned[name] = passed
                write = log.error if days < 0 else log.warning
                path = str(self._files[name])
                write("tls file ends", file=name, path=path, days=round(days, 1))

    def _read_stamps(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_stamp(path) for path in self._files.values())

    def _read_ends(self) -> dict[str, float]:
        """When each file ends, in Unix time: the first of what it holds."""
        from cryptography import x509  # only who has TLS pays for it

        ends: dict[str, datetime] = {}
        for name, path in self._files.items():
            if name == REVOCATIONS:
                ends[name] = min(crl_ends(path.read_bytes()))
            elif name != "key":
                found = x509.load_pem_x509_certificates(path.read_bytes())
                ends[name] = min(one.not_valid_after_utc for one in found)
        return {name: end.timestamp() for name, end in ends.items()}


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def crl_ends(raw: bytes) -> list[datetime]:
    """When the next lists are due; from then on OpenSSL refuses every client certificate."""
    from cryptography import x509

    mark = b"-----END X509 CRL-----"
    parts = [part + mark for part in raw.split(mark)[:-1]]
    ends = [x509.load_pem_x509_crl(part).next_update_utc for part in parts]
    if not ends:
        raise ValueError("no certificate revocation list in PEM form")
    return [end for end in ends if end is not None] or [_NEVER]
