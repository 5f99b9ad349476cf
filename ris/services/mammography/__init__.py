"""Breast exams: assess them, follow what they ask for, write to their patients."""

from __future__ import annotations

from ris.domain.actors import Role
from ris.domain.mammography import (
    AssessBreast,
    CloseRecall,
    ReassessBreast,
    RecordPathology,
    ReopenRecall,
    SetBreastExam,
    SetMammographyRules,
    WithdrawPathology,
)
from ris.domain.mammography_letters import (
    MarkLettersSent,
    PlanReminders,
    PrintLetters,
    SetLetterChoice,
    SetLetterText,
    StopLetter,
)
from ris.services.mammography.assessing import assess_breast, reassess_breast
from ris.services.mammography.letters import (
    mark_letters_sent,
    plan_reminders,
    print_letters,
    stop_letter,
)
from ris.services.mammography.recalls import (
    close_recall,
    record_pathology,
    reopen_recall,
    withdraw_pathology,
)
from ris.services.mammography.setup import (
    set_breast_exam,
    set_letter_choice,
    set_letter_text,
    set_mammography_rules,
)

HANDLERS = {
    AssessBreast: assess_breast,
    ReassessBreast: reassess_breast,
    RecordPathology: record_pathology,
    WithdrawPathology: withdraw_pathology,
    CloseRecall: close_recall,
    ReopenRecall: reopen_recall,
    PrintLetters: print_letters,
    MarkLettersSent: mark_letters_sent,
    StopLetter: stop_letter,
    PlanReminders: plan_reminders,
    SetLetterChoice: set_letter_choice,
    SetLetterText: set_letter_text,
    SetBreastExam: set_breast_exam,
    SetMammographyRules: set_mammography_rules,
}

_SETUP = {Role.MANAGER, Role.ADMIN, Role.SYSTEM}
_FOLLOWING = {Role.RADIOLOGIST, Role.MANAGER, Role.SYSTEM}
_DESK = {Role.SCHEDULER, Role.FRONTDESK, Role.MANAGER, Role.SYSTEM}

PERMISSIONS = {
    AssessBreast: {Role.RADIOLOGIST, Role.RESIDENT},
    ReassessBreast: {Role.RADIOLOGIST},
    RecordPathology: _FOLLOWING,
    WithdrawPathology: _FOLLOWING,
    CloseRecall: _FOLLOWING,
    ReopenRecall: _FOLLOWING,
    PrintLetters: _DESK,
    MarkLettersSent: _DESK,
    StopLetter: _DESK | {Role.RADIOLOGIST},
    PlanReminders: {Role.SYSTEM},
    SetLetterChoice: _DESK | {Role.RADIOLOGIST},
    SetLetterText: _SETUP,
    SetBreastExam: _SETUP,
    SetMammographyRules: _SETUP,
}
