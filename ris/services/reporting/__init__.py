"""Write, sign, amend and withdraw reports. A version, once signed, is never changed."""

from __future__ import annotations

from ris.domain.actors import Role
from ris.domain.reporting import (
    AcknowledgeCriticalResult,
    AmendReport,
    CommunicateCriticalResult,
    DiscardDraft,
    FinalizeReport,
    OpenReport,
    RetractReport,
    SaveDraft,
    SignPreliminary,
)
from ris.services.reporting.amending import amend_report, retract_report
from ris.services.reporting.signing import finalize_report, sign_preliminary
from ris.services.reporting.writing import discard_draft, open_report, save_draft

HANDLERS = {
    OpenReport: open_report,
    SaveDraft: save_draft,
    DiscardDraft: discard_draft,
    SignPreliminary: sign_preliminary,
    FinalizeReport: finalize_report,
    AmendReport: amend_report,
    RetractReport: retract_report,
}

_READERS = {Role.RADIOLOGIST}

PERMISSIONS = {
    OpenReport: _READERS,
    SaveDraft: _READERS,
    DiscardDraft: _READERS,
    SignPreliminary: _READERS,
    FinalizeReport: _READERS,
    AmendReport: _READERS,
    RetractReport: _READERS,
}
