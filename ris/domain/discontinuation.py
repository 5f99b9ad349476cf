"""Why performing ended early (PS3.16 CID 9300 to 9302), and what each reason asks of people.

The codes are DICOM's; what follows from them (dicom.md SPS-05) is a proposal that a site may change
by mapping a code in the table ``follow_up`` to ``rebook``, ``cancel``, ``note`` or ``none``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ris.domain.values import Code


class FollowUpKind(StrEnum):
    """What a performed step leaves for a person to decide."""

    REBOOK = "REBOOK"  # it is to be done still: plan it again
    CANCEL = "CANCEL"  # it should not have been ordered so: cancel or replace
    NOTE = "NOTE"  # something of clinical weight happened: write it down
    REOPENED = "REOPENED"  # the step had been canceled and was done all the same
    DIFFERS = "DIFFERS"  # another procedure was done than was ordered
    CLOSED = "CLOSED"  # nobody said how it ended: we ended it
    SAFETY = "SAFETY"  # begun although a safety question or the protocol was open
    BY_HAND = "BY_HAND"  # begun by hand and going on, while a device told the end of its own
    ASKED = "ASKED"  # its placer asked to cancel the order when it had begun


class FollowUpAction(StrEnum):
    """What a person may do about it."""

    PLAN_AGAIN = "PLAN_AGAIN"
    CANCEL_ORDER = "CANCEL_ORDER"
    WAS_COMPLETED = "WAS_COMPLETED"
    ENDED_TOO = "ENDED_TOO"  # as the device did
    DONE = "DONE"  # noted, nothing else to do


# The first is the one proposed.
ACTIONS: Mapping[FollowUpKind, tuple[FollowUpAction, ...]] = {
    FollowUpKind.REBOOK: (
        FollowUpAction.PLAN_AGAIN,
        FollowUpAction.CANCEL_ORDER,
        FollowUpAction.DONE,
    ),
    FollowUpKind.CANCEL: (
        FollowUpAction.CANCEL_ORDER,
        FollowUpAction.PLAN_AGAIN,
        FollowUpAction.DONE,
    ),
    FollowUpKind.NOTE: (FollowUpAction.DONE, FollowUpAction.PLAN_AGAIN),
    FollowUpKind.REOPENED: (FollowUpAction.DONE,),
    FollowUpKind.DIFFERS: (FollowUpAction.DONE,),
    FollowUpKind.SAFETY: (FollowUpAction.DONE,),
    FollowUpKind.ASKED: (FollowUpAction.CANCEL_ORDER, FollowUpAction.DONE),
    FollowUpKind.BY_HAND: (FollowUpAction.ENDED_TOO, FollowUpAction.DONE),
    FollowUpKind.CLOSED: (
        FollowUpAction.WAS_COMPLETED,
        FollowUpAction.PLAN_AGAIN,
        FollowUpAction.DONE,
    ),
}

# The operator picked the wrong worklist entry: the step goes back, the images to quarantine.
INCORRECT_WORKLIST_ENTRY = "110514"
UNSPECIFIED = "110513"


@dataclass(frozen=True, slots=True)
class Reason:
    """A coded reason. ``retry``: with no image made, the step simply stays to be done."""

    value: str
    meaning: str
    follow_up: FollowUpKind | None = None
    retry: bool = False
    scheme: str = "DCM"

    @property
    def code(self) -> Code:
        return Code(self.value, self.scheme, self.meaning)


_REBOOK, _CANCEL, _NOTE = FollowUpKind.REBOOK, FollowUpKind.CANCEL, FollowUpKind.NOTE

# CID 9301, for modalities.
MODALITY_REASONS: tuple[Reason, ...] = (
    Reason("110513", "Discontinued for unspecified reason", retry=True),
    Reason("110500", "Doctor canceled procedure", _CANCEL),
    Reason("110501", "Equipment failure", _REBOOK, retry=True),
    Reason("110502", "Incorrect procedure ordered", _CANCEL),
    Reason("110503", "Patient allergic to media/contrast", _NOTE),
    Reason("110504", "Patient died", _NOTE),
    Reason("110505", "Patient refused to continue procedure", _NOTE),
    Reason("110506", "Patient taken for treatment or surgery", _NOTE),
    Reason("110507", "Patient did not arrive", _NOTE),
    Reason("110508", "Patient pregnant", _NOTE),
    Reason("110509", "Change of procedure for correct charging", _CANCEL),
    Reason("110510", "Duplicate order", _CANCEL),
    Reason("110511", "Nursing unit cancel", _CANCEL),
    Reason("110512", "Incorrect side ordered", _CANCEL),
    Reason(INCORRECT_WORKLIST_ENTRY, "Incorrect worklist entry selected"),
    Reason("110515", "Patient condition prevented continuing", _NOTE),
    Reason("110516", "Equipment change", _REBOOK, retry=True),
    Reason("292094009", "Radiopharmaceutical adverse reaction", _NOTE, scheme="SCT"),
    Reason("95384003", "Injection site extravasation", _NOTE, scheme="SCT"),
)

# CID 9302, for the import of media.
IMPORT_REASONS: tuple[Reason, ...] = (
    *(
        row
        for row in MODALITY_REASONS
        if row.value in {"110501", "110510", "110513", INCORRECT_WORKLIST_ENTRY}
    ),
    Reason("110521", "Objects incorrectly formatted", _NOTE),
    Reason("110522", "Object types not supported", _NOTE),
    Reason("110523", "Object set incomplete", _NOTE),
    Reason("110524", "Media failure", _NOTE),
)

# CID 9300, for any procedure: what the two above do not have. The reactions are SNOMED CT.
_OTHER_REASONS: tuple[Reason, ...] = (
    Reason("110526", "Resource pre-empted", _REBOOK, retry=True),
    Reason("110527", "Resource inadequate", _REBOOK, retry=True),
    Reason("110528", "Discontinued procedure step rescheduled", _REBOOK),
    Reason("110529", "Discontinued procedure step rescheduling recommended", _REBOOK),
    Reason("110530", "Workitem assignment rejected by assigned resource", _REBOOK),
    Reason("110533", "Workitem expired", _REBOOK),
    Reason("113568", "Extravasation visible in image", _NOTE),
)
_REACTIONS = {
    "4386001": "Bronchospasm",
    "16932000": "Nausea and vomiting",
    "24389009": "Injection site granuloma",
    "25064002": "Headache",
    "26079004": "Shaking",
    "28926001": "Drug rash",
    "38341003": "Hypertension",
    "45007003": "Hypotension",
    "48694002": "Anxiety",
    "49727002": "Cough",
    "51599000": "Laryngeal edema",
    "68235000": "Nasal congestion",
    "74615001": "Tachycardia-bradycardia",
    "84757009": "Epileptic convulsions",
    "95376002": "Injection site disorder",
    "95378001": "Injection site hypersensitivity",
    "95379009": "Injection site irritation",
    "95380007": "Injection site pigmentation change",
    "95381006": "Injection site infection",
    "95382004": "Injection site abscess",
    "95383009": "Injection site sterile abscess",
    "95385002": "Injection site hemorrhage",
    "95386001": "Injection site thrombosis",
    "95387005": "Injection site malabsorption",
    "95388000": "Injection site pain",
    "95389008": "Injection site burning",
    "95390004": "Injection site nerve damage",
    "95391000": "Injection site inflammation",
    "95392007": "Injection site edema",
    "95393002": "Injection site dermatitis",
    "95394008": "Injection site urticaria",
    "95395009": "Injection site mass",
    "95396005": "Injection site cyst",
    "95397001": "Injection site necrosis",
    "95398006": "Injection site anesthesia",
    "95399003": "Injection site paresthesia",
    "95400005": "Injection site ulcer",
    "95401009": "Injection site bruising",
    "95402002": "Injection site induration",
    "95403007": "Injection site fibrosis",
    "95404001": "Injection site atrophy",
    "111017005": "Injection site scar",
    "234171009": "Drug-induced hypotension",
    "267036007": "Dyspnea",
    "271801002": "Taste sense altered",
    "274640006": "Chills and fever",
    "278528006": "Facial swelling",
    "298336006": "No motor response to command",
    "398979000": "Pallor",
    "402603005": "Diffuse inflammatory erythema",
    "403618004": "Drug-induced flushing",
    "410430005": "Cardiorespiratory arrest",
    "415690000": "Sweating",
    "418363000": "Itching",
    "473188002": "Drug-induced dizziness",
    "698247007": "Cardiac arrhythmia",
    "724232004": "Sensation of being warm",
}

REASONS: Mapping[tuple[str, str], Reason] = {
    (row.scheme, row.value): row
    for row in (
        *MODALITY_REASONS,
        *IMPORT_REASONS,
        *_OTHER_REASONS,
        *(Reason(value, meaning, _NOTE, scheme="SCT") for value, meaning in _REACTIONS.items()),
    )
}

NO_FOLLOW_UP = "none"
# The table in which a site says otherwise (MapCode; ``[[follow_up]]`` of a site file), its words.
FOLLOW_UPS = "follow_up"
WORDS: Mapping[str, FollowUpKind | None] = {
    "rebook": _REBOOK,
    "cancel": _CANCEL,
    "note": _NOTE,
    NO_FOLLOW_UP: None,
}


def reason_of(code: Code) -> Reason | None:
    """DICOM's own reason for a code; a code without scheme is taken for DICOM's."""
    return REASONS.get((code.scheme or "DCM", code.value))


def stays_to_be_done(code: Code) -> bool:
    """Whether a step that ended with this reason, and without an image, is to be done still."""
    if not code.value:
        return True
    reason = reason_of(code)
    return reason is not None and reason.retry
