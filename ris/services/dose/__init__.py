"""Dose documents: record, join to exams, add up; reference levels."""

from __future__ import annotations

from ris.domain.actors import Role
from ris.domain.dose import (
    AcknowledgeDose,
    JoinDoses,
    LinkDose,
    RecordDose,
    RemoveReferenceLevel,
    SetDoseAside,
    SetReferenceLevel,
    WithdrawDose,
)
from ris.services.dose.alerts import acknowledge_dose
from ris.services.dose.corrections import join_doses, link_dose, set_dose_aside, withdraw_dose
from ris.services.dose.levels import remove_reference_level, set_reference_level
from ris.services.dose.recording import record_dose

HANDLERS = {
    RecordDose: record_dose,
    LinkDose: link_dose,
    SetDoseAside: set_dose_aside,
    WithdrawDose: withdraw_dose,
    JoinDoses: join_doses,
    AcknowledgeDose: acknowledge_dose,
    SetReferenceLevel: set_reference_level,
    RemoveReferenceLevel: remove_reference_level,
}

_REPAIR = {Role.TECHNOLOGIST, Role.ADMIN, Role.SYSTEM}
_LEVELS = {Role.MANAGER, Role.ADMIN, Role.SYSTEM}

PERMISSIONS = {
    RecordDose: {Role.TECHNOLOGIST, Role.MODALITY, Role.SYSTEM},
    LinkDose: _REPAIR,
    SetDoseAside: _REPAIR,
    WithdrawDose: _REPAIR,
    JoinDoses: {Role.SYSTEM},
    AcknowledgeDose: {Role.MANAGER, Role.ADMIN},
    SetReferenceLevel: _LEVELS,
    RemoveReferenceLevel: _LEVELS,
}
