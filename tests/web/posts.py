"""Every form that a page sends, for the department in which something stands in every state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ris.domain.arrivals import CallPatient, ConfigureDesk, IssueWallLink, RequestCorrection
from ris.domain.corrections import (
    MovePerformedStep,
    OrderPerformedStep,
    RevisePerformedStep,
    SettleFollowUp,
    UndoCorrection,
)
from ris.domain.exchange import (
    ConfigureEndpoint,
    EditDelivery,
    EditMessage,
    PauseEndpoint,
    ReplayMessage,
    RequeueDelivery,
    ResendDelivery,
    ResolveException,
    SkipDelivery,
    StartRun,
    StopRun,
)
from ris.domain.facility import RegisterDevice
from ris.domain.interfaces import AcknowledgeAlert
from ris.domain.letterheads import ChangeLetterhead
from ris.domain.orders import (
    CancelOrder,
    CancelStep,
    CompleteInformation,
    HoldOrder,
    PlaceOrder,
    ReleaseOrder,
    RepeatStep,
    ReviseOrder,
    VoidOrder,
)
from ris.domain.patients import (
    DecideReview,
    MergePatients,
    RegisterPatient,
    SettleVisit,
    UnmergePatients,
)
from ris.domain.performing import (
    CompletePerformedStep,
    DiscontinuePerformedStep,
    RelinkPerformedStep,
    StartPerformedStep,
)
from ris.domain.reading import (
    ReleaseReading,
    SetReadingScope,
    SetReadingTargets,
    SkipReading,
    TakeOverReading,
)
from ris.domain.relocating import RelocateAppointments
from ris.domain.report_templates import (
    ApplyReportTemplate,
    DefineReportTemplate,
    DropReportTemplate,
    FillFromExam,
    SaveMacro,
)
from ris.domain.reporting import (
    AmendReport,
    CommunicateCriticalResult,
    CoverExams,
    DiscardDraft,
    FinalizeReport,
    OpenReport,
    RetractReport,
    ReturnReport,
    SaveDraft,
)
from ris.domain.scheduling import (
    BookAppointment,
    CancelAppointment,
    PrepareStep,
    RecordArrival,
    RecordNoShow,
    RescheduleAppointment,
)
from ris.domain.subscriptions import RemoveSubscription
from ris.domain.supplies import ChangeExam, DefineSupply, RecordReaction, RecordSupplies
from ris.domain.undoing import UndoArrival
from ris.models import Device, Endpoint, Order, PerformedProcedureStep, ProcedureDefinition
from tests import make
from tests.web.department import Department, today_at

SLOT_HOUR = 15


@dataclass(frozen=True)
class Post:
    """A form somebody may send: where, with what, and the command it gives."""

    command: type[Any]
    path: Callable[[Department], str]
    form: Callable[[Department], dict[str, str]] = field(default=lambda d: {})


def _slot(department: Department) -> dict[str, str]:
    device = Device.objects.get(ae_title="CT2").public_id
    return {"slot": f"{device} {today_at(SLOT_HOUR).isoformat()}"}


def _move(department: Department) -> dict[str, str]:
    """As the finder's page of a booked exam sends it."""
    return {**_slot(department), "moves": _appointment(department.booked)}


def _appointment(order: Order) -> str:
    return str(make.appointment_of(order).public_id)


def _step(order: Order) -> str:
    return str(make.step_of(order).public_id)


def _performed(department: Department) -> dict[str, str]:
    uid = PerformedProcedureStep.objects.get(order=department.started).sop_instance_uid
    return {"performed": uid, "reason": "110505"}


def _begin(department: Department) -> dict[str, str]:
    step = make.step_of(department.arrived)
    return {"step": str(step.public_id), "version": str(step.version)}


def _order_form(department: Department) -> dict[str, str]:
    definition = ProcedureDefinition.objects.get(code="CTHEAD")
    return {
        "patient": str(department.waiting.patient.public_id),
        "token": "t",
        "procedure": str(definition.public_id),
        "priority": "ROUTINE",
        "reason": "x",
    }


