"""What a patient says is wrong in their own data: kept for a person with the right to decide."""

from __future__ import annotations

from ris.domain.arrivals import RequestCorrection
from ris.domain.errors import InvalidValueError, MissingValueError
from ris.domain.patients import Demographics, PatientReference, ReviewState, Sex
from ris.domain.places import Place
from ris.domain.values import PartialDate, PersonName, require_text
from ris.models import DemographicReview
from ris.services._context import Context
from ris.services.patients.finding import require
from ris.services.patients.reviewing import propose_allergy, question


def request_correction(command: RequestCorrection, context: Context) -> int:
    """The review shows who asked; nothing of the patient changes until it is decided."""
    patient = require(PatientReference(public_id=command.patient))
    said = Demographics(
        name=PersonName.parse(command.name) if command.name.strip() else None,
        birth_date=PartialDate.parse(command.birth_date) if command.birth_date.strip() else None,
        sex=_sex(command.sex),
        phone=command.phone.strip() or None,
        email=command.email.strip() or None,
        address=command.address.strip() or None,
    )
    allergy = require_text(
        " ".join(command.allergy.split()), path=Place.ALLERGIES, limit=200, name="the allergy"
    )
    if said == Demographics() and not allergy:
        raise MissingValueError("say what is wrong", path="name")
    question(patient, said, context)
    if allergy:
        propose_allergy(patient, allergy, context)
    if not context.emitted:
        context.about(patient)
    return DemographicReview.objects.filter(patient=patient, state=ReviewState.OPEN.value).count()


def _sex(text: str) -> Sex | None:
    try:
        return Sex(text) if text else None
    except ValueError:
        raise InvalidValueError("no such sex", path="sex") from None
