"""An archive has the images → ORU^R01 that says so (HL7 v2.5.1 7.3.1; as dcm4chee tells it).

It names the study (OBX-3 113014) and carries no text: OBR-25 is R, results stored and not yet
verified, so it is not told any more once a report is signed, whose status it would take back.
"""

from __future__ import annotations

from integration.hl7 import bindings
from integration.hl7.bindings import Progress
from integration.hl7.er7_writer import SegmentRow, Value
from integration.hl7.from_domain.draft import Draft
from integration.hl7.from_domain.segments import OBR, ORC, PID, PV1, ToldOrder, row
from integration.hl7.profiles import Profile
from ris.domain.protocol import StoredEvent
from ris.selectors.views import OrderView, ProcedureView

IMAGES_EVENTS = frozenset({"ImagesAvailable"})
_STORED = Progress("IP", "R")


def images_available(event: StoredEvent, order: OrderView, profile: Profile) -> Draft | None:
    """The message for the study of the event; None if it is not the order's, or reported."""
    uid = str(event.payload["study_instance_uid"])
    for procedure in order.procedures:
        if procedure.study_instance_uid == uid and not _is_reported(procedure):
            told = _told(event, order, procedure, profile)
            head = [row("PID", PID, told), row("PV1", PV1, told)]
            body = [row("ORC", ORC, told), row("OBR", OBR, told), _study(told)]
            return Draft("ORU", "R01", "ORU_R01", [*head, *body])
    return None


def _is_reported(procedure: ProcedureView) -> bool:
    return procedure.report is not None and bool(procedure.report.versions)


def _told(
    event: StoredEvent, order: OrderView, procedure: ProcedureView, profile: Profile
) -> ToldOrder:
    started = [each.started_at for each in procedure.performed]
    ended = [each.ended_at for each in procedure.performed if each.ended_at]
    return ToldOrder(
        profile=profile,
        at=event.at,
        patient=order.patient,
        visit=order.visit,
        order=order,
        procedure=procedure,
        step=procedure.steps[0] if procedure.steps else None,
        control="RE",
        progress=_STORED,
        timing_in_orc=False,
        observed_at=min(started, default=None),
        observed_until=max(ended, default=None),
    )


def _study(told: ToldOrder) -> SegmentRow:
    settings = told.profile.settings
    uid: Value = told.procedure.study_instance_uid
    if settings.study_uid_type == "RP":
        uid = (uid, settings.application, "Application", "DICOM")
    return ("OBX", 1, settings.study_uid_type, bindings.STUDY_UID, None, uid, *(None,) * 5, "O")
