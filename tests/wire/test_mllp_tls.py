"""The MLLP listener over TLS: who is let in, and files that change while it runs."""

from __future__ import annotations

import ssl
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from integration.hl7 import refusals
from integration.hl7.er7 import Message
from integration.hl7.server import ListenerConfig, Peer, running
from integration.hl7.tls import PeerCertificate, ServerTls, is_one_of, tls_files
from ris.client_tls import ClientTls, client_context
from ris.models import AuditEvent
from tests.running import wait_until
from tests.wire.mllp_certificates import Authority
from tests.wire.mllp_sender import Client, Connect, accept, frame, listening, order

pytestmark = pytest.mark.wire


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("stranger"), "stranger")


def server_tls(authority: Authority, *, client_certificates: bool = False) -> ServerTls:
    certificate, key = authority.certify("ris")
    return ServerTls(certificate, key, authority.pem if client_certificates else None)


def trusting(authority: Authority, certificate: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    mine, key = certificate or (None, None)
    return client_context(ClientTls(ca=authority.pem, certificate=mine, key=key))


def test_tls_and_plain_ports_serve_side_by_side(clients: Connect, authority: Authority) -> None:
    seen: list[Peer] = []

    def handle(message: bytes, peer: Peer) -> bytes:
        seen.append(peer)
        return accept(message, peer)

    with listening(handle, tls_port=0, tls=server_tls(authority)) as listener:
        assert listener.tls_port is not None
        plain, secure = clients(listener.port), clients(listener.tls_port, trusting(authority))
        for client in (plain, secure):
            client.send(frame(order("1")))
            assert client.answer().get("MSA-1") == "AA"

    assert [(peer.tls, peer.local_port) for peer in seen] == [
        (False, listener.port),
        (True, listener.tls_port),
    ]


def test_a_client_certificate_is_required_checked_and_handed_on(
    clients: Connect, authority: Authority, stranger: Authority
) -> None:
    seen: list[Peer] = []

    def handle(message: bytes, peer: Peer) -> bytes:
        seen.append(peer)
        return accept(message, peer)

    tls = server_tls(authority, client_certificates=True)
    with listening(handle, tls_port=0, tls=tls) as listener:
        for context in (
            trusting(authority),
            trusting(authority, stranger.certify("impostor")),
        ):
            with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
                exchange(clients(listener.tls_port, context))

        exchange(clients(listener.tls_port, trusting(authority, authority.certify("his"))))

    (peer,) = seen
    assert peer.certificate is not None
    assert peer.certificate.subject == "commonName=his"
    assert peer.certificate.names == ("localhost", "127.0.0.1")
    assert len(peer.certificate.fingerprint) == 64


def test_why_somebody_was_not_let_in_is_told(
    clients: Connect, authority: Authority, stranger: Authority
) -> None:
    refused: list[tuple[str, str]] = []
    tls = server_tls(authority, client_certificates=True)
    config = ListenerConfig(port=0, tls_port=0, tls=tls)
    shown = [authority.certify("late", days=-1), stranger.certify("impostor"), None]
    with (
        capture_logs() as logs,
        running(config, accept, lambda address, why: refused.append((address, why))) as listener,
    ):
        for number, certificate in enumerate(shown, start=1):
            with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
                exchange(clients(listener.tls_port, trusting(authority, certificate)))
            wait_until(lambda number=number: len(refused) == number, "it was noted")

    reasons = [
        "certificate has expired",
        "unable to get local issuer certificate",
        "peer did not return a certificate",
    ]
    assert refused == [("127.0.0.1", reason) for reason in reasons]
    told = [each for each in logs if each["event"] == "a TLS handshake failed"]
    assert [(each["log_level"], each["reason"]) for each in told] == [
        ("warning", reason) for reason in reasons
    ]


@pytest.mark.django_db
def test_a_refused_connection_is_in_the_audit_once_a_minute() -> None:
    for _ in range(3):
        refusals.note("10.0.0.9", "certificate has expired")
    refusals.note("10.0.0.9", "peer did not return a certificate")

    rows = AuditEvent.objects.filter(action="RefuseConnection").order_by("id")
    assert [(row.address, row.outcome, row.detail["reason"]) for row in rows] == [
        ("10.0.0.9", "refused", "certificate has expired"),
        ("10.0.0.9", "refused", "peer did not return a certificate"),
    ]


def test_a_revoked_certificate_is_refused_and_another_is_not(
    clients: Connect, authority: Authority
) -> None:
    revoked, other = authority.certify("gone"), authority.certify("his")
    tls = replace(server_tls(authority, client_certificates=True), crl=authority.revoke(revoked[0]))
    with listening(accept, tls_port=0, tls=tls) as listener:
        with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
            exchange(clients(listener.tls_port, trusting(authority, revoked)))

        answer = exchange(clients(listener.tls_port, trusting(authority, other)))

    assert answer.get("MSA-1") == "AA"


def test_a_new_revocation_list_counts_at_once(authority: Authority) -> None:
    certificate = authority.certify("soon")
    tls = replace(server_tls(authority, client_certificates=True), crl=authority.revoke())
    files = tls_files(tls)
    before = files.context

    authority.revoke(certificate[0])
    files.look(10.0)

    assert files.context is not before
    assert files.reloads == 1


def exchange(client: Client) -> Message:
    client.send(frame(order("1")))
    return client.answer()


def test_old_tls_is_refused(clients: Connect, authority: Authority) -> None:
    with listening(tls_port=0, tls=server_tls(authority)) as listener:
        context = ssl.create_default_context(cafile=str(authority.pem))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        exchange(clients(listener.tls_port, context))

        context.set_ciphers("ALL:@SECLEVEL=0")
        context.set_ciphers("AES128-SHA")  # no forward secrecy
        with pytest.raises(ssl.SSLError):
            clients(listener.tls_port, context)


def test_a_silent_tls_client_is_given_up_and_keeps_nobody_out(
    clients: Connect, authority: Authority
) -> None:
    tls = server_tls(authority)
    with listening(tls_port=0, tls=tls, handshake_seconds=0.3) as listener:
        silent = clients(listener.tls_port)
        wait_until(lambda: listener.connections == 1, "the silent one is counted")

        exchange(clients(listener.tls_port, trusting(authority)))

        assert silent.is_closed()


def test_a_bad_certificate_file_is_told_at_the_start(tmp_path: Path) -> None:
    missing = ServerTls(tmp_path / "no.pem", tmp_path / "no.key")

    with pytest.raises(FileNotFoundError), listening(tls_port=0, tls=missing):
        pass


def test_a_new_certificate_is_shown_without_dropping_anybody(
    clients: Connect, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    with listening(tls_port=0, tls=server_tls(authority)) as listener:
        assert listener.tls_port is not None
        early = clients(listener.tls_port, trusting(authority))
        before = shown(early)

        authority.certify("ris")

        def is_new() -> bool:
            client = Client(listener.tls_port or 0, trusting(authority))
            try:
                return shown(client) != before
            finally:
                client.close()

        wait_until(is_new, "the new certificate is shown")
        assert exchange(early).get("MSA-1") == "AA"


def test_a_file_that_cannot_be_used_changes_nothing(clients: Connect, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with listening(tls_port=0, tls=server_tls(authority)) as listener:
        assert listener.tls_port is not None
        with capture_logs() as logs:
            (tmp_path / "ris.pem").write_text("no certificate")
            wait_until(lambda: bool(logs), "the file was looked at")

        assert logs[0]["event"] == "tls files not usable, the former ones stay"
        assert exchange(clients(listener.tls_port, trusting(authority))).get("MSA-1") == "AA"


def shown(client: Client) -> str:
    assert isinstance(client.sock, ssl.SSLSocket)
    return str((client.sock.getpeercert() or {})["serialNumber"])


CERTIFICATE = PeerCertificate("ab" * 32, "organizationName=Clinic, commonName=his", ("his.test",))


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("ab" * 32, True),
        (":".join(["AB"] * 32), True),
        ("organizationName=Clinic, commonName=his", True),
        ("his", True),
        ("his.test", True),
        ("cd" * 32, False),
        ("organizationName=Clinic", False),
        ("hi", False),
        ("", False),
        (" ", False),
    ],
)
def test_a_certificate_is_known_by_fingerprint_subject_or_name(wanted: str, expected: bool) -> None:
    assert is_one_of(CERTIFICATE, [wanted]) is expected
    assert is_one_of(None, [wanted]) is False
