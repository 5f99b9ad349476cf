"""Labels of patients and their visits."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ris.domain.patients import PatientClass, ReviewState, Sex, VisitStatus
from ris.web.labels._label import Label, Tables, Tone

SEX: Mapping[Sex, Label] = {
    Sex.MALE: Label("Male", "person"),
    Sex.FEMALE: Label("Female", "person"),
    Sex.OTHER: Label("Other", "person"),
    Sex.UNKNOWN: Label("Sex unknown", "question"),
}

PATIENT_CLASS: Mapping[PatientClass, Label] = {
    PatientClass.INPATIENT: Label("Inpatient", "person"),
    PatientClass.OUTPATIENT: Label("Outpatient", "person"),
    PatientClass.EMERGENCY: Label("Emergency", "bolt", Tone.WARN),
    PatientClass.PREADMIT: Label("Pre-admission", "person"),
    PatientClass.RECURRING: Label("Recurring", "person"),
    PatientClass.OBSTETRICS: Label("Obstetrics", "person"),
    PatientClass.UNKNOWN: Label("Class unknown", "question"),
}

VISIT: Mapping[VisitStatus, Label] = {
    VisitStatus.UNKNOWN: Label("Named by an order", "minus"),
    VisitStatus.PLANNED: Label("Pre-admitted", "clock", Tone.INFO),
    VisitStatus.IN_PROGRESS: Label("Here", "person-check", Tone.OK),
    VisitStatus.FINISHED: Label("Discharged", "check"),
    VisitStatus.CANCELED: Label("Canceled", "cross", Tone.WARN),
}

REVIEW: Mapping[ReviewState, Label] = {
    ReviewState.OPEN: Label("To decide", "question", Tone.WARN),
    ReviewState.ACCEPTED: Label("Taken over", "check", Tone.OK),
    ReviewState.REJECTED: Label("Left as it was", "cross"),
    ReviewState.OUTDATED: Label("Agrees by now", "check"),
}

# What told a patient from others at the front desk (ris.domain.arrivals.IdentifierKind).
IDENTIFIER: Mapping[str, Promise] = {
    "NAME": _("name"),
    "BIRTH_DATE": _("birth date"),
    "NUMBER": _("number scanned"),
}

TABLES: Tables = {
    "sex": (Sex, SEX),
    "patient_class": (PatientClass, PATIENT_CLASS),
    "visit": (VisitStatus, VISIT),
    "review": (ReviewState, REVIEW),
}