REASON = {"reason": "because"}
POSTS = [
    Post(PlaceOrder, lambda d: "/orders/new/", _order_form),
    Post(CancelOrder, lambda d: f"/orders/{d.waiting.public_id}/cancel/", lambda d: REASON),
    Post(HoldOrder, lambda d: f"/orders/{d.waiting.public_id}/hold/", lambda d: REASON),
    Post(ReleaseOrder, lambda d: f"/orders/{d.held.public_id}/release/"),
    Post(VoidOrder, lambda d: f"/orders/{d.waiting.public_id}/void/", lambda d: REASON),
    Post(
        ReviseOrder,
        lambda d: f"/orders/{d.waiting.public_id}/revise/",
        lambda d: {"priority": "STAT", "reason": "x"},
    ),
    Post(CancelStep, lambda d: f"/steps/{_step(d.waiting)}/cancel/", lambda d: REASON),
    Post(RepeatStep, lambda d: f"/steps/{_step(d.waiting)}/repeat/"),
    Post(
        CompleteInformation,
        lambda d: f"/steps/{_step(d.without_modality)}/complete/",
        lambda d: {"modality": "CT", "duration_minutes": "20"},
    ),
    Post(BookAppointment, lambda d: f"/book/{_step(d.waiting)}/", _slot),
    Post(RescheduleAppointment, lambda d: f"/book/{_step(d.booked)}/", _move),
    Post(RescheduleAppointment, lambda d: f"/board/move/{_appointment(d.booked)}/", _slot),
    Post(
        RelocateAppointments,
        lambda d: "/board/relocate/?room=CT1",
        lambda d: {"move": _appointment(d.booked), **REASON},
    ),
    Post(RelocateAppointments, lambda d: f"/board/later/{_appointment(d.booked)}/"),
    Post(
        RecordArrival,
        lambda d: f"/appointments/{_appointment(d.booked)}/arrive/",
        lambda d: {"name": "Ken Ito", "birth_date": "1970-05-03"},
    ),
    Post(RecordNoShow, lambda d: f"/appointments/{_appointment(d.late)}/no-show/"),
    Post(CancelAppointment, lambda d: f"/appointments/{_appointment(d.booked)}/cancel/"),
    Post(PrepareStep, lambda d: "/room/CT1/ready/", lambda d: {"step": _step(d.arrived)}),
    Post(CallPatient, lambda d: f"/arrivals/{_appointment(d.arrived)}/call/"),
    Post(
        CallPatient,
        lambda d: "/room/CT1/call/",
        lambda d: {"appointment": _appointment(d.arrived)},
    ),
    Post(UndoArrival, lambda d: f"/arrivals/{_appointment(d.arrived)}/undo/"),
    Post(
        RequestCorrection,
        lambda d: f"/arrivals/{_appointment(d.booked)}/correction/",
        lambda d: {"correct-phone": "0123"},
    ),
    Post(RecordSupplies, lambda d: f"/room/CT1/supplies/{_step(d.started)}/"),
    Post(
        RecordReaction,
        lambda d: f"/room/CT1/reaction/{_step(d.started)}/",
        lambda d: {"code": "418363000", "severity": "MILD"},
    ),
    Post(
        ChangeExam,
        lambda d: f"/room/CT1/change/{_step(d.arrived)}/",
        lambda d: {"laterality": "L", "reason": "x"},
    ),
    Post(DefineSupply, lambda d: "/supplies/new/", lambda d: {"code": "X", "name": "X"}),
    Post(ChangeLetterhead, lambda d: f"/letterhead/{d.unmatched}/", lambda d: {"institution": "X"}),
    Post(ConfigureDesk, lambda d: "/arrivals/setup/"),
    Post(IssueWallLink, lambda d: "/arrivals/setup/screens/", lambda d: {"screen-name": "X"}),
    Post(StartPerformedStep, lambda d: "/room/CT1/begin/", _begin),
    Post(CompletePerformedStep, lambda d: "/room/CT1/complete/", _performed),
    Post(DiscontinuePerformedStep, lambda d: "/room/CT1/discontinue/", _performed),
    Post(
        OpenReport,
        lambda d: "/reading/open/",
        lambda d: {"procedure": str(d.unread.procedures.get().public_id)},
    ),
    Post(
        SkipReading,
        lambda d: "/reading/skip/",
        lambda d: {"procedure": str(d.unread.procedures.get().public_id)},
    ),
    Post(SetReadingScope, lambda d: "/reading/mine/", lambda d: {"subspecialty": "neuro"}),
    Post(
        SetReadingTargets,
        lambda d: "/reading/targets/",
        lambda d: {"priority": "", "patient_class": "", "minutes": "5"},
    ),
    Post(TakeOverReading, lambda d: f"/reports/{d.draft.public_id}/take-over/", lambda d: REASON),
    Post(ReleaseReading, lambda d: f"/reports/{d.draft.public_id}/release/"),
    Post(SaveDraft, lambda d: f"/reports/{d.draft.public_id}/draft/", lambda d: {"findings": "x"}),
    Post(
        FinalizeReport,
        lambda d: f"/reports/{d.draft.public_id}/sign/",
        lambda d: {"findings": "x", "as": "final"},
    ),
    Post(
        CoverExams,
        lambda d: f"/reports/{d.draft.public_id}/cover/",
        lambda d: {"also": str(d.draft.procedures.get().public_id)},
    ),
    Post(DiscardDraft, lambda d: f"/reports/{d.draft.public_id}/discard/"),
    Post(
        ApplyReportTemplate,
        lambda d: f"/reports/{d.draft.public_id}/template/",
        lambda d: {"template": str(d.draft.public_id)},
    ),
    Post(FillFromExam, lambda d: f"/reports/{d.draft.public_id}/fill/"),
    Post(DropReportTemplate, lambda d: f"/reports/{d.draft.public_id}/template/drop/"),
    Post(
        DefineReportTemplate,
        lambda d: "/report-templates/new/",
        lambda d: {"name": "x", "findings": "y"},
    ),
    Post(
        SaveMacro,
        lambda d: "/report-templates/macros/",
        lambda d: {"name": "x", "text": "y"},
    ),
    Post(
        AmendReport,
        lambda d: f"/reports/{d.final.public_id}/addendum/",
        lambda d: {"addendum": "x"},
    ),
    Post(
        ReturnReport,
        lambda d: f"/reports/{d.preliminary.public_id}/return/",
        lambda d: {"note": "x"},
    ),
    Post(RetractReport, lambda d: f"/reports/{d.final.public_id}/retract/", lambda d: REASON),
    Post(
        CommunicateCriticalResult,
        lambda d: f"/reports/{d.final.public_id}/critical/",
        lambda d: {"finding": "x", "told": "y"},
    ),
    Post(
        RelinkPerformedStep,
        lambda d: f"/exceptions/performed/{d.unmatched}/",
        lambda d: {**REASON, "step": _step(d.waiting)},
    ),
    *(
        Post(
            command,
            lambda d: f"/exceptions/performed/{d.unmatched}/",
            lambda d, action=action: {**REASON, "action": action, "patient": d.unmatched},
        )
        for action, command in (
            ("unlink", RelinkPerformedStep),
            ("order", OrderPerformedStep),
            ("move", MovePerformedStep),
            ("register", MovePerformedStep),
            ("revise", RevisePerformedStep),
        )
    ),
    Post(
        UndoCorrection, lambda d: f"/exceptions/corrections/{d.unmatched}/undo/", lambda d: REASON
    ),
    Post(
        SettleFollowUp,
        lambda d: f"/exceptions/follow-ups/{d.unmatched}/",
        lambda d: {"action": "DONE"},
    ),
    Post(
        ResolveException,
        lambda d: "/exceptions/resolve/",
        lambda d: {"kind": "performed", "key": d.unmatched, "note": "x"},
    ),
    Post(ReplayMessage, lambda d: f"/messages/in/{d.rejected.public_id}/replay/"),
    Post(RequeueDelivery, lambda d: f"/messages/out/{d.delivery.public_id}/requeue/"),
    Post(
        RequeueDelivery,
        lambda d: f"/interfaces/{Endpoint.objects.get(name='EHR').public_id}/requeue/",
    ),
    Post(ResendDelivery, lambda d: f"/messages/out/{d.delivery.public_id}/resend/"),
    Post(SkipDelivery, lambda d: f"/messages/out/{d.delivery.public_id}/skip/", lambda d: REASON),
    Post(
        PauseEndpoint,
        lambda d: f"/interfaces/{Endpoint.objects.get(name='EHR').public_id}/pause/",
        lambda d: {"paused": "yes", "reason": "because"},
    ),
    Post(
        ConfigureEndpoint,
        lambda d: f"/interfaces/{Endpoint.objects.get(name='EHR').public_id}/edit/",
        lambda d: {"name": "Other", "host": "127.0.0.1", "port": "2576"},
    ),
    Post(
        ConfigureEndpoint,
        lambda d: "/interfaces/new/?protocol=hl7&direction=in",
        lambda d: {"name": "Other"},
    ),
    Post(
        RemoveSubscription,
        lambda d: f"/interfaces/subscriptions/{d.delivery.public_id}/remove/",
        lambda d: REASON,
    ),
    Post(
        AcknowledgeAlert,
        lambda d: f"/interfaces/alerts/{d.delivery.public_id}/",
        lambda d: {"note": "seen"},
    ),
    Post(
        EditMessage,
        lambda d: f"/messages/in/{d.rejected.public_id}/edit/",
        lambda d: {"text": "MSH|^~\\&|", **REASON},
    ),
    Post(
        EditDelivery,
        lambda d: f"/messages/out/{d.delivery.public_id}/edit/",
        lambda d: {"text": "MSH|^~\\&|", **REASON},
    ),
    Post(
        StartRun,
        lambda d: "/messages/runs/new/?state=open",
        lambda d: {"per_minute": "60", "expected": "1", **REASON},
    ),
    Post(StopRun, lambda d: f"/messages/runs/{d.delivery.public_id}/stop/"),
    Post(
        RegisterPatient,
        lambda d: "/patients/new/",
        lambda d: {"family_name": "New", "birth_date": "", "sex": ""},
    ),
    Post(
        MergePatients,
        lambda d: f"/patients/{d.waiting.patient.public_id}/merge/",
        lambda d: {
            "other": str(d.urgent.patient.public_id),
            "survivor": str(d.waiting.patient.public_id),
            **REASON,
        },
    ),
    Post(
        UnmergePatients,
        lambda d: f"/patients/{d.waiting.patient.public_id}/unmerge/",
        lambda d: REASON,
    ),
    Post(
        DecideReview,
        lambda d: f"/patients/differences/{d.delivery.public_id}/",
        lambda d: {"action": "accept"},
    ),
    Post(
        SettleVisit,
        lambda d: f"/patients/visits/{d.delivery.public_id}/settle/",
        lambda d: {"note": "x"},
    ),
    Post(
        RegisterDevice,
        lambda d: "/devices/",
        lambda d: {"ae_title": "XX1", "modality": "CT", "active": "on"},
    ),
]
