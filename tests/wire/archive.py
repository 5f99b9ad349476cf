"""An image archive on pynetdicom: stores what comes, answers questions about what it has."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, build_role, evt

from tests.wire.pps_manager import SECONDS
from worklist.asking import STUDY_ROOT_FIND
from worklist.report_pdf import ENCAPSULATED_PDF
from worklist.report_sr import BASIC_TEXT_SR, ENHANCED_SR
from worklist.sop_classes import (
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    STORAGE_COMMITMENT,
    STORAGE_COMMITMENT_INSTANCE,
    VERIFICATION,
)

_LEVELS = {
    "STUDY": ("StudyInstanceUID",),
    "SERIES": ("SeriesInstanceUID",),
    "IMAGE": ("SOPInstanceUID",),
}


@dataclass
class Archive:
    """``answers`` are statuses to give instead of storing, one a request; ``hides`` what it has.

    With ``commits`` it takes requests for storage commitment: ``"here"`` it reports on the same
    association, ``"later"`` when :meth:`report` is called; ``lost`` are objects it will not have.
    """

    ae_title: str = "PACS"
    syntaxes: Sequence[str] = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)
    classes: Sequence[str] = (BASIC_TEXT_SR, ENHANCED_SR, ENCAPSULATED_PDF)
    finds: bool = True
    hides: bool = False
    commits: str = ""
    lost: bool = False
    port: int = 0
    answers: list[int] = field(default_factory=list)
    deaf: set[int] = field(default_factory=set)  # requests taken and never answered, from 0
    received: list[str] = field(default_factory=list)  # SOP Instance UIDs, repeated ones too
    raw: dict[str, bytes] = field(default_factory=dict)
    stored: dict[str, Dataset] = field(default_factory=dict)
    asked: list[Dataset] = field(default_factory=list)
    requests: list[Dataset] = field(default_factory=list)  # for storage commitment
    reported: list[int] = field(default_factory=list)  # what its reports were answered with
    _server: Any = None

    def __enter__(self) -> Archive:
        ae = AE(ae_title=self.ae_title)
        ae.require_called_aet = True
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = SECONDS
        for uid in (*self.classes, VERIFICATION):
            ae.add_supported_context(uid, list(self.syntaxes))
        if self.finds:
            ae.add_supported_context(STUDY_ROOT_FIND, list(self.syntaxes))
        if self.commits:
            ae.add_supported_context(STORAGE_COMMITMENT, list(self.syntaxes))
        handlers: list[Any] = [
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_C_FIND, self._find),
            (evt.EVT_N_ACTION, self._commit),
        ]
        self._server = ae.start_server(("127.0.0.1", self.port), block=False, evt_handlers=handlers)
        self.port = self._server.server_address[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()

    def holds(self, **values: Any) -> None:
        """Have it own an object that nobody sent."""
        dataset = Dataset()
        for keyword, value in values.items():
            setattr(dataset, keyword, value)
        self.stored[str(dataset.SOPInstanceUID)] = dataset

    def _store(self, event: evt.Event) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        number = len(self.received)
        self.received.append(uid)
        status = self.answers.pop(0) if self.answers else 0x0000
        if status == 0 or status >> 12 == 0xB:
            self.raw[uid] = event.request.DataSet.getvalue()
            self.stored[uid] = event.dataset
        if number in self.deaf:
            event.assoc.abort()
        return status

    def _commit(self, event: evt.Event) -> tuple[int, None]:
        request = event.action_information
        self.requests.append(request)
        status = self.answers.pop(0) if self.answers else 0x0000
        if status == 0 and self.commits == "here":
            threading.Thread(target=self._report_on, args=(event.assoc, request)).start()
        return status, None

    def report(self, port: int, request: Dataset, *, roles: bool = True) -> int:
        """Report on an association of its own; the status that was answered."""
        ae = AE(ae_title=self.ae_title)
        ae.add_requested_context(STORAGE_COMMITMENT)
        offered = [build_role(STORAGE_COMMITMENT, scp_role=True)] if roles else []
        association = ae.associate("127.0.0.1", port, ae_title="RIS", ext_neg=offered)
        assert association.is_established
        self._report_on(association, request)
        association.release()
        return self.reported[-1]

    def _report_on(self, association: Any, request: Dataset) -> None:
        answer = Dataset()
        answer.TransactionUID = request.TransactionUID
        (item,) = request.ReferencedSOPSequence
        if self.lost:
            item.FailureReason = 0x0112
            answer.FailedSOPSequence = [item]
        else:
            answer.ReferencedSOPSequence = [item]
        said, _ = association.send_n_event_report(
            answer, 2 if self.lost else 1, STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE
        )
        self.reported.append(int(said.Status))

    def _find(self, event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        wanted = event.identifier
        self.asked.append(wanted)
        level = str(wanted.QueryRetrieveLevel)
        told: set[str] = set()
        for dataset in () if self.hides else self.stored.values():
            own = str(dataset[_LEVELS[level][0]].value)
            if own not in told and self._fits(wanted, dataset):
                told.add(own)
                yield 0xFF00, self._row(wanted, dataset, level)

    def _fits(self, wanted: Dataset, dataset: Dataset) -> bool:
        keys = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
        return all(
            wanted.get(key, "") in {"", dataset.get(key, "")} for key in keys if key in wanted
        )

    def _row(self, wanted: Dataset, dataset: Dataset, level: str) -> Dataset:
        row = Dataset()
        if "SpecificCharacterSet" in dataset:
            row.SpecificCharacterSet = dataset.SpecificCharacterSet
        for element in wanted:
            row.add_new(element.tag, element.VR, dataset.get(element.keyword, None))
        row.QueryRetrieveLevel = level
        study = [
            each
            for each in self.stored.values()
            if each.StudyInstanceUID == dataset.StudyInstanceUID
        ]
        if "NumberOfStudyRelatedInstances" in wanted:
            row.NumberOfStudyRelatedInstances = len(study)
            row.ModalitiesInStudy = sorted({str(each.Modality) for each in study})
        if "NumberOfSeriesRelatedInstances" in wanted:
            row.NumberOfSeriesRelatedInstances = sum(
                each.SeriesInstanceUID == dataset.SeriesInstanceUID for each in study
            )
        return row
