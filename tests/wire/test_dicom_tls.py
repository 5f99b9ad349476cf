"""The TLS listener: certificates shown to the service, versions, silent and unknown peers."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.wire.dicom_certificates import Authority
from tests.wire.dicom_client import client, found, long_rows, query
from tests.wire.dicom_peer import WORKLIST, associate_rq
from tests.wire.dicom_service import CONFIG, QUICK, Handlers, listening
from worklist.config import Tls
from worklist.service import FindAnswer
from worklist.tls import server_context

pytestmark = pytest.mark.wire


@pytest.fixture
def handlers() -> Handlers:
    return Handlers()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate authority, a server's and a device's certificate."""
    authority = Authority(tmp_path_factory.mktemp("tls"))
    authority.certify("ris")
    authority.certify("ct1")
    return authority.folder


def secured(folder: Path, **options: Any) -> Any:
    tls = Tls(
        port=0,
        certificate=folder / "ris.pem",
        key=folder / "ris.key",
        ca=folder / "authority.pem",
        **options,
    )
    return replace(CONFIG, tls=tls)


def client_context(folder: Path, *, with_certificate: bool) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(folder / "authority.pem"))
    if with_certificate:
        context.load_cert_chain(folder / "ct1.pem", folder / "ct1.key")
    return context


def test_an_echo_over_tls_shows_the_certificate_to_the_service(
    handlers: Handlers, certificates: Path
) -> None:
    with listening(handlers, secured(certificates, require_client_certificate=True)) as server:
        association = client().associate(
            "127.0.0.1",
            server.tls_port,
            ae_title="RIS",
            tls_args=(client_context(certificates, with_certificate=True), "127.0.0.1"),
        )
        status = association.send_c_echo()
        association.release()

    assert status.Status == 0x0000
    caller = handlers.callers[0]
    assert caller.tls
    assert caller.certificate is not None
    assert caller.certificate.subject == "commonName=ct1"
    assert caller.certificate.names == ("ct1", "ct1.hospital.example", "127.0.0.1")
    assert len(caller.certificate.sha256) == 64


def test_a_long_list_arrives_whole_over_tls(handlers: Handlers, certificates: Path) -> None:
    names = [f"NAME^{number:04d}" for number in range(400)]
    handlers.c_find = lambda _: FindAnswer(iter(long_rows(*names)))

    with listening(handlers, secured(certificates)) as server:
        association = client(WORKLIST).associate(
            "127.0.0.1",
            server.tls_port,
            ae_title="RIS",
            tls_args=(client_context(certificates, with_certificate=False), "127.0.0.1"),
        )
        received, _ = found(association, query())
        association.release()

    assert received == names
    assert handlers.callers[0].certificate is None


def test_a_peer_without_certificate_is_not_heard_when_one_is_required(
    handlers: Handlers, certificates: Path
) -> None:
    context = client_context(certificates, with_certificate=False)

    def ask(port: int) -> bytes:
        """What comes back; in TLS 1.3 the client learns of a refusal after its handshake only."""
        with (
            suppress(ssl.SSLError, ConnectionError),
            socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
        ):
            secure.sendall(associate_rq())
            return secure.recv(100)
        return b""

    with listening(handlers, secured(certificates, require_client_certificate=True)) as server:
        answer = ask(server.tls_port)

    assert answer == b""
    assert handlers.callers == []


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_versions_of_tls_in_use_are_served(
    handlers: Handlers, certificates: Path, version: ssl.TLSVersion
) -> None:
    context = client_context(certificates, with_certificate=False)
    context.minimum_version = context.maximum_version = version

    with listening(handlers, secured(certificates)) as server:
        association = client().associate(
            "127.0.0.1", server.tls_port, ae_title="RIS", tls_args=(context, "127.0.0.1")
        )
        status = association.send_c_echo()
        association.release()

    assert status.Status == 0x0000


def test_nothing_older_than_tls_1_2_and_no_weak_cipher_is_offered(certificates: Path) -> None:
    context = server_context(secured(certificates).tls)

    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert {cipher["protocol"] for cipher in context.get_ciphers()} == {"TLSv1.2", "TLSv1.3"}
    assert all(cipher["aead"] for cipher in context.get_ciphers())


def test_silent_tls_clients_keep_nobody_out(handlers: Handlers, certificates: Path) -> None:
    settings = replace(secured(certificates), deadlines=QUICK)
    with listening(handlers, settings) as server:
        silent = [
            socket.create_connection(("127.0.0.1", server.tls_port), timeout=5) for _ in range(5)
        ]
        association = client().associate(
            "127.0.0.1",
            server.tls_port,
            ae_title="RIS",
            tls_args=(client_context(certificates, with_certificate=False), "127.0.0.1"),
        )
        status = association.send_c_echo()
        association.release()

        assert status.Status == 0x0000
        for waiting in silent:
            # Cut off at the handshake deadline of the settings.
            with waiting:
                assert waiting.recv(100) == b""
