"""Register, update, merge, link patients; their visits; what a person decides about them.

Matching never guesses: only identifiers with issuer match.
"""

from __future__ import annotations

from ris.domain.actors import Role
from ris.domain.arrivals import RequestCorrection
from ris.domain.patients import (
    ChangeIdentifiers,
    DecideReview,
    LinkPatients,
    MergeAccounts,
    MergePatients,
    MergeVisits,
    MoveIdentifiers,
    MoveVisits,
    RegisterPatient,
    RemovePatient,
    SettleVisit,
    UnlinkPatients,
    UnmergePatients,
    UpdatePatient,
    UpdateVisit,
)
from ris.services.patients.changing import (
    change_identifiers,
    link_patients,
    move_identifiers,
    unlink_patients,
)
from ris.services.patients.correcting import request_correction
from ris.services.patients.demographics import name_key
from ris.services.patients.finding import find, refuse_somebody_else
from ris.services.patients.merging import merge_patients, unmerge_patients
from ris.services.patients.registering import (
    LOCAL_ISSUER,
    register,
    register_patient,
    remove_patient,
    resolve,
    update_patient,
)
from ris.services.patients.reviewing import decide_review
from ris.services.patients.visits import (
    merge_accounts,
    merge_visits,
    move_visits,
    record_visit,
    settle_visit,
    update_visit,
)

HANDLERS = {
    RegisterPatient: register_patient,
    UpdatePatient: update_patient,
    RemovePatient: remove_patient,
    MergePatients: merge_patients,
    UnmergePatients: unmerge_patients,
    ChangeIdentifiers: change_identifiers,
    MoveIdentifiers: move_identifiers,
    LinkPatients: link_patients,
    UnlinkPatients: unlink_patients,
    UpdateVisit: update_visit,
    MergeVisits: merge_visits,
    MergeAccounts: merge_accounts,
    MoveVisits: move_visits,
    SettleVisit: settle_visit,
    DecideReview: decide_review,
    RequestCorrection: request_correction,
}

_DESK = {Role.SCHEDULER, Role.FRONTDESK, Role.INTERFACE, Role.SYSTEM}
_RECORDS = {Role.SCHEDULER, Role.MANAGER, Role.INTERFACE, Role.SYSTEM}
_PEERS = {Role.INTERFACE, Role.SYSTEM}

PERMISSIONS = {
    RegisterPatient: _DESK,
    UpdatePatient: _DESK,
    RemovePatient: _PEERS,
    MergePatients: _RECORDS,
    UnmergePatients: {Role.SCHEDULER, Role.MANAGER, Role.SYSTEM},
    ChangeIdentifiers: _RECORDS,
    MoveIdentifiers: _PEERS,
    LinkPatients: _RECORDS,
    UnlinkPatients: _RECORDS,
    UpdateVisit: _DESK,
    MergeVisits: _PEERS,
    MergeAccounts: _PEERS,
    MoveVisits: _PEERS,
    SettleVisit: {Role.SCHEDULER, Role.FRONTDESK, Role.MANAGER, Role.SYSTEM},
    DecideReview: {Role.SCHEDULER, Role.FRONTDESK, Role.MANAGER, Role.SYSTEM},
    RequestCorrection: _DESK | {Role.TECHNOLOGIST},
}

__all__ = [
    "HANDLERS",
    "LOCAL_ISSUER",
    "PERMISSIONS",
    "find",
    "name_key",
    "record_visit",
    "refuse_somebody_else",
    "register",
    "resolve",
]
