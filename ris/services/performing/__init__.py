"""Performed procedure steps: start, update, end, relink."""

from __future__ import annotations

from ris.domain.actors import Role
from ris.domain.performing import (
    CompletePerformedStep,
    DiscontinuePerformedStep,
    RelinkPerformedStep,
    StartPerformedStep,
    UpdatePerformedStep,
)
from ris.services.performing.corrections import relink_performed_step
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
}


_ROOM = {Role.TECHNOLOGIST, Role.MODALITY, Role.SYSTEM}


PERMISSIONS = {
    StartPerformedStep: _ROOM,
    UpdatePerformedStep: _ROOM,
    CompletePerformedStep: _ROOM,
    DiscontinuePerformedStep: _ROOM,
    RelinkPerformedStep: {Role.TECHNOLOGIST, Role.ADMIN, Role.SYSTEM},
}
