"""The files of the TLS listener: replaced while it runs, revoked, about to end."""

from __future__ import annotations

import socket
import ssl
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.wire.dicom_certificates import Authority
from tests.wire.dicom_peer import VERIFICATION, Peer, associate_rq, context, echo_rq, until
from tests.wire.dicom_service import CONFIG, Handlers, listening
from worklist.config import ListenerConfig, Tls, TlsProfile
from worklist.tls import TlsFiles, server_context

pytestmark = pytest.mark.wire


@pytest.fixture
def handlers() -> Handlers:
    return Handlers()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    made = Authority(tmp_path)
    for name in ("ris", "ct1", "ct2"):
        made.certify(name)
    return made


def tls(folder: Path, **options: Any) -> Tls:
    return Tls(
        port=0, certificate=folder / "ris.pem", key=folder / "ris.key", ca=folder / "authority.pem",
        **options,
    )  # fmt: skip


def secured(folder: Path, **options: Any) -> ListenerConfig:
    return replace(CONFIG, tls=tls(folder, **options))


class SecurePeer(Peer):
    """The bare peer over TLS; raises ssl.SSLError if it is not let in."""

    def __init__(self, port: int, folder: Path, name: str = "", **options: Any) -> None:
        super().__init__(port)
        client = ssl.create_default_context(cafile=str(folder / "authority.pem"))
        for option, value in options.items():
            setattr(client, option, value)
        if name:
            client.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
        self.socket: ssl.SSLSocket = client.wrap_socket(self.socket, server_hostname="127.0.0.1")

    @property
    def serial(self) -> str:
        return str((self.socket.getpeercert() or {})["serialNumber"])


def is_served(port: int, folder: Path, name: str = "") -> bool:
    """In TLS 1.3 the client learns of a refusal after its handshake only."""
    with suppress(ssl.SSLError, ConnectionError), SecurePeer(port, folder, name) as peer:
        peer.send(associate_rq(context(1, VERIFICATION)))
        return peer.read()[0] == 2
    return False


def test_a_new_certificate_is_shown_without_dropping_anybody(
    handlers: Handlers, authority: Authority
) -> None:
    with (
        listening(handlers, secured(authority.folder)) as server,
        SecurePeer(server.tls_port, authority.folder) as early,
    ):
        early.associate(context(1, VERIFICATION))
        authority.certify("ris")
        files = server.layer.tls
        assert files is not None
        until(lambda: files.reloads == 1)

        with SecurePeer(server.tls_port, authority.folder) as late:
            late.associate(context(1, VERIFICATION))
            assert late.serial != early.serial
        early.send(echo_rq())
        assert early.response().status == 0x0000


def test_a_key_that_does_not_fit_changes_nothing_until_it_does(authority: Authority) -> None:
    files = TlsFiles(tls(authority.folder), time.time)
    before = files.context
    certificate, key = authority.folder / "ris.pem", authority.folder / "ris.key"
    old_key = key.read_bytes()
    authority.certify("ris", file="next")

    with capture_logs() as logs:
        key.write_bytes((authority.folder / "next.key").read_bytes())
        files.look(10.0)
        files.look(12.0)
        stayed = files.context
        certificate.write_bytes((authority.folder / "next.pem").read_bytes())
        files.look(14.0)

    assert stayed is before
    assert files.context is not before
    assert files.reloads == 1
    assert old_key != key.read_bytes()
    assert [one["event"] for one in logs] == [
        "tls files not usable, the former ones stay",
        "tls files read anew",
    ]


def test_a_file_that_is_gone_changes_nothing(authority: Authority) -> None:
    files = TlsFiles(tls(authority.folder), time.time)
    before = files.context
    (authority.folder / "ris.key").unlink()

    files.look(10.0)

    assert files.context is before


def test_the_files_are_looked_at_once_a_second(authority: Authority) -> None:
    files = TlsFiles(tls(authority.folder), time.time)
    files.look(10.0)
    authority.certify("ris")

    files.look(10.9)
    early = files.reloads
    files.look(11.0)

    assert (early, files.reloads) == (0, 1)


def test_a_revoked_certificate_is_refused_and_another_is_not(
    handlers: Handlers, authority: Authority
) -> None:
    crl = authority.revoke("ct2")
    settings = secured(authority.folder, crl=crl, require_client_certificate=True)

    with listening(handlers, settings) as server:
        served = [is_served(server.tls_port, authority.folder, name) for name in ("ct1", "ct2")]

    assert served == [True, False]
    assert server.layer.metrics.tls_failures == {"CERTIFICATE_VERIFY_FAILED": 1}


