"""Reports into archives: a signed version becomes objects, they are stored, and looked for there.

The objects are written where the event becomes deliveries, so that every repetition sends the same
bytes. Of one report the objects of a kind leave in order; a kind that an archive does not take
holds up no other. Once an archive took an object, a delivery of its own looks whether it is there,
or has the archive commit itself to it (spec/dicom.md RPT-04): until it is so, or a person looks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ris import config
from ris.domain.errors import InvalidValueError
from ris.domain.protocol import EndpointInfo, Outgoing, StoredEvent
from ris.domain.report_objects import ObjectKind, confirmation_id
from ris.domain.reporting import VersionKind
from ris.selectors import report_objects as objects
from ris.selectors.facility import SiteView, site
from ris.selectors.orders import covered
from ris.selectors.views import ReportVersionView, ReportView
from ris.services import outbox
from ris.services import report_objects as minting
from ris.services.report_documents import report_document
from worklist import charset, retrieval
from worklist import report_pdf as pdf
from worklist import report_sr as sr
from worklist.archive_settings import ArchiveSettings
from worklist.dicom_json import Json
from worklist.language_codes import language_code
from worklist.raw import StoredRequest
from worklist.report_header import Covered, Identity, Reference, Told, study_of
from worklist.sop_classes import EXPLICIT_VR_LITTLE_ENDIAN

C_STORE: Final = "C-STORE"
_CONFIRM: Final = "confirm"
_COMMITMENT: Final = "commitment"
_WORDS: Final[Mapping[ObjectKind, str]] = {
    ObjectKind.SR: "SR",
    ObjectKind.ENHANCED_SR: "Enhanced SR",
    ObjectKind.PDF: "PDF",
}
CLASSES: Final[Mapping[ObjectKind, tuple[str, int]]] = {
    ObjectKind.SR: (sr.BASIC_TEXT_SR, sr.SERIES_NUMBER),
    ObjectKind.ENHANCED_SR: (sr.ENHANCED_SR, sr.ENHANCED_SERIES_NUMBER),
    ObjectKind.PDF: (pdf.ENCAPSULATED_PDF, pdf.SERIES_NUMBER),
}


# --- an event becomes objects


def messages(
    event: StoredEvent,
    endpoint: EndpointInfo,
    settings: ArchiveSettings,
    control_id: str,
    *,
    calling: str = "",
    modalities: Sequence[str] = (),
) -> list[Outgoing]:
    """The objects of the version that was signed, for an archive; none if it is not for it."""
    report, covers = covered(str(event.payload["report"]))
    version = report.version(int(event.payload["number"]))
    if not _is_wanted(report, version, settings) or not _concerns(covers, modalities):
        return []
    studies = _studies(covers)
    minting.mint(report.public_id, version.number, settings.kinds, studies)
    made = objects.of_report(report.public_id)
    writer = _Writer(report, version, studies, made, site(), settings, endpoint.character_set)
    found: list[Outgoing] = []
    for kind in settings.kinds:
        for study in studies:
            request = writer.request(kind, study, calling or config.load().dicom.ae_title)
            number = len(found)
            found.append(
                Outgoing(
                    lane=_lane(report.public_id, kind),
                    control_id=f"{control_id}.{number}" if number else control_id,
                    message_type=f"{_WORDS[kind]}, version {version.number}",
                    payload=request.pack(),
                    orders=tuple(dict.fromkeys(order.public_id for order, _ in studies[study])),
                )
            )
    return found


def _lane(report: str, kind: ObjectKind) -> str:
    return f"report-objects:{report}:{kind.value}"


def _is_wanted(report: ReportView, version: ReportVersionView, settings: ArchiveSettings) -> bool:
    """Whoever is not sent preliminary reports hears nothing of one that is withdrawn either."""
    if settings.preliminary:
        return True
    return any(
        each.kind not in {VersionKind.PRELIMINARY, VersionKind.RETRACTION}
        for each in report.versions
        if each.number <= version.number
    )


def _concerns(covers: Sequence[Covered], modalities: Sequence[str]) -> bool:
    if not covers:
        return False
    steps = (step for _, procedure in covers for step in procedure.steps)
    return not modalities or any(step.modality in modalities for step in steps)


def _studies(covers: Iterable[Covered]) -> dict[str, list[Covered]]:
    """What a report covers, by study: procedures that were done together share one."""
    found: dict[str, list[Covered]] = {}
    for order, procedure in covers:
        found.setdefault(study_of(procedure), []).append((order, procedure))
    return found


@dataclass(frozen=True, slots=True)
class _Writer:
    """The objects of one version."""

    report: ReportView
    version: ReportVersionView
    studies: Mapping[str, Sequence[Covered]]
    made: Sequence[objects.ObjectView]
    site: SiteView
    settings: ArchiveSettings
    character_set: str

    def request(self, kind: ObjectKind, study: str, ae_title: str) -> StoredRequest:
        told = self._told(kind, study)
        data = self._pdf(told) if kind is ObjectKind.PDF else self._sr(told)
        wanted = (self.character_set,) if self.character_set else ()
        return StoredRequest(
            C_STORE,
            told.identity.sop_class_uid,
            told.identity.sop_instance_uid,
            EXPLICIT_VR_LITTLE_ENDIAN,
            ae_title,
            retrieval.encode(
                dict(sorted(data.items())),
                EXPLICIT_VR_LITTLE_ENDIAN,
                charset.candidates((), wanted, mode="auto"),
            ),
        )

    def _told(self, kind: ObjectKind, study: str) -> Told:
        sop_class, series_number = CLASSES[kind]
        same = [each for each in self.made if each.kind is kind]
        number = self.version.number
        own = next(
            each for each in same if each.number == number and each.study_instance_uid == study
        )
        before = [
            each for each in same if each.number < number and each.study_instance_uid == study
        ]
        return Told(
            report=self.report,
            version=self.version,
            covers=self.studies[study],
            site=self.site,
            identity=Identity(
                sop_class_uid=sop_class,
                sop_instance_uid=own.sop_instance_uid,
                series_instance_uid=own.series_instance_uid,
                study_instance_uid=study,
                series_number=series_number,
            ),
            predecessor=_reference(before[-1]) if before else None,
            identical=[
                _reference(each)
                for each in same
                if each.number == number and each.study_instance_uid != study
            ],
        )

    def _sr(self, told: Told) -> Json:
        performed = [each for _, procedure in told.covers for each in procedure.performed]
        said = objects.said_of([each.public_id for each in performed])
        evidence = sr.evidence_in(said, told.identity.study_instance_uid)
        return sr.dataset(told, evidence, language_code(self.settings.language))

    def _pdf(self, told: Told) -> Json:
        return pdf.dataset(
            told, report_document(self.report.public_id, self.version.number).content
        )


def _reference(made: objects.ObjectView) -> Reference:
    return Reference(
        study_instance_uid=made.study_instance_uid,
        series_instance_uid=made.series_instance_uid,
        sop_class_uid=CLASSES[made.kind][0],
        sop_instance_uid=made.sop_instance_uid,
    )


# --- whether it is there


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What is looked for."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str = ""
    by_commitment: bool = False  # else by looking


def is_confirmation(payload: bytes) -> bool:
    return payload.startswith(b'{"operation": "confirm"')


def read_confirmation(payload: bytes) -> Confirmation:
    """Raises InvalidValueError if this is none of ours."""
    try:
        said = json.loads(payload)
        return Confirmation(
            str(said["study_instance_uid"]),
            str(said["series_instance_uid"]),
            str(said["sop_instance_uid"]),
            str(said.get("sop_class_uid", "")),
            by_commitment=said.get("by") == _COMMITMENT,
        )
    except (ValueError, KeyError, TypeError):
        raise InvalidValueError("not a stored question for an object") from None


def look_for(payload: bytes, endpoint: EndpointInfo) -> None:
    """Have it looked whether an object that was taken is there; once, however often it was sent.

    Or have the archive asked to commit itself to it, where the endpoint says so. Called in the
    transaction that notes the delivery.
    """
    uid = StoredRequest.unpack(payload).sop_instance_uid
    found = objects.find(uid)
    if found is None:
        return
    about, made = found
    by_commitment = endpoint.settings.get("confirm") == _COMMITMENT
    end = "committed by the archive" if by_commitment else "in the archive"
    outbox.enqueue(
        endpoint,
        Outgoing(
            lane=f"confirm:{uid}",
            control_id=confirmation_id(made.public_id),
            message_type=f"{_WORDS[made.kind]}, version {made.number}: {end}",
            payload=json.dumps(
                {
                    "operation": _CONFIRM,
                    "study_instance_uid": made.study_instance_uid,
                    "series_instance_uid": made.series_instance_uid,
                    "sop_instance_uid": made.sop_instance_uid,
                    "sop_class_uid": CLASSES[made.kind][0],
                    "by": _COMMITMENT if by_commitment else "query",
                }
            ).encode(),
            orders=about.orders,
        ),
        patient=about.patient,
        report=about.report,
        event=objects.event_of(endpoint.id, made, _lane(about.report, made.kind)),
    )
