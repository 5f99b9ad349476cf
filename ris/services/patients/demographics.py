"""What is said of a person, set in the row."""

from __future__ import annotations

from ris.domain.errors import InvalidValueError, MissingValueError
from ris.domain.limits import OF_PATIENT
from ris.domain.patients import Demographics
from ris.domain.places import Place
from ris.domain.values import PersonName, fold, require_text
from ris.models import Patient


def name_key(name: PersonName) -> str:
    """The stored search key: each group folded, without trailing delimiters, joined by ``=``."""
    return fold(str(name))


_LONGEST_ITEM = 200  # of one allergy; a scanner is told all of it, in several values


def apply(patient: Patient, said: Demographics) -> list[str]:
    """Set what is said; returns the names of the fields that changed."""
    values: dict[str, object] = {}
    if said.name is not None:
        if not said.name:
            raise MissingValueError("a patient needs a name", path=Place.NAME)
        for group in (said.name.alphabetic, said.name.ideographic, said.name.phonetic):
            require_text(
                str(group), path=Place.NAME, limit=64, name="a group of the patient's name"
            )
        values["name"] = str(said.name)
        values["name_key"] = name_key(said.name)
    elif not patient.name:
        raise MissingValueError("a patient needs a name", path=Place.NAME)
    if said.birth_date is not None:
        values["birth_date"] = said.birth_date.text
    if said.sex is not None:
        values["sex"] = said.sex.value
    if said.pregnancy_status is not None:
        if said.pregnancy_status not in {"", "1", "2", "3", "4"}:
            raise InvalidValueError("pregnancy status is 1 to 4", path=Place.PREGNANCY)
        values["pregnancy_status"] = said.pregnancy_status
    for name, limit in OF_PATIENT.items():
        text = getattr(said, name)
        if text is not None:
            values[name] = require_text(text, path=name, limit=limit, name=name)
    if said.mother_birth_name is not None:
        values["mother_birth_name"] = str(said.mother_birth_name)
    if said.comments is not None:
        values["comments"] = said.comments.strip()
    for name in ("deceased", "weight_kg", "height_m"):
        value = getattr(said, name)
        if value is not None:
            values[name] = value
    for name in ("allergies", "alerts"):
        items = getattr(said, name)
        if items is not None:
            values[name] = [
                require_text(item, path=name, limit=_LONGEST_ITEM, name=name) for item in items
            ]
    changed = [name for name, value in values.items() if getattr(patient, name) != value]
    for name in changed:
        setattr(patient, name, values[name])
    return changed
