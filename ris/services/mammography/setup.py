"""What a site says of breast exams: which they are, how long it waits, its own words."""

from __future__ import annotations

from ris.domain.errors import InvalidValueError, UnknownKeyError
from ris.domain.mammography import (
    LIMITS,
    BreastExam,
    BreastExamSet,
    MammographyRulesSet,
    SetBreastExam,
    SetMammographyRules,
)
from ris.domain.mammography_letters import (
    TEXT_KINDS,
    LetterChoiceSet,
    LetterTextSet,
    SetLetterChoice,
    SetLetterText,
)
from ris.domain.mammography_texts import TEXTS, check_text
from ris.models import (
    BreastLetterText,
    LetterChoice,
    MammographyRules,
    Patient,
    ProcedureDefinition,
)
from ris.services._context import Context
from ris.services._locks import public_key
from ris.services._transition import touch


def set_breast_exam(command: SetBreastExam, context: Context) -> None:
    """From the next report on; what was ordered before is of the kind that is set now."""
    definition = ProcedureDefinition.objects.filter(
        public_id=public_key(command.procedure, "procedure")
    ).first()
    if definition is None:
        raise UnknownKeyError("no such procedure", path="procedure")
    if command.exam and command.exam not in {one.value for one in BreastExam}:
        raise InvalidValueError("no such kind of breast exam", path="exam")
    definition.breast_exam = command.exam
    touch(definition, "breast_exam")
    context.emit(
        BreastExamSet(definition=str(definition.public_id), exam=command.exam), subject=definition
    )


def set_mammography_rules(command: SetMammographyRules, context: Context) -> None:
    said = command.rules
    values: dict[str, int | bool] = {"letters": said.letters}
    for name, (least, most) in LIMITS.items():
        value: int = getattr(said, name)
        if not least <= value <= most:
            raise InvalidValueError(f"{least} to {most}", path=name)
        values[name] = value
    row, _ = MammographyRules.objects.update_or_create(name="site", defaults=values)
    context.emit(
        MammographyRulesSet(letters=said.letters, letter_hours=said.letter_hours), subject=row
    )


def set_letter_text(command: SetLetterText, context: Context) -> str:
    if command.language not in TEXTS:
        raise InvalidValueError(f"one of {', '.join(TEXTS)}", path="language")
    if command.kind not in TEXT_KINDS:
        raise InvalidValueError("no such letter", path="kind")
    body = command.body.replace("\r\n", "\n").strip()
    check_text(body, "body")
    if len(body) > 4000:
        raise InvalidValueError("at most 4000 characters", path="body")
    which = {"kind": command.kind, "language": command.language}
    row = BreastLetterText.objects.filter(**which).first() or BreastLetterText(**which)
    if body:
        row.body = body
        touch(row, "body")
    context.emit(LetterTextSet(**which), subject=row)
    if not body:
        BreastLetterText.objects.filter(**which).delete()
        return ""
    return str(row.public_id)


def set_letter_choice(command: SetLetterChoice, context: Context) -> None:
    patient = (
        Patient.objects.select_related("merged_into")
        .filter(public_id=public_key(command.patient, "patient"))
        .first()
    )
    if patient is None:
        raise UnknownKeyError("no such patient", path="patient")
    patient = patient.merged_into or patient
    row = LetterChoice.objects.create(
        patient=patient,
        wanted=command.wanted,
        note=command.note.strip()[:200],
        said_by=context.actor.name[:150],
    )
    context.emit(
        LetterChoiceSet(patient=str(patient.public_id), wanted=command.wanted),
        subject=row,
        patient=patient,
    )
