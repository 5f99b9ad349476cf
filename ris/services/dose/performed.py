"""What follows for dose and images when a performed step ends."""

from __future__ import annotations

from django.db.models import Q

from ris.domain.dose import BY_HAND, DoseMatch, DoseSource, RecordDose
from ris.domain.dose_performed import comments_in, kind_of, quantities_in
from ris.domain.performing import Match
from ris.domain.values import Identifier
from ris.models import DoseRecord, PerformedProcedureStep
from ris.services._context import Context
from ris.services.availability import look_again
from ris.services.dose.joining import join_again
from ris.services.dose.recording import record_dose


def after_ending(performed: PerformedProcedureStep, context: Context) -> None:
    """Keep the dose it states, as the fallback it is (DOSE-04); compare its list of images."""
    totals = quantities_in(performed.dataset)
    if totals:
        number = performed.patient_identifier
        references = performed.references or [{}]
        record_dose(
            RecordDose(
                source=DoseSource.MPPS,
                source_uid=performed.sop_instance_uid,
                kind=kind_of(performed.modality),
                study_instance_uid=performed.study_instance_uid,
                accession_number=references[0].get("accession_number", ""),
                patient_identifier=Identifier(number, performed.patient_issuer) if number else None,
                patient_name=performed.patient_name,
                patient_birth_date=performed.patient_birth_date,
                performed_uids=(performed.sop_instance_uid,),
                ae_title=performed.station_ae_title,
                station_name=performed.station_name,
                title="Dose told with the performed step",
                content_at=performed.ended_at,
                started_at=performed.started_at,
                ended_at=performed.ended_at,
                totals=totals,
                note=comments_in(performed.dataset),
            ),
            context,
        )
    if performed.match == Match.QUARANTINED.value:
        _reconsider(performed, context)  # its reports may have come before we knew (SPS-04)
    look_again(performed, context)


def after_tying(performed: PerformedProcedureStep, context: Context) -> None:
    """Dose and images go where people say that the exam belongs."""
    _reconsider(performed, context)
    look_again(performed, context)


_TIED = (DoseMatch.MATCHED.value, DoseMatch.WAITING.value, DoseMatch.MISMATCH.value)


def _reconsider(performed: PerformedProcedureStep, context: Context) -> None:
    """Look again for the exam of each report that is of this one, by name or by its study."""
    own = Q(performed=performed)
    if performed.study_instance_uid:
        own |= Q(study_instance_uid=performed.study_instance_uid)
    rows = DoseRecord.objects.select_for_update(of=("self",)).filter(own, match__in=_TIED)
    for record in rows.exclude(joined_by=BY_HAND).order_by("pk"):
        join_again(record, context)
