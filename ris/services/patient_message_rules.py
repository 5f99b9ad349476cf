"""What people set of messages to patients: rules, texts, and who wants none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ris.domain.actors import Role
from ris.domain.errors import InvalidValueError, MissingValueError, UnknownKeyError
from ris.domain.patient_messages import (
    AHEAD,
    ContactChoiceSet,
    MessageRuleSet,
    MessageTextSet,
    SetContactChoice,
    SetMessageRule,
    SetMessageText,
    check_text,
)
from ris.domain.preferences import LANGUAGES
from ris.models import (
    ContactChoice,
    Patient,
    PatientMessageRule,
    PatientMessageText,
    ProcedureDefinition,
    Site,
)
from ris.services._context import Context
from ris.services._locks import public_key
from ris.services._transition import touch


def set_message_rule(command: SetMessageRule, context: Context) -> str:
    if not 0 <= command.hours_before <= 24 * 60:
        raise InvalidValueError("0 to 1440 hours", path="hours_before")
    if command.occasion in AHEAD and command.active and not command.hours_before:
        raise MissingValueError("say how many hours before", path="hours_before")
    if (command.quiet_from is None) is not (command.quiet_until is None):
        raise MissingValueError("quiet hours have a beginning and an end", path="quiet_until")
    if command.site and command.procedure:
        raise InvalidValueError("a rule is for a site or for a procedure", path="procedure")
    row, _ = PatientMessageRule.objects.update_or_create(
        occasion=command.occasion.value,
        channel=command.channel.value,
        site=_found(Site.objects.filter, command.site, "site"),
        procedure=_found(ProcedureDefinition.objects.filter, command.procedure, "procedure"),
        defaults={
            "active": command.active,
            "hours_before": command.hours_before,
            "quiet_from": command.quiet_from,
            "quiet_until": command.quiet_until,
            "names_exam": command.names_exam,
        },
    )
    context.emit(
        MessageRuleSet(
            occasion=command.occasion.value, channel=command.channel.value, active=command.active
        ),
        subject=row,
    )
    return str(row.public_id)


def _found(rows: Callable[..., Any], key: str, what: str) -> Any:
    if not key:
        return None
    found = rows(public_id=public_key(key, what)).first()
    if found is None:
        raise UnknownKeyError(f"no such {what}", path=what)
    return found


def set_message_text(command: SetMessageText, context: Context) -> str:
    if command.language not in LANGUAGES:
        raise InvalidValueError(f"one of {', '.join(LANGUAGES)}", path="language")
    for name in ("subject", "body"):
        check_text(getattr(command, name), name)
    if len(command.body) > 4000 or len(command.subject) > 200:
        raise InvalidValueError("at most 4000 characters, the subject 200", path="body")
    which = {
        "occasion": command.occasion.value,
        "channel": command.channel.value,
        "language": command.language,
    }
    row = PatientMessageText.objects.filter(**which).first()
    body = command.body.replace("\r\n", "\n").strip()
    if not body:
        row = row or PatientMessageText(**which, body="")
        if row.pk:
            context.emit(MessageTextSet(**which), subject=row)
            PatientMessageText.objects.filter(pk=row.pk).delete()
        return ""
    subject = " ".join(command.subject.split())
    row = row or PatientMessageText(**which)
    row.subject, row.body = subject, body
    touch(row, "subject", "body")
    context.emit(MessageTextSet(**which), subject=row)
    return str(row.public_id)


def set_contact_choice(command: SetContactChoice, context: Context) -> None:
    patient = Patient.objects.filter(public_id=public_key(command.patient, "patient")).first()
    if patient is None:
        raise UnknownKeyError("no such patient")
    patient = patient.merged_into or patient
    row, _ = ContactChoice.objects.update_or_create(
        patient=patient, channel=command.channel.value, defaults={"wanted": command.wanted}
    )
    context.emit(
        ContactChoiceSet(
            patient=str(patient.public_id),
            channel=command.channel.value,
            wanted=command.wanted,
        ),
        subject=row,
        patient=patient,
    )


HANDLERS = {
    SetMessageRule: set_message_rule,
    SetMessageText: set_message_text,
    SetContactChoice: set_contact_choice,
}

_SETUP = {Role.MANAGER, Role.ADMIN, Role.SYSTEM}
_DESK = {Role.SCHEDULER, Role.FRONTDESK, Role.SYSTEM}

PERMISSIONS = {
    SetMessageRule: _SETUP,
    SetMessageText: _SETUP,
    SetContactChoice: _DESK | {Role.PATIENT},
}
