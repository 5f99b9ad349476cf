"""Words, icons and tones of breast exams."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ris.domain.exchange import DeliveryState
from ris.domain.mammography import BreastExam, Category, Density, Pathology, RecallKind, RecallState
from ris.domain.mammography_letters import LetterState, SentHow, Statement, Topic
from ris.web.labels import Label, Tone

EXAM: Mapping[str, Promise] = {
    BreastExam.SCREENING.value: _("Screening"),
    BreastExam.DIAGNOSTIC.value: _("Diagnostic"),
    BreastExam.OTHER.value: _("Other breast exam, without density"),
}

CATEGORY: Mapping[str, Promise] = {
    Category.INCOMPLETE.value: _("needs more imaging"),
    Category.NEGATIVE.value: _("nothing found"),
    Category.BENIGN.value: _("harmless finding"),
    Category.PROBABLY_BENIGN.value: _("very likely harmless"),
    Category.SUSPICIOUS.value: _("suspicious"),
    Category.LOW_SUSPICION.value: _("suspicious, low"),
    Category.MODERATE_SUSPICION.value: _("suspicious, moderate"),
    Category.HIGH_SUSPICION.value: _("suspicious, high"),
    Category.MALIGNANT.value: _("very likely cancer"),
    Category.KNOWN.value: _("cancer already proven"),
}

DENSITY: Mapping[str, Promise] = {
    Density.FATTY.value: _("mostly fat"),
    Density.SCATTERED.value: _("some dense areas"),
    Density.DENSE.value: _("many dense areas"),
    Density.VERY_DENSE.value: _("very dense"),
}

RECALL: Mapping[str, Label] = {
    RecallKind.ADDITIONAL_IMAGING.value: Label("More imaging", "eye", Tone.WARN),
    RecallKind.SHORT_INTERVAL.value: Label("Look again soon", "clock", Tone.INFO),
    RecallKind.BIOPSY.value: Label("Biopsy", "alert", Tone.BAD),
}

RECALL_STATE: Mapping[str, Label] = {
    RecallState.OPEN.value: Label("Open", "clock", Tone.WARN),
    RecallState.DONE.value: Label("Done", "check", Tone.OK),
    RecallState.CLOSED.value: Label("Closed", "minus"),
    RecallState.WITHDRAWN.value: Label("Does not hold", "undo"),
}

PATHOLOGY: Mapping[str, Label] = {
    Pathology.BENIGN.value: Label("Benign", "check", Tone.OK),
    Pathology.MALIGNANT.value: Label("Malignant", "alert", Tone.BAD),
}

LETTER: Mapping[str, Label] = {
    LetterState.PLANNED.value: Label("Waits", "clock", Tone.INFO),
    LetterState.SENT.value: Label("Sent", "check", Tone.OK),
    LetterState.STOPPED.value: Label("Stopped", "ban"),
}

MAIL: Mapping[str, Label] = {
    DeliveryState.PENDING.value: Label("Waits", "clock", Tone.WARN),
    DeliveryState.LEASED.value: Label("Waits", "clock", Tone.WARN),
    DeliveryState.DELIVERED.value: Label("Handed to the mail server", "send", Tone.OK),
    DeliveryState.REFUSED.value: Label("Refused by the mail server", "ban", Tone.BAD),
    DeliveryState.DEAD.value: Label("Given up", "alert", Tone.BAD),
    DeliveryState.SKIPPED.value: Label("Skipped", "skip", Tone.BAD),
}

TOPIC: Mapping[str, Promise] = {
    Topic.NORMAL.value: _("Nothing of concern"),
    Topic.ADDITIONAL_IMAGING.value: _("More imaging needed"),
    Topic.SHORT_INTERVAL.value: _("Look again soon"),
    Topic.BIOPSY.value: _("Biopsy recommended"),
    Topic.KNOWN.value: _("Known cancer"),
    Topic.REMINDER.value: _("Reminder"),
    Topic.RECALLED.value: _("Earlier letter does not hold"),
    Statement.DENSE.value: _("Part: dense tissue"),
    Statement.NOT_DENSE.value: _("Part: tissue is not dense"),
    Statement.REPLACES.value: _("Part: replaces an earlier letter"),
}

HOW: Mapping[str, Promise] = {
    SentHow.POST.value: _("by post"),
    SentHow.HANDED.value: _("handed over"),
    SentHow.PORTAL.value: _("portal"),
    SentHow.MAIL.value: _("by mail, sent from here"),
}

# For the test that none is missing.
TABLES: Mapping[str, tuple[tuple[type[StrEnum], ...], Mapping[str, object]]] = {
    "exam": ((BreastExam,), EXAM),
    "category": ((Category,), CATEGORY),
    "density": ((Density,), DENSITY),
    "recall": ((RecallKind,), RECALL),
    "recall_state": ((RecallState,), RECALL_STATE),
    "pathology": ((Pathology,), PATHOLOGY),
    "letter": ((LetterState,), LETTER),
    "mail": ((DeliveryState,), MAIL),
    "topic": ((Topic, Statement), TOPIC),
    "how": ((SentHow,), HOW),
}
