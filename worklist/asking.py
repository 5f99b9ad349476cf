"""Questions to archives: which studies of a patient, which series of a study, is an object there.

Over DIMSE by C-FIND in the Study Root model (PS3.4 C.6.2, IHE RAD-14), over DICOMweb by QIDO-RS
(PS3.18 10.6). Both answer with the same attributes, as DICOM JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Any, Final
from urllib.parse import quote, urlencode

from ris.domain.errors import RisError
from ris.domain.protocol import Result
from worklist import charset, dicom_json, scu
from worklist.building import elements, whole
from worklist.dicom_json import Json
from worklist.elements import Texts, read, tag_of
from worklist.requestor import CallError, Target
from worklist.storing import Confirmation
from worklist.web_client import Answer, Service, ask

STUDY_ROOT_FIND: Final = "1.2.840.10008.5.1.4.1.2.2.1"
MOST: Final = 200  # studies of a patient, series of a study
_PAGES: Final = 20  # of a service that tells fewer at once
STUDY_KEYS: Final = (
    "StudyInstanceUID", "StudyDate", "StudyTime", "StudyDescription", "AccessionNumber",
    "IssuerOfPatientID", "PatientID", "PatientName", "PatientBirthDate", "PatientSex",
    "ModalitiesInStudy", "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances",
)  # fmt: skip
SERIES_KEYS: Final = ("SeriesInstanceUID", "Modality", "NumberOfSeriesRelatedInstances")


def _patient(number: str, issuer: str) -> dict[str, str]:
    """The keys of a patient's studies; none for a number that would be a pattern, or cut.

    ``*`` and ``?`` match others' numbers (PS3.4 C.2.2.2.4).
    """
    if not whole(number, "LO") or not {"*", "?"}.isdisjoint(number):
        return {}
    named = "" if not {"*", "?"}.isdisjoint(issuer) else whole(issuer, "LO")
    return {"PatientID": number, **({"IssuerOfPatientID": named} if named else {})}


class Dimse:
    """An archive that is asked by C-FIND."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def is_there(self, wanted: Confirmation) -> bool:
        found = self._find(
            "IMAGE",
            {
                "StudyInstanceUID": wanted.study_instance_uid,
                "SeriesInstanceUID": wanted.series_instance_uid,
                "SOPInstanceUID": wanted.sop_instance_uid,
            },
            (),
            1,
        )
        return _names(found, wanted)

    def studies(self, number: str, issuer: str) -> list[Json]:
        keys = _patient(number, issuer)
        return self._find("STUDY", keys, STUDY_KEYS, MOST) if keys else []

    def series(self, study: str) -> list[Json]:
        return self._find("SERIES", {"StudyInstanceUID": study}, SERIES_KEYS, MOST)

    def _find(
        self, level: str, keys: Mapping[str, str], wanted: Sequence[str], most: int
    ) -> list[Json]:
        asked: dict[str, Any] = {
            # Said though the keys do not need it: many answer in the set of the question, and a
            # name that came without its letters would be another's.
            "SpecificCharacterSet": charset.UTF8[0],
            "QueryRetrieveLevel": level,
            **dict.fromkeys(wanted, ""),
            **keys,
        }
        found = scu.find(self._target, STUDY_ROOT_FIND, dict(sorted(elements(asked).items())), most)
        if found.end.status and len(found.matches) < most:
            raise CallError(
                Result.TRANSIENT,
                f"the query ended with {found.end.status:04X} {found.end.comment}",
            )
        try:
            return [
                dicom_json.to_json(Texts.of(read(each, found.transfer_syntax)))
                for each in found.matches
            ]
        except RisError as error:
            raise CallError(Result.AMBIGUOUS, f"unreadable answer: {error.message}") from None


class Web:
    """An archive that is asked by QIDO-RS."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def is_there(self, wanted: Confirmation) -> bool:
        path = (
            f"/studies/{quote(wanted.study_instance_uid)}"
            f"/series/{quote(wanted.series_instance_uid)}/instances"
        )
        return _names(self._get(path, {"SOPInstanceUID": wanted.sop_instance_uid}, (), 1), wanted)

    def studies(self, number: str, issuer: str) -> list[Json]:
        keys = _patient(number, issuer)
        return self._get("/studies", keys, STUDY_KEYS, MOST) if keys else []

    def series(self, study: str) -> list[Json]:
        return self._get(f"/studies/{quote(study)}/series", {}, SERIES_KEYS, MOST)

    def _get(
        self, path: str, keys: Mapping[str, str], wanted: Sequence[str], most: int
    ) -> list[Json]:
        fields = ",".join(f"{tag_of(keyword):08X}" for keyword in wanted)
        asked = {**keys, **({"includefield": fields} if fields else {}), "limit": str(most)}
        found: list[Json] = []
        # All pages together take no longer than one may.
        deadline = monotonic() + self._service.connect_seconds + self._service.answer_seconds
        for _ in range(_PAGES):
            further = {"offset": str(len(found))} if found else {}
            answer = ask(
                self._service,
                "GET",
                f"{path}?{urlencode({**asked, **further}, quote_via=quote, safe=',')}",
                {"Accept": "application/dicom+json"},
            )
            page = _read(answer)
            found += page
            if len(found) >= most or not page or not _is_partial(answer):
                return found[:most]
            if monotonic() > deadline:
                break
        # A part that is taken for all would be believed.
        raise CallError(Result.TRANSIENT, "the archive tells too little at once, or too slowly")


def _is_partial(answer: Answer) -> bool:
    """Whether the service has more matches than it tells at once (PS3.18 8.3.4.4)."""
    return answer.status == 206 or "additional results" in answer.headers.get("warning", "")


def _read(answer: Answer) -> list[Json]:
    """The matches; 204 says that there are none (PS3.18 10.6.3)."""
    if answer.status == 204 or (answer.status == 200 and not answer.body.strip()):
        return []
    if answer.status not in {200, 206}:
        refuses = 400 <= answer.status < 500 and answer.status not in {408, 425, 429}
        raise CallError(
            Result.REFUSED if refuses else Result.TRANSIENT,
            f"the query was answered with {answer.status} {answer.reason}",
        )
    try:
        found = json.loads(answer.body)
        if not isinstance(found, list):
            raise CallError(Result.AMBIGUOUS, "unreadable answer: no list of matches")
        return [dicom_json.sound(each) for each in found if isinstance(each, dict)]
    except (ValueError, RecursionError):
        raise CallError(Result.AMBIGUOUS, "unreadable answer: this is no JSON") from None


def _names(found: Sequence[Json], wanted: Confirmation) -> bool:
    """Whether the object itself is among the matches: some archives ignore a key they lack."""
    return any(
        dicom_json.text_of(each, tag_of("SOPInstanceUID")) == wanted.sop_instance_uid
        for each in found
    )
