"""Allergies that are told one by one, by their texts or by the numbers of who keeps them.

A patient's allergies are texts. A number stands for one of them; it is kept when its allergy is
gone, so that the same told again is no fault. One that is not known, or whose text is there no
more, is refused: the allergy may stand there in other words, and would stay without notice.
"""

from __future__ import annotations

from ris.domain.errors import StateConflictError, UnknownKeyError
from ris.domain.patients import AllergyChanges
from ris.domain.places import Place
from ris.models import Patient
from ris.services._transition import touch


def texts(told: AllergyChanges) -> tuple[str, ...]:
    """Those that are there, nothing twice."""
    found: dict[str, str] = {}
    for each in told.added:
        found.setdefault(each.texts[0].casefold(), each.texts[0])
    return tuple(found.values())


def after(patient: Patient, told: AllergyChanges, *, is_told: bool) -> tuple[str, ...]:
    """What is known, without what was taken away and with what was added; nothing twice."""
    numbers = _numbers(patient)
    known = {text.casefold() for text in patient.allergies}
    gone: set[str] = set()
    for each in told.removed:
        stood_for = numbers.get(each.number)
        if not each.texts and (
            stood_for is None or (stood_for and stood_for.casefold() not in known)
        ):
            raise UnknownKeyError("no allergy is known by this number", path=Place.ALLERGIES)
        named = {text.casefold() for text in (*each.texts, stood_for or "")}
        if each.number:
            numbers.pop(each.number, None)
            named -= {text.casefold() for text in numbers.values()}  # another one of the same name
        gone |= named
    if gone & known and not is_told:
        raise StateConflictError(
            "only who keeps the patient's data takes an allergy away", path=Place.ALLERGIES
        )
    if is_told:
        gone |= _told_otherwise(numbers, told)
    kept = [text for text in patient.allergies if text.casefold() not in gone]
    there = {text.casefold() for text in kept}
    return (*kept, *(text for text in texts(told) if text.casefold() not in there))


def _told_otherwise(numbers: dict[str, str], told: AllergyChanges) -> set[str]:
    """The old words of what a number stands for, unless another number stands for them, too."""
    before = {numbers.pop(each.number, "").casefold() for each in told.added if each.number}
    others = {text.casefold() for text in (*numbers.values(), *texts(told))}
    return before - others - {""}


def number(patient: Patient, told: AllergyChanges, *, is_told: bool) -> None:
    """Keep what the numbers stand for from now on; only who may take away changes what they did."""
    said = {each.number: "" for each in told.removed if each.number}
    said |= {each.number: each.texts[0] for each in told.added if each.number}
    if not is_told:
        said |= {number: text for number, text in _numbers(patient).items() if number in said}
    if any(patient.allergy_numbers.get(number) != text for number, text in said.items()):
        patient.allergy_numbers = {**patient.allergy_numbers, **said}
        touch(patient, "allergy_numbers")


def _numbers(patient: Patient) -> dict[str, str]:
    """Those of the record, before those of the records that are merged into it."""
    found: dict[str, str] = {}
    for record in Patient.objects.filter(merged_into=patient).order_by("id"):
        found |= _numbers(record)
    return {**found, **patient.allergy_numbers}
