"""Place, revise, hold, cancel orders; add and cancel procedures and steps."""

from __future__ import annotations

from ris.domain.actors import Role
from ris.domain.order_questions import AnswerInformation, AskForInformation
from ris.domain.orders import (
    AddProcedure,
    AskOrder,
    AttachPlacerNumber,
    CancelOrder,
    CancelStep,
    CompleteInformation,
    DiscontinueOrder,
    ExpectCancellation,
    HoldOrder,
    PlaceOrder,
    ReleaseOrder,
    RepeatStep,
    ReplaceOrder,
    ReviseOrder,
    VoidOrder,
)
from ris.domain.splitting import SplitOrder
from ris.domain.undoing import RestoreOrder
from ris.services.orders.answering import ask_order, attach_placer_number
from ris.services.orders.early import expect_cancellation
from ris.services.orders.ending import (
    cancel_order,
    cancel_step,
    discontinue_order,
    hold_order,
    release_order,
    replace_order,
    void_order,
)
from ris.services.orders.placing import (
    add_procedure,
    complete_information,
    place_order,
    repeat_step,
)
from ris.services.orders.questions import answer_information, ask_for_information
from ris.services.orders.restoring import restore_order
from ris.services.orders.revising import revise_order
from ris.services.orders.splitting import split_order

HANDLERS = {
    PlaceOrder: place_order,
    ReviseOrder: revise_order,
    HoldOrder: hold_order,
    ReleaseOrder: release_order,
    CancelOrder: cancel_order,
    DiscontinueOrder: discontinue_order,
    VoidOrder: void_order,
    AddProcedure: add_procedure,
    CancelStep: cancel_step,
    RepeatStep: repeat_step,
    CompleteInformation: complete_information,
    ReplaceOrder: replace_order,
    ExpectCancellation: expect_cancellation,
    AttachPlacerNumber: attach_placer_number,
    AskOrder: ask_order,
    RestoreOrder: restore_order,
    SplitOrder: split_order,
    AskForInformation: ask_for_information,
    AnswerInformation: answer_information,
}


_DESK = {Role.SCHEDULER, Role.FRONTDESK, Role.INTERFACE, Role.SYSTEM}


PERMISSIONS = {
    PlaceOrder: _DESK,
    ReviseOrder: _DESK,
    HoldOrder: {Role.SCHEDULER, Role.INTERFACE, Role.SYSTEM},
    ReleaseOrder: {Role.SCHEDULER, Role.INTERFACE, Role.SYSTEM},
    CancelOrder: {Role.SCHEDULER, Role.INTERFACE, Role.SYSTEM},
    DiscontinueOrder: {Role.SCHEDULER, Role.INTERFACE, Role.SYSTEM},
    VoidOrder: {Role.MANAGER, Role.SYSTEM},
    AddProcedure: {Role.SCHEDULER, Role.RADIOLOGIST, Role.INTERFACE, Role.SYSTEM},
    CancelStep: {Role.SCHEDULER, Role.INTERFACE, Role.SYSTEM},
    RepeatStep: {Role.SCHEDULER, Role.TECHNOLOGIST, Role.SYSTEM},
    CompleteInformation: {Role.SCHEDULER, Role.RADIOLOGIST, Role.SYSTEM},
    ReplaceOrder: {Role.SCHEDULER, Role.INTERFACE, Role.SYSTEM},
    ExpectCancellation: {Role.INTERFACE, Role.SYSTEM},
    AttachPlacerNumber: {Role.INTERFACE, Role.SYSTEM},
    AskOrder: {Role.INTERFACE, Role.SYSTEM},
    RestoreOrder: {Role.SCHEDULER, Role.SYSTEM},
    SplitOrder: {Role.SCHEDULER, Role.SYSTEM},
    AskForInformation: {
        Role.SCHEDULER,
        Role.FRONTDESK,
        Role.TECHNOLOGIST,
        Role.RADIOLOGIST,
        Role.RESIDENT,
        Role.SYSTEM,
    },
    AnswerInformation: {Role.SCHEDULER, Role.FRONTDESK, Role.RADIOLOGIST, Role.SYSTEM},
}
