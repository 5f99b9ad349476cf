"""Forwarding to a stack that is not pynetdicom, over TLS, and beside a peer that hangs."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from ris.domain.exchange import Protocol, Subscription
from ris.domain.performing import CompletePerformedStep, Origin, PerformedDetails
from ris.models import Delivery
from ris.services import execute, outbox
from tests import make, people
from tests.programs import demand, node_modules
from tests.running import free_ports, wait_until
from tests.wire.dicom_certificates import Authority
from tests.wire.pps_manager import PpsManager
from worklist.config import Tls
from worklist.tls import server_context

pytestmark = [pytest.mark.wire, pytest.mark.django_db(transaction=True)]

MANAGER = Path(__file__).resolve().parent.parent / "clients" / "pps_manager.mjs"
SECONDS = 30.0


@pytest.fixture(autouse=True)
def _ground() -> None:
    make.site()
    make.device("CT1", "CT")


def endpoint(name: str, port: int, **settings: Any) -> str:
    return make.endpoint(
        name,
        protocol=Protocol.DICOM,
        protocol_name=name.upper(),
        port=port,
        version="",
        sends=(Subscription.MPPS,),
        settings={"manual": True, **settings},
    )


def begin() -> str:
    order = make.order(start_at=make.NOON)
    steps = (str(make.step_of(order).public_id),)
    command = make.start(order, origin=Origin.MANUAL, references=(), steps=steps)
    execute(command, actor=people.technologist)
    return command.sop_instance_uid


def complete(uid: str) -> None:
    details = PerformedDetails(ended_at=make.NOON, series=(make.series(),))
    execute(CompletePerformedStep(sop_instance_uid=uid, details=details), actor=people.ct1)


def attempts() -> list[tuple[str, str]]:
    rows = Delivery.objects.order_by("id").prefetch_related("attempts")
    return [(one.result, one.error) for row in rows for one in row.attempts.all()]


# --- dcmjs-dimse


@contextmanager
def dcmjs_manager() -> Iterator[tuple[int, Sequence[dict[str, Any]]]]:
    """Its port, and what it was told."""
    demand("dcmjs-dimse")
    (port,) = free_ports(1)
    process = subprocess.Popen(
        ["node", str(MANAGER), str(port)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "RIS_TEST_NODE_MODULES": str(node_modules())},
    )
    assert process.stdout is not None
    told: list[dict[str, Any]] = []
    lines = process.stdout

    def read() -> None:
        # The library writes its log between what the program says.
        told.extend(json.loads(line) for line in lines if line.startswith("{"))

    assert json.loads(next(line for line in lines if line.startswith("{"))) == {"port": port}
    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield port, told
    finally:
        process.terminate()
        process.wait(SECONDS)
        reader.join(SECONDS)
        lines.close()


def test_dcmjs_dimse_as_manager_reads_what_it_is_sent() -> None:
    with dcmjs_manager() as (port, told):
        endpoint("Other", port)
        uid = begin()
        complete(uid)
        outbox.fan_out()
        outbox.deliver_due()

    assert attempts() == [("DELIVERED", ""), ("DELIVERED", "")]
    created, ended = told
    assert [(one["operation"], one["uid"], one["caller"]) for one in told] == [
        ("N-CREATE", uid, "RIS"),
        ("N-SET", uid, "RIS"),
    ]
    assert created["elements"]["PerformedStationAETitle"] == "CT1"
    assert created["elements"]["PerformedProcedureStepStatus"] == "IN PROGRESS"
    assert ended["elements"]["PerformedProcedureStepStatus"] == "COMPLETED"


# --- TLS


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    authority = Authority(tmp_path_factory.mktemp("tls"))
    authority.certify("pacs")
    authority.certify("ris")
    return authority.folder


def secured(folder: Path) -> ssl.SSLContext:
    return server_context(
        Tls(
            port=0,
            certificate=folder / "pacs.pem",
            key=folder / "pacs.key",
            ca=folder / "authority.pem",
            require_client_certificate=True,
        )
    )


def tls_settings(folder: Path, **overrides: Any) -> dict[str, Any]:
    return {
        "tls": True,
        "tls_ca": str(folder / "authority.pem"),
        "tls_cert": str(folder / "ris.pem"),
        "tls_key": str(folder / "ris.key"),
        **overrides,
    }


def delivered_over(settings: dict[str, Any], folder: Path) -> list[tuple[str, str]]:
    with PpsManager(tls=secured(folder)) as pacs:
        endpoint("PACS", pacs.port, **settings)
        begin()
        outbox.fan_out()
        outbox.deliver_due()
    return attempts()


def test_forwarding_over_tls_with_our_certificate(certificates: Path) -> None:
    assert delivered_over(tls_settings(certificates), certificates) == [("DELIVERED", "")]


def test_a_peer_by_fingerprint_needs_no_authority(certificates: Path) -> None:
    pem = (certificates / "pacs.pem").read_text()
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
    settings = tls_settings(certificates, tls_fingerprint=digest)
    settings.pop("tls_ca")

    assert delivered_over(settings, certificates) == [("DELIVERED", "")]


def test_a_peer_with_another_certificate_is_not_told(certificates: Path) -> None:
    settings = tls_settings(certificates, tls_fingerprint="00" * 32)

    assert delivered_over(settings, certificates) == [
        ("TRANSIENT", "no TLS connection: the peer's certificate is not the one expected")
    ]


def test_a_peer_of_an_unknown_authority_is_not_told(certificates: Path, tmp_path: Path) -> None:
    settings = tls_settings(certificates, tls_ca=str(Authority(tmp_path).folder / "authority.pem"))

    ((result, error),) = delivered_over(settings, certificates)

    assert result == "TRANSIENT"
    assert error.startswith("no TLS connection: ")


def test_a_certificate_that_is_gone_delays_and_loses_nothing(certificates: Path) -> None:
    gone = certificates / "gone.pem"
    gone.write_bytes((certificates / "authority.pem").read_bytes())
    with PpsManager(tls=secured(certificates)) as pacs:
        endpoint("PACS", pacs.port, **tls_settings(certificates, tls_ca=str(gone)))
        gone.unlink()
        begin()
        outbox.fan_out()
        outbox.deliver_due()

    row = Delivery.objects.get()
    assert (row.state, row.last_error) == (
        "PENDING",
        "no TLS connection: No such file or directory",
    )


# --- a peer that hangs


def test_a_silent_peer_with_many_exams_keeps_no_other_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outbox, "_pools", {})
    monkeypatch.setattr(outbox, "WAIT_SECONDS", 0.2)
    silent = socket.create_server(("127.0.0.1", 0))  # takes connections and says nothing
    endpoint("Silent", silent.getsockname()[1], associate_seconds=4)
    try:
        with PpsManager() as pacs:
            endpoint("PACS", pacs.port)
            for _ in range(3):
                complete(begin())
            outbox.fan_out()
            started = time.monotonic()
            for _ in range(3):
                outbox.deliver_due(threads=2)
            wait_until(lambda: len(pacs.told) == 6, "who answers is told of every exam")
            took = time.monotonic() - started
            in_flight = Delivery.objects.filter(endpoint__name="Silent", state="LEASED").count()
    finally:
        silent.close()
        for pool in outbox._pools.values():
            close_connections(pool)

    assert took < 4
    assert in_flight == 1


def close_connections(pool: ThreadPoolExecutor) -> None:
    """End the pool's threads, each of which keeps a connection to the database."""
    together = threading.Barrier(2)

    def close() -> None:
        together.wait(SECONDS)
        connection.close()

    for _ in range(2):
        pool.submit(close)
    pool.shutdown(wait=True)