def test_a_new_revocation_list_counts_at_once(handlers: Handlers, authority: Authority) -> None:
    crl = authority.revoke()
    settings = secured(authority.folder, crl=crl, require_client_certificate=True)

    with listening(handlers, settings) as server:
        before = is_served(server.tls_port, authority.folder, "ct1")
        authority.revoke("ct1")
        files = server.layer.tls
        assert files is not None
        until(lambda: files.reloads == 1)
        after = is_served(server.tls_port, authority.folder, "ct1")

    assert (before, after) == (True, False)


@pytest.mark.parametrize(
    ("days", "warned"), [(89, 0), (59, 1), (29, 1), (6, 1), (-1, 1)], ids=lambda value: str(value)
)
def test_an_end_that_is_near_is_told_once(authority: Authority, days: float, warned: int) -> None:
    authority.certify("ris", days=days + 0.5)
    files = TlsFiles(tls(authority.folder), time.time)

    with capture_logs() as logs:
        files.look(10.0)
        files.look(20.0)
        files.look(100_000.0)

    assert [(one["file"], int(one["days"] // 1)) for one in logs] == [
        ("certificate", days)
    ] * warned
    assert {one["log_level"] for one in logs} <= {"error" if days < 0 else "warning"}


def test_the_end_comes_closer_in_steps(authority: Authority) -> None:
    authority.certify("ris", days=93)
    passed = 0.0
    files = TlsFiles(tls(authority.folder), lambda: time.time() + passed * 86_400)

    with capture_logs() as logs:
        for day in range(0, 100, 5):
            passed = float(day)
            files.look(day * 86_400.0 + 1)

    assert [(one["log_level"], round(one["days"])) for one in logs] == [
        ("warning", 58),
        ("warning", 28),
        ("warning", 3),
        ("error", -2),
    ]


def test_the_end_of_a_revocation_list_is_known(authority: Authority) -> None:
    crl = authority.revoke(days=2)

    files = TlsFiles(tls(authority.folder, crl=crl), time.time)

    due = datetime.now(UTC) + timedelta(days=2)
    assert abs(files.ends["revocations"] - due.timestamp()) < 60
    assert set(files.ends) == {"certificate", "authority", "revocations"}


def test_the_modified_profile_offers_its_suites_only(authority: Authority) -> None:
    offered = server_context(tls(authority.folder, profile=TlsProfile.MODIFIED)).get_ciphers()

    assert {one["name"] for one in offered} == {
        "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256",
        "TLS_AES_128_GCM_SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
        "ECDHE-ECDSA-AES256-CCM",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES128-CCM",
    }


@pytest.mark.parametrize("profile", TlsProfile)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_older_versions_are_refused(
    handlers: Handlers, authority: Authority, profile: TlsProfile, version: ssl.TLSVersion
) -> None:
    with (
        listening(handlers, secured(authority.folder, profile=profile)) as server,
        pytest.warns(DeprecationWarning, match="TLSv1"),
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        SecurePeer(
            server.tls_port, authority.folder, minimum_version=version, maximum_version=version
        )


def test_plain_words_on_the_tls_port_are_cut_off(handlers: Handlers, authority: Authority) -> None:
    with (
        listening(handlers, secured(authority.folder)) as server,
        socket.create_connection(("127.0.0.1", server.tls_port), timeout=5) as plain,
    ):
        plain.sendall(associate_rq(context(1, VERIFICATION)))
        answer = b""
        with suppress(ConnectionError):
            answer = plain.recv(100)

        assert answer[:1] in {b"", b"\x15"}  # nothing, or a TLS alert
    assert handlers.callers == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("ct1", "certificate revoked"),
        ("old", "certificate has expired"),
        ("stranger", "unable to get local issuer certificate"),
    ],
)
def test_a_certificate_that_is_refused_is_a_security_alert_that_says_why(
    authority: Authority, name: str, why: str
) -> None:
    from ris.models import AuditEvent
    from worklist.handlers import Handlers as Product
    from worklist.registry import Registry
    from worklist.server import ServerThread

    authority.certify("old", days=-1)
    elsewhere = Authority(authority.folder / "elsewhere")
    elsewhere.certify("stranger")
    for end in ("pem", "key"):
        (elsewhere.folder / f"stranger.{end}").rename(authority.folder / f"stranger.{end}")
    crl = authority.revoke("ct1")
    product = Product(Registry("RIS", seconds=0))
    with ServerThread(
        secured(authority.folder, crl=crl, require_client_certificate=True), product
    ) as server:
        served = is_served(server.tls_port, authority.folder, name)
        until(lambda: AuditEvent.objects.filter(action="RefuseConnection").exists())
    product.close()

    assert not served
    alert = AuditEvent.objects.get()
    assert (alert.address, alert.outcome) == ("127.0.0.1", "refused")
    assert alert.detail == {"reason": f"CERTIFICATE_VERIFY_FAILED: {why}"}
