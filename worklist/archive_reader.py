"""Archives asked for the pages (ris.services.archives): by C-FIND or QIDO-RS, within seconds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from ris.domain.archives import Terms, ToldSeries, ToldStudy
from ris.domain.errors import InvalidValueError
from ris.domain.protocol import EndpointInfo
from ris.services.archives import SilentArchiveError
from worklist import dicomweb, dicomweb_settings, endpoint_settings, outbound

if TYPE_CHECKING:
    from worklist.asking import Dimse, Web

T = TypeVar("T")


class _Reader(ABC):
    """What both have in common: the questions, and the attributes of the answers."""

    def terms(self, endpoint: EndpointInfo) -> Terms:
        return Terms(issuer=str(endpoint.settings.get("issuer", "")))

    def studies(
        self, endpoint: EndpointInfo, number: str, issuer: str, seconds: float
    ) -> Sequence[ToldStudy]:
        found = _ask(lambda: self._archive(endpoint, seconds).studies(number, issuer))
        return [_study(each) for each in found]

    def series(self, endpoint: EndpointInfo, study: str, seconds: float) -> Sequence[ToldSeries]:
        found = _ask(lambda: self._archive(endpoint, seconds).series(study))
        return [_series(each) for each in found]

    @abstractmethod
    def _archive(self, endpoint: EndpointInfo, seconds: float) -> Dimse | Web:
        """Whom to ask, with waits that end within so many seconds."""


class DimseReader(_Reader):
    def _archive(self, endpoint: EndpointInfo, seconds: float) -> Dimse | Web:
        from worklist.asking import Dimse

        settings = endpoint_settings.read_settings(endpoint.settings)
        whom = outbound.target(endpoint.host, endpoint.port or 0, endpoint.protocol_name, settings)
        third = seconds / 3
        return Dimse(
            replace(
                whom,
                connect_seconds=min(whom.connect_seconds, third),
                associate_seconds=min(whom.associate_seconds, third),
                answer_seconds=min(whom.answer_seconds, third),
            )
        )


class WebReader(_Reader):
    def _archive(self, endpoint: EndpointInfo, seconds: float) -> Dimse | Web:
        from worklist.asking import Web

        whom = dicomweb.service(dicomweb_settings.read_settings(endpoint.settings))
        half = seconds / 2
        return Web(
            replace(
                whom,
                connect_seconds=min(whom.connect_seconds, half),
                answer_seconds=min(whom.answer_seconds, half),
            )
        )


def _ask(question: Callable[[], T]) -> T:
    from worklist.requestor import CallError

    try:
        return question()
    except (CallError, InvalidValueError) as failed:
        raise SilentArchiveError(str(failed)) from None


def _study(row: Any) -> ToldStudy:
    return ToldStudy(
        study_instance_uid=_text(row, "StudyInstanceUID"),
        number=_text(row, "PatientID"),
        issuer=_text(row, "IssuerOfPatientID"),
        name=_text(row, "PatientName"),
        birth_date=_text(row, "PatientBirthDate"),
        made_on=_text(row, "StudyDate"),
        description=_text(row, "StudyDescription"),
        modalities=_texts(row, "ModalitiesInStudy"),
        accession_number=_text(row, "AccessionNumber"),
        images=_number(row, "NumberOfStudyRelatedInstances"),
    )


def _series(row: Any) -> ToldSeries:
    return ToldSeries(
        series_instance_uid=_text(row, "SeriesInstanceUID"),
        modality=_text(row, "Modality"),
        images=_number(row, "NumberOfSeriesRelatedInstances"),
    )


def _text(row: Any, keyword: str) -> str:
    from worklist.dicom_json import text_of
    from worklist.elements import tag_of

    return text_of(row, tag_of(keyword)).strip()


def _texts(row: Any, keyword: str) -> tuple[str, ...]:
    from worklist.elements import tag_of

    values = row.get(f"{tag_of(keyword):08X}", {}).get("Value", ())
    return tuple(str(value) for value in values if value)


def _number(row: Any, keyword: str) -> int | None:
    text = _text(row, keyword)
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 10 else None
