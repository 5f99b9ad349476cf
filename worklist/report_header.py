"""What an SR and a PDF of a report have in common: patient, study, series, equipment, SOP.

PS3.3 C.7.1.1, C.7.2.1, C.7.5.1, C.12.1. Made for images of the same study to stand beside them: the
same Study Instance UID, accession number and patient as the order (spec/dicom.md RPT-01).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from ris.domain.identifiers import universal_id
from ris.domain.reporting import VersionKind
from ris.selectors.facility import SiteView
from ris.selectors.views import OrderView, ProcedureView, ReportVersionView, ReportView
from ris.version import version as release
from worklist.building import date_of, elements, moment, time_of, whole
from worklist.dicom_json import Json

Covered = tuple[OrderView, ProcedureView]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The UIDs and numbers of one object."""

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    series_number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Another object: an earlier version, or the same in another study."""

    study_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A version in one study, with all that is said beside it."""

    report: ReportView
    version: ReportVersionView
    covers: Sequence[Covered]  # of this study
    site: SiteView
    identity: Identity
    predecessor: Reference | None = None
    identical: Sequence[Reference] = ()

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.site.time_zone)

    @property
    def order(self) -> OrderView:
        return self.covers[0][0]

    @property
    def organization(self) -> str:
        return self.site.institution or self.site.name

    @property
    def is_verified(self) -> bool:
        """Somebody accountable stands for it (PS3.3 C.17.2: Verification Flag)."""
        return bool(self.version.signer_name) and self.version.kind is not VersionKind.PRELIMINARY


def study_of(procedure: ProcedureView) -> str:
    """The study that the images are in: a modality may have made up one of its own."""
    made = (each.study_instance_uid for each in procedure.performed if each.study_instance_uid)
    return next(made, "") or procedure.study_instance_uid


def header(told: Told, modality: str, description: str) -> dict[str, Any]:
    """The modules as keywords and values."""
    order, version, zone = told.order, told.version, told.zone
    patient = order.patient
    begun = _begun(told.covers) or order.ordered_at
    return {
        "SOPClassUID": told.identity.sop_class_uid,
        "SOPInstanceUID": told.identity.sop_instance_uid,
        "InstanceCreationDate": date_of(version.signed_at, zone),
        "InstanceCreationTime": time_of(version.signed_at, zone),
        "TimezoneOffsetFromUTC": moment(version.signed_at, zone)[-5:],
        "PatientName": str(patient.name),
        "PatientID": whole(patient.identifier.value, "LO", "(0010,0020)"),
        "PatientBirthDate": patient.birth_date.dicom,
        "PatientSex": patient.sex.value if patient.sex.value in "MFO" else "",
        **issuer_of(patient.identifier.issuer),
        "StudyInstanceUID": told.identity.study_instance_uid,
        "StudyDate": date_of(begun, zone),
        "StudyTime": time_of(begun, zone),
        "StudyID": whole(told.covers[0][1].procedure_id, "SH"),
        "StudyDescription": told.covers[0][1].description or None,
        "AccessionNumber": whole(order.accession.value, "SH", "(0008,0050)"),
        "ReferringPhysicianName": str(order.referring),
        "Modality": modality,
        "SeriesInstanceUID": told.identity.series_instance_uid,
        "SeriesNumber": str(told.identity.series_number),
        "SeriesDescription": description,
        "InstanceNumber": str(version.number),
        "ContentDate": date_of(version.signed_at, zone),
        "ContentTime": time_of(version.signed_at, zone),
        "Manufacturer": "RIS",
        "ManufacturerModelName": "RIS",
        "SoftwareVersions": release(),
        "InstitutionName": told.organization,
    }


def issuer_of(issuer: str) -> dict[str, Any]:
    """(0010,0021), and (0010,0024) where the issuer has a name the world knows (PS3.3 10.14)."""
    if not issuer:
        return {}
    value, kind = universal_id(issuer)
    # A part of an issuer's name is another's: what does not fit is left out.
    name = whole(issuer, "LO") or None
    if not kind:
        return {"IssuerOfPatientID": name}
    named = elements({"UniversalEntityID": value, "UniversalEntityIDType": kind})
    return {"IssuerOfPatientID": name, "IssuerOfPatientIDQualifiersSequence": [named]}


def hierarchy(references: Sequence[Reference]) -> list[Json]:
    """References by study and series (PS3.3 C.17.2.1)."""
    studies: dict[str, dict[str, list[Json]]] = {}
    for each in references:
        series = studies.setdefault(each.study_instance_uid, {})
        series.setdefault(each.series_instance_uid, []).append(
            elements(
                {
                    "ReferencedSOPClassUID": each.sop_class_uid,
                    "ReferencedSOPInstanceUID": each.sop_instance_uid,
                }
            )
        )
    return [_study(study, series) for study, series in studies.items()]


def _study(study: str, series: Mapping[str, list[Json]]) -> Json:
    return elements(
        {
            "StudyInstanceUID": study,
            "ReferencedSeriesSequence": [
                elements({"SeriesInstanceUID": uid, "ReferencedSOPSequence": found})
                for uid, found in series.items()
            ],
        }
    )


def _begun(covers: Sequence[Covered]) -> datetime | None:
    times = [performed.started_at for _, procedure in covers for performed in procedure.performed]
    return min(times, default=None)
