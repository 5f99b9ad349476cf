"""Performed procedure steps: start, update, end, mend."""

from __future__ import annotations

from ris.domain.actors import Role
from ris.domain.corrections import (
    ClosePerformedSteps,
    MovePerformedStep,
    OrderPerformedStep,
    RematchPerformedSteps,
    RevisePerformedStep,
    SettleFollowUp,
    UndoCorrection,
)
from ris.domain.orders import NoteRefusedCancellation
from ris.domain.performing import (
    CompletePerformedStep,
    DiscontinuePerformedStep,
    RelinkPerformedStep,
    StartPerformedStep,
    UpdatePerformedStep,
)
from ris.services.performing.asked_to_cancel import note_refused_cancellation
from ris.services.performing.corrections import (
    move_performed_step,
    order_performed_step,
    relink_performed_step,
    revise_performed_step,
    undo_correction,
)
from ris.services.performing.follow_ups import settle_follow_up
from ris.services.performing.late import close_performed_steps, rematch_performed_steps
from ris.services.performing.steps import (
    complete_performed_step,
    discontinue_performed_step,
    start_performed_step,
    update_performed_step,
)

HANDLERS = {
    StartPerformedStep: start_performed_step,
    UpdatePerformedStep: update_performed_step,
    CompletePerformedStep: complete_performed_step,
    DiscontinuePerformedStep: discontinue_performed_step,
    RelinkPerformedStep: relink_performed_step,
    MovePerformedStep: move_performed_step,
    OrderPerformedStep: order_performed_step,
    RevisePerformedStep: revise_performed_step,
    UndoCorrection: undo_correction,
    SettleFollowUp: settle_follow_up,
    RematchPerformedSteps: rematch_performed_steps,
    ClosePerformedSteps: close_performed_steps,
    NoteRefusedCancellation: note_refused_cancellation,
}


_ROOM = {Role.TECHNOLOGIST, Role.MODALITY, Role.SYSTEM}
_REPAIR = {Role.TECHNOLOGIST, Role.ADMIN, Role.SYSTEM}


PERMISSIONS = {
    StartPerformedStep: _ROOM,
    UpdatePerformedStep: _ROOM,
    CompletePerformedStep: _ROOM,
    DiscontinuePerformedStep: _ROOM,
    RelinkPerformedStep: _REPAIR,
    MovePerformedStep: _REPAIR,
    OrderPerformedStep: _REPAIR,
    RevisePerformedStep: _REPAIR,
    UndoCorrection: _REPAIR,
    SettleFollowUp: _REPAIR | {Role.MANAGER, Role.SCHEDULER},
    RematchPerformedSteps: {Role.SYSTEM},
    ClosePerformedSteps: {Role.SYSTEM},
    NoteRefusedCancellation: {Role.SCHEDULER, Role.INTERFACE, Role.SYSTEM},
}
