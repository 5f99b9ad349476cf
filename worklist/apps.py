"""The DICOM edge as a Django app."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.apps import AppConfig

from ris.domain.exchange import Protocol

if TYPE_CHECKING:
    from ris.selectors.views import WorklistEntry
    from worklist.explaining import QueryReader


class WorklistConfig(AppConfig):
    name = "worklist"
    verbose_name = "DICOM"

    def ready(self) -> None:
        from ris.selectors.explain import reading
        from ris.services import archives, facility, inbox, outbox, peers, rehearsal
        from worklist import archive_reader, dicomweb, outbound, replay
        from worklist.device_settings import check
        from worklist.web import inbound

        inbox.register_replayer(Protocol.DICOM, replay.replay)
        inbox.register_replayer(Protocol.DICOMWEB, inbound.replay)
        outbox.register_protocol(Protocol.DICOM, outbound.Dicom())
        outbox.register_protocol(Protocol.DICOMWEB, dicomweb.DicomWeb())
        archives.register_archive(Protocol.DICOM, archive_reader.DimseReader())
        archives.register_archive(Protocol.DICOMWEB, archive_reader.WebReader())
        peers.register_probe(Protocol.DICOM, outbound.probe)
        peers.register_probe(Protocol.DICOMWEB, dicomweb.probe)
        peers.register_reader(Protocol.DICOM, outbound.readable)
        peers.register_reader(Protocol.DICOMWEB, dicomweb.readable)
        facility.check_device = check
        reading.register_reader(_query_reader)
        rehearsal.register_worklist(_as_answered)


def _as_answered(entry: WorklistEntry) -> Mapping[str, Any]:
    from worklist.previewing import as_answered

    return as_answered(entry)


def _query_reader() -> QueryReader:
    from worklist.explaining import QueryReader

    return QueryReader()
