"""``ris run dicom``: the listener as the settings say, in one process or several."""

from __future__ import annotations

import argparse
import asyncio
import gc
from collections.abc import Callable
from pathlib import Path

from ris import config, counters
from ris.config_sections import Dicom
from ris.parts import run_folder
from ris.selectors import statements
from ris.services.query_spool import QuerySpool
from ris.terminal import say
from ris.version import version
from worklist.config import Deadlines, Limits, ListenerConfig, Tls, TlsProfile
from worklist.handlers import Handlers
from worklist.processes import Processes, require_free
from worklist.registry import configured
from worklist.server import serve
from worklist.upper_layer import UpperLayer

# An MPPS association may stay open from the first image to the last (dicom.md MPPS-19).
_HOLDING_SECONDS = 4 * 3600.0


def run(argv: list[str]) -> int:
    """Serve worklist and MPPS until SIGTERM or SIGINT, then drain."""
    argparse.ArgumentParser(
        prog="ris run dicom", description="Serve the worklist and MPPS as the settings say."
    ).parse_args(argv)
    dicom = config.load().dicom
    if dicom.processes == 1:
        gc.collect()
        gc.freeze()  # code and tables are no garbage: not looked through again while we serve
        return serve_one(dicom, listener_config(dicom), "dicom-1", lambda: _say_where(dicom))
    settings = listener_config(dicom)
    ports = [settings.port, *([settings.tls.port] if settings.tls else [])]
    require_free(settings.host, ports)
    try:
        return Processes(
            dicom.processes,
            lambda number, ready: serve_one(dicom, settings, _name(number), ready),
            lambda: _say_where(dicom),
        ).run()
    finally:
        # One that was killed, or told to end before it served, did not see to it itself.
        for number in range(1, dicom.processes + 1):
            counters.forget(run_folder(config.load().home), _name(number))


def _name(number: int) -> str:
    return f"dicom-{number}"


def serve_one(dicom: Dicom, settings: ListenerConfig, name: str, ready: Callable[[], None]) -> int:
    """One process of the listener."""
    home = config.load().home
    statements.longest_seconds = dicom.statement_seconds
    folder = run_folder(home)
    spool = QuerySpool(home / "queries")
    handlers = Handlers(configured(dicom), matches=dicom.matches, record=spool.keep)

    def on_ready(layer: UpperLayer) -> None:
        layer.spawn(_report(layer, folder, name))
        ready()

    try:
        serve(settings, handlers, on_ready=on_ready)
    finally:
        counters.forget(folder, name)
        handlers.close()
        spool.close()
    return 0


async def _report(layer: UpperLayer, folder: Path, name: str) -> None:
    """Put down the numbers every few seconds, in the pool as it touches the disk."""
    while True:
        layer.submit(counters.write, folder, name, layer.families())
        await asyncio.sleep(counters.SECONDS)


def _say_where(dicom: Dicom) -> None:
    tls = f", TLS at port {dicom.tls_port}" if dicom.tls_port else ""
    many = f", {dicom.processes} processes" if dicom.processes > 1 else ""
    say(f"DICOM listener ready at port {dicom.port}{tls}{many}")


def listener_config(dicom: Dicom) -> ListenerConfig:
    """The settings as the upper layer wants them."""
    tls = None
    if dicom.tls_port and dicom.tls_cert and dicom.tls_key:
        tls = Tls(
            port=dicom.tls_port,
            certificate=dicom.tls_cert,
            key=dicom.tls_key,
            ca=dicom.tls_ca,
            crl=dicom.tls_crl,
            require_client_certificate=dicom.tls_ca is not None,
            profile=TlsProfile(dicom.tls_profile),
        )
    return ListenerConfig(
        ae_title=dicom.ae_title,
        host=dicom.host,
        port=dicom.port,
        tls=tls,
        reuse_port=dicom.processes > 1,
        threads=dicom.threads,
        implementation_version_name=f"RIS_{version()}"[:16],
        timezone_adjustment=True,
        limits=Limits(
            associations=dicom.associations,
            associations_per_address=dicom.associations_per_address,
            associations_per_ae_title=dicom.associations_per_ae,
        ),
        deadlines=Deadlines(
            associate=dicom.associate_seconds,
            tls_handshake=dicom.associate_seconds,
            pdu=dicom.pdu_seconds,
            write=dicom.write_seconds,
            idle=dicom.idle_seconds,
            idle_holding=max(dicom.idle_seconds, _HOLDING_SECONDS),
        ),
    )
