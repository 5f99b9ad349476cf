"""Hold, book, move and cancel appointments; arrivals; hours."""

from __future__ import annotations

from ris.domain.actors import Role
from ris.domain.arrivals import CallPatient
from ris.domain.exam_sets import BookSeries, BookTogether, SequenceProcedures
from ris.domain.resources import (
    BeginDowntime,
    EndDowntime,
    FollowClosures,
    ReleaseBlock,
    RemoveBlock,
    ReserveBlock,
)
from ris.domain.scheduling import (
    AddClosure,
    AnswerAppointment,
    BookAppointment,
    CancelAppointment,
    ExpireHolds,
    FollowSchedule,
    HoldSlot,
    PrepareStep,
    ProposeAppointment,
    RecordArrival,
    RecordNoShow,
    RemoveClosure,
    RescheduleAppointment,
    SetResourceHours,
)
from ris.domain.undoing import UndoArrival, UndoNoShow
from ris.domain.waiting import (
    AcceptOffer,
    DeclineOffer,
    OfferSlot,
    StopWaiting,
    WaitForSlot,
)
from ris.services._execute import register_glance
from ris.services.scheduling.answers import answer_appointment
from ris.services.scheduling.appointments import (
    book_appointment,
    cancel_appointment,
    expire_holds,
    hold_slot,
    propose_appointment,
    reschedule_appointment,
)
from ris.services.scheduling.arrivals import prepare_step, record_arrival, record_no_show
from ris.services.scheduling.blocks import release_block, remove_block, reserve_block
from ris.services.scheduling.following import follow_schedule
from ris.services.scheduling.following_closures import follow_closures
from ris.services.scheduling.glancing import (
    glance_at_booking,
    glance_at_hold,
    glance_at_move,
    glance_at_set,
)
from ris.services.scheduling.hours import (
    add_closure,
    begin_downtime,
    end_downtime,
    remove_closure,
    set_resource_hours,
)
from ris.services.scheduling.sets import book_series, book_together, sequence_procedures
from ris.services.scheduling.tickets import call_patient
from ris.services.scheduling.undoing import undo_arrival, undo_no_show
from ris.services.scheduling.waiting import (
    accept_offer,
    decline_offer,
    offer_freed,
    offer_slot,
    stop_waiting,
    wait_for_slot,
)

__all__ = ["HANDLERS", "PERMISSIONS", "offer_freed"]

HANDLERS = {
    BookTogether: book_together,
    BookSeries: book_series,
    SequenceProcedures: sequence_procedures,
    WaitForSlot: wait_for_slot,
    StopWaiting: stop_waiting,
    OfferSlot: offer_slot,
    AcceptOffer: accept_offer,
    DeclineOffer: decline_offer,
    ProposeAppointment: propose_appointment,
    HoldSlot: hold_slot,
    BookAppointment: book_appointment,
    RescheduleAppointment: reschedule_appointment,
    CancelAppointment: cancel_appointment,
    AnswerAppointment: answer_appointment,
    FollowSchedule: follow_schedule,
    RecordArrival: record_arrival,
    PrepareStep: prepare_step,
    RecordNoShow: record_no_show,
    CallPatient: call_patient,
    UndoArrival: undo_arrival,
    UndoNoShow: undo_no_show,
    ExpireHolds: expire_holds,
    SetResourceHours: set_resource_hours,
    AddClosure: add_closure,
    FollowClosures: follow_closures,
    RemoveClosure: remove_closure,
    BeginDowntime: begin_downtime,
    EndDowntime: end_downtime,
    ReserveBlock: reserve_block,
    ReleaseBlock: release_block,
    RemoveBlock: remove_block,
}


_DESK = {Role.SCHEDULER, Role.FRONTDESK, Role.INTERFACE, Role.SYSTEM}


_SETUP = {Role.MANAGER, Role.ADMIN, Role.SYSTEM}


# Whoever stands at the scanner is the first to know that it is down.
_CLOSING = _SETUP | {Role.SCHEDULER, Role.TECHNOLOGIST}


PERMISSIONS = {
    BookTogether: _DESK,
    BookSeries: _DESK,
    SequenceProcedures: _SETUP,
    WaitForSlot: _DESK,
    StopWaiting: _DESK,
    OfferSlot: {Role.SYSTEM},
    AcceptOffer: _DESK,
    DeclineOffer: _DESK,
    ProposeAppointment: _DESK,
    HoldSlot: _DESK,
    BookAppointment: _DESK,
    # A patient at the page of an appointment: that one only (services/patient_links.py: guard).
    RescheduleAppointment: _DESK | {Role.PATIENT},
    CancelAppointment: _DESK | {Role.PATIENT},
    AnswerAppointment: _DESK | {Role.PATIENT},
    FollowSchedule: {Role.INTERFACE, Role.SYSTEM},
    FollowClosures: {Role.INTERFACE, Role.SYSTEM},
    RecordArrival: _DESK | {Role.TECHNOLOGIST},
    PrepareStep: {Role.TECHNOLOGIST, Role.FRONTDESK, Role.SYSTEM},
    RecordNoShow: _DESK | {Role.TECHNOLOGIST},
    UndoArrival: _DESK | {Role.TECHNOLOGIST},
    UndoNoShow: _DESK | {Role.TECHNOLOGIST},
    CallPatient: {Role.FRONTDESK, Role.TECHNOLOGIST, Role.SYSTEM},
    ExpireHolds: {Role.SYSTEM},
    SetResourceHours: _SETUP,
    AddClosure: _CLOSING,
    RemoveClosure: _CLOSING,
    BeginDowntime: _CLOSING,
    EndDowntime: _CLOSING,
    ReserveBlock: _SETUP,
    ReleaseBlock: _SETUP | {Role.SCHEDULER},
    RemoveBlock: _SETUP,
}

register_glance(HoldSlot, glance_at_hold)
register_glance(BookAppointment, glance_at_booking)
register_glance(RescheduleAppointment, glance_at_move)
register_glance(BookTogether, glance_at_set)
