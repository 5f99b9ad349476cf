"""``Patient/$match``: who a described person may be (FHIR R4 Patient/$match).

Deterministic, and never a link: a number of an issuer is certain, name and birth date are probable.
A caller sees the patients it may see; to find nobody is an answer, not an error.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from integration.fhir.criteria import allowed
from integration.fhir.from_domain.datatypes import Resource
from integration.fhir.operations.inputs import parameters_of
from integration.fhir.operations.interface import Call, Input, Operation, Result
from integration.fhir.outcome import HttpError
from integration.fhir.reading import load, shown_for
from integration.fhir.resources import KINDS
from integration.fhir.to_domain import patient as translated
from ris.domain.patients import Demographics
from ris.domain.values import Identifier, PartialDate, PersonName, fold
from ris.selectors.patient_matches import candidates
from ris.selectors.views import PatientView

GRADE = "http://hl7.org/fhir/StructureDefinition/match-grade"
DEFAULT_COUNT = 20
MOST = 100
MOST_NUMBERS = 100  # a person has no more, and each is looked for


class Grade(StrEnum):
    """Value set match-grade, as far as something is shown."""

    CERTAIN = "certain"
    PROBABLE = "probable"
    POSSIBLE = "possible"


@dataclass(frozen=True, slots=True)
class Match:
    patient: PatientView
    grade: Grade
    score: Decimal


@dataclass(frozen=True, slots=True)
class _Asked:
    identifiers: Sequence[Identifier]
    said: Demographics
    certain_only: bool
    count: int


def run(call: Call) -> Result:
    asked = _read(call)
    said = asked.said
    found = candidates(
        asked.identifiers, said.name or PersonName(), said.birth_date or PartialDate("")
    )
    kind = KINDS["Patient"]
    seen = allowed(
        kind,
        [each.public_id for each in found],
        call.client.filters("Patient", "rs"),
        call.reading,
    )
    matches = [
        match
        for each in found
        if each.public_id in seen and (match := grade(each, asked.identifiers, said)) is not None
    ]
    certain = [each for each in matches if each.grade is Grade.CERTAIN]
    if asked.certain_only:
        # Two who are certain cannot both be: that is for a person to look at.
        matches = certain if len(certain) == 1 else []
    matches.sort(key=lambda each: -each.score)
    return _answer(call, matches[: asked.count])


def grade(
    patient: PatientView, identifiers: Sequence[Identifier], said: Demographics
) -> Match | None:
    """How likely it is that the patient is meant; None if nothing says so."""
    known = {(each.value, each.issuer) for each in patient.identifiers if each.issuer}
    numbered = any((each.value, each.issuer) in known for each in identifiers if each.issuer)
    family, given = _same_name(patient.name, said.name)
    birth = _same_birth(patient.birth_date.text, said.birth_date)
    sexes = (patient.sex.value, said.sex.value if said.sex is not None else "")
    if numbered:
        if said.name is not None and not family and birth is False:
            # The number is theirs, and nothing else is: a mistyped number, more likely than not.
            return Match(patient, Grade.POSSIBLE, Decimal("0.50"))
        return Match(patient, Grade.CERTAIN, Decimal("1.00"))
    if (all(sexes) and sexes[0] != sexes[1]) or not family:
        return None
    if given and birth:
        return Match(patient, Grade.PROBABLE, Decimal("0.90" if all(sexes) else "0.85"))
    if birth:
        return Match(patient, Grade.POSSIBLE, Decimal("0.60"))
    if given and birth is None:
        return Match(patient, Grade.POSSIBLE, Decimal("0.40"))
    return None


def _same_name(ours: PersonName, theirs: PersonName | None) -> tuple[bool, bool]:
    """Whether family name, and the first given name, are the same in some writing."""
    family = given = False
    if theirs is None:
        return False, False
    for one in (ours.alphabetic, ours.ideographic, ours.phonetic):
        for other in (theirs.alphabetic, theirs.ideographic, theirs.phonetic):
            if one.family and fold(one.family) == fold(other.family):
                family = True
                given = given or bool(one.given and fold(one.given) == fold(other.given))
    return family, given


def _same_birth(ours: str, theirs: PartialDate | None) -> bool | None:
    """None where one of them is not known; partial dates agree as far as they go, but prove less.

    A year alone is in too many records to say anything.
    """
    text = theirs.text if theirs is not None else ""
    if not ours or not text:
        return None
    length = min(len(ours), len(text))
    if ours[:length] != text[:length]:
        return False
    return True if length == 10 else None


def _read(call: Call) -> _Asked:
    if call.body is None:
        raise HttpError(400, "required", "Parameters with a patient as resource are needed")
    resource: Any = call.body
    only: Any = False
    count: Any = DEFAULT_COUNT
    if call.body.get("resourceType") == "Parameters":
        named = {each["name"]: each for each in parameters_of(call.body)}
        resource = named.get("resource", {}).get("resource")
        only = named.get("onlyCertainMatches", {}).get("valueBoolean", False)
        count = named.get("count", {}).get("valueInteger", DEFAULT_COUNT)
    if not isinstance(resource, dict) or resource.get("resourceType") != "Patient":
        raise HttpError(422, "required", "the parameter resource must be a Patient")
    if not isinstance(only, bool):
        raise HttpError(400, "invalid", "onlyCertainMatches is a boolean")
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise HttpError(400, "invalid", "count is a positive number")
    numbers = translated.identifiers(resource, "Patient", call.reading.systems)
    if len(numbers) > MOST_NUMBERS:
        raise HttpError(
            400, "too-costly", f"more than {MOST_NUMBERS} identifiers", path="Patient.identifier"
        )
    return _Asked(
        numbers,
        translated.demographics(resource, "Patient"),
        only,
        min(count, MOST),
    )


def _answer(call: Call, matches: Sequence[Match]) -> Result:
    kind = KINDS["Patient"]
    shown = shown_for([kind], call.reading.systems)
    ids = [each.patient.public_id for each in matches]
    resources = {each["id"]: each for each in load(kind, ids, shown)}
    entries = [
        {
            "fullUrl": f"{call.reading.base}/Patient/{each.patient.public_id}",
            "resource": resources[each.patient.public_id],
            "search": {
                "extension": [{"url": GRADE, "valueCode": each.grade.value}],
                "mode": "match",
                "score": each.score,
            },
        }
        for each in matches
    ]
    body: Resource = {
        "resourceType": "Bundle",
        "id": str(uuid.uuid4()),
        "type": "searchset",
        "total": len(entries),
    }
    if entries:
        body["entry"] = entries
    return Result(body, list(resources.values()))


OPERATION = Operation(
    name="match",
    run=run,
    types=("Patient",),
    on_type=True,
    letter="s",
    definition="http://hl7.org/fhir/OperationDefinition/Patient-match",
    inputs=(
        Input("resource", "Patient", required=True),
        Input("onlyCertainMatches", "boolean"),
        Input("count", "integer", f"{DEFAULT_COUNT} unless said, {MOST} at most."),
    ),
    documentation="Who a described person may be: a number of an issuer is certain, name and birth "
    "date are probable. Nobody is linked by it.",
)
