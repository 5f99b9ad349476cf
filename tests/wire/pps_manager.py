"""Another PPS manager, or a subscriber to MPPS events, on pynetdicom: what it was told."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, evt

from worklist.scu import MODALITY_PERFORMED_PROCEDURE_STEP_NOTIFICATION as NOTIFICATION
from worklist.sop_classes import (
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    VERIFICATION,
)
from worklist.sop_classes import MODALITY_PERFORMED_PROCEDURE_STEP as MPPS

SECONDS = 20.0
DONE = {0x0000, 0x0107, 0x0116}


@dataclass(frozen=True)
class Told:
    operation: str
    uid: str
    data: bytes = b""
    transfer_syntax: str = ""
    dataset: Dataset = field(default_factory=Dataset)
    event_type: int = 0
    caller: str = ""
    status: int = 0


@dataclass
class PpsManager:
    """Keeps objects as PS3.4 F.7 says; ``answers`` are statuses to give instead, one a request.

    ``deaf`` requests, by number from 0, are taken and never answered: the connection is cut.
    """

    syntaxes: Sequence[str] = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)
    roles: bool = True
    tls: ssl.SSLContext | None = None
    ae_title: str = "PACS"
    callers: Sequence[str] = ()
    port: int = 0
    told: list[Told] = field(default_factory=list)
    objects: dict[str, str] = field(default_factory=dict)
    answers: list[int] = field(default_factory=list)
    deaf: set[int] = field(default_factory=set)
    _server: Any = None

    def __enter__(self) -> PpsManager:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        ae = AE(ae_title=self.ae_title)
        ae.require_called_aet = True
        ae.require_calling_aet = list(self.callers)
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = SECONDS
        for uid in (MPPS, VERIFICATION):
            ae.add_supported_context(uid, list(self.syntaxes))
        roles = {"scu_role": False, "scp_role": True} if self.roles else {}
        ae.add_supported_context(NOTIFICATION, list(self.syntaxes), **roles)
        handlers: list[Any] = [
            (evt.EVT_N_CREATE, self._create),
            (evt.EVT_N_SET, self._set),
            (evt.EVT_N_EVENT_REPORT, self._report),
        ]
        self._server = ae.start_server(
            ("127.0.0.1", self.port), block=False, evt_handlers=handlers, ssl_context=self.tls
        )
        self.port = self._server.server_address[1]

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server = None

    def _create(self, event: evt.Event) -> tuple[int, Dataset | None]:
        uid = event.request.AffectedSOPInstanceUID
        dataset = event.attribute_list
        status = self._status(0x0111 if uid in self.objects else 0)
        if status in DONE:
            self.objects[uid] = "IN PROGRESS"
        return self._note(event, "N-CREATE", uid, dataset, status)

    def _set(self, event: evt.Event) -> tuple[int, Dataset | None]:
        uid = event.request.RequestedSOPInstanceUID
        dataset = event.modification_list
        known = self.objects.get(uid)
        status = self._status(0x0112 if known is None else 0 if known == "IN PROGRESS" else 0x0110)
        if status in DONE:
            self.objects[uid] = dataset.get("PerformedProcedureStepStatus", known)
        return self._note(event, "N-SET", uid, dataset, status)

    def _status(self, status: int) -> int:
        return self.answers.pop(0) if self.answers else status

    def _report(self, event: evt.Event) -> tuple[int, Dataset | None]:
        uid = event.request.AffectedSOPInstanceUID
        self.told.append(
            Told("N-EVENT-REPORT", uid, event_type=event.event_type, caller=_caller(event))
        )
        return 0, None

    def _note(
        self, event: evt.Event, operation: str, uid: str, dataset: Dataset, status: int
    ) -> tuple[Any, Dataset | None]:
        request = event.request
        stream = getattr(request, "AttributeList", None) or getattr(
            request, "ModificationList", None
        )
        data = stream.getvalue() if stream is not None else b""
        syntax = str(event.context.transfer_syntax)
        number = len(self.told)
        self.told.append(
            Told(operation, str(uid), data, syntax, dataset, caller=_caller(event), status=status)
        )
        if number in self.deaf:
            event.assoc.abort()
        answer = Dataset()
        answer.Status = status
        if status == 0x0110:
            answer.ErrorID = 0xA710
            answer.ErrorComment = "may no longer be updated"
        return answer, None


def _caller(event: evt.Event) -> str:
    return str(event.assoc.requestor.ae_title).strip()
