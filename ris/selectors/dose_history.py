"""Dose over time: of a patient, of a device, and as tables to take elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Any
from uuid import UUID

from django.db.models import Count, QuerySet
from django.utils import timezone
from django.utils.crypto import salted_hmac

from ris.domain.dose import Compared, DoseMatch, DoseSource, age_on
from ris.domain.dose_totals import Total
from ris.domain.measures import MEASURES, PART_WORDS, Adding, Measure, Part, plain
from ris.models import DoseRecord, ExamDose, PatientIdentifier, ProcedureDefinition
from ris.selectors.dose import ExamLine

MOST = 10_000  # exams of one table
_YEAR = timedelta(days=365)
# What is added over exams of a patient: products of dose and size, and activity.
SUMMED = (Measure.DLP, Measure.DAP, Measure.GLANDULAR_DOSE, Measure.ACTIVITY)
# What an organ had: the dose of one side is no part of that of the other.
_OF_AN_ORGAN = frozenset({Measure.GLANDULAR_DOSE})


# --- one patient


@dataclass(frozen=True, slots=True, kw_only=True)
class SumLine:
    """What a patient's exams came to in a year, and in all that is listed."""

    words: str
    part: str  # the side of what has one
    unit: str
    year: str
    all: str
    exams: int
    incomplete: bool


def sums(exams: Iterable[ExamLine], now: datetime) -> list[SumLine]:
    """Of exams that were read already; what cannot be added (doses of single organs) is not."""
    listed = list(exams)
    found = []
    for measure in SUMMED:
        told = [(exam, one) for exam in listed for one in exam.totals if one.measure is measure]
        if measure not in _OF_AN_ORGAN:
            found += _summed(measure, "", told, now)
            continue
        for part in Part:
            of_part = [(exam, one) for exam, one in told if one.part is part]
            found += _summed(measure, PART_WORDS[part], of_part, now)
    return found


def _summed(
    measure: Measure, part: str, told: Sequence[tuple[ExamLine, Total]], now: datetime
) -> list[SumLine]:
    """One line, or none if no exam said anything of it."""
    if not told:
        return []
    by_exam: dict[int, tuple[ExamLine, list[Total]]] = {}
    for exam, total in told:
        by_exam.setdefault(id(exam), (exam, []))[1].append(total)
    values = [(exam.at, _whole(totals)) for exam, totals in by_exam.values()]
    year = sum((value for at, value in values if at and at >= now - _YEAR), Decimal(0))
    info = MEASURES[measure]
    return [
        SumLine(
            words=info.words,
            part=part,
            unit=info.dimension.value,
            year=plain(year),
            all=plain(sum((value for _, value in values), Decimal(0))),
            exams=len(values),
            incomplete=any(total.incomplete for _, total in told),
        )
    ]


def _whole(totals: Sequence[Total]) -> Decimal:
    """The value of an exam: the whole if it is said, else its parts together."""
    whole = [one.value for one in totals if one.part is Part.WHOLE]
    return whole[0] if whole else sum((one.value for one in totals), Decimal(0))


# --- one device


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendChoice:
    """A procedure, and how many doses of the last year are of it."""

    public_id: UUID
    meaning: str
    modality: str
    doses: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendCell:
    month: date
    count: int
    median: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendLine:
    """Month by month: the median of what a device gave for a procedure."""

    device: str
    cells: tuple[TrendCell, ...]
    count: int
    median: Decimal


def trend_choices() -> list[TrendChoice]:
    """Procedures with a dose, the most frequent of a year first; two queries.

    Counted from the year's doses: what is older is not read at all.
    """
    key = "order__procedures__definition"
    counts = (
        ExamDose.objects.filter(started_at__gte=timezone.now() - _YEAR)
        .values_list(key)
        .annotate(doses=Count("pk"))
        .order_by("-doses", f"{key}__meaning")[:200]
    )
    doses = {key: count for key, count in counts if key is not None}
    found = ProcedureDefinition.objects.in_bulk(doses)
    return [
        TrendChoice(
            public_id=found[each].public_id,
            meaning=found[each].meaning,
            modality=found[each].modality,
            doses=doses[each],
        )
        for each in doses
    ]


def months(last: date, count: int = 12) -> list[date]:
    """The first days of months up to that of ``last``."""
    number = last.year * 12 + last.month - 1
    return [date(n // 12, n % 12 + 1, 1) for n in range(number - count + 1, number + 1)]


def trend(procedure: str, measure: Measure, last: date) -> list[TrendLine]:
    """Medians by device of a year's exams of one procedure; orders with others are left out,
    for their dose is that of all their procedures. Two queries.
    """
    shown = months(last)
    since = datetime(shown[0].year, shown[0].month, 1, tzinfo=timezone.get_current_timezone())
    rows = (
        ExamDose.objects.filter(started_at__gte=since)
        .annotate(procedures=Count("order__procedures", distinct=True))
        .filter(procedures=1, order__procedures__definition__public_id=procedure)
    )
    values: dict[int, tuple[date, Decimal]] = {}
    for order, at, totals in rows.order_by("-started_at").values_list(
        "order_id", "started_at", "totals"
    )[:MOST]:
        told = [one for each in totals if (one := Total.from_json(each)).measure is measure]
        if told and at is not None:
            day = timezone.localtime(at).date().replace(day=1)
            highest = MEASURES[measure].adding is Adding.HIGHEST or measure in _OF_AN_ORGAN
            values[order] = (day, max(one.value for one in told) if highest else _whole(told))
    by_device: dict[str, dict[date, list[Decimal]]] = {}
    for order, name in _devices(rows.values("order_id")).items():
        if order in values:
            day, value = values[order]
            by_device.setdefault(name, {}).setdefault(day, []).append(value)
    return [_trend_line(name, by_device[name], shown) for name in sorted(by_device)]


def _trend_line(name: str, known: Mapping[date, list[Decimal]], shown: list[date]) -> TrendLine:
    every = [value for month in shown for value in known.get(month, ())]
    return TrendLine(
        device=name,
        cells=tuple(
            TrendCell(
                month=month,
                count=len(known.get(month, ())),
                median=median(known[month]) if month in known else None,
            )
            for month in shown
        ),
        count=len(every),
        median=median(every),
    )


def _devices(orders: QuerySet[Any, Any]) -> dict[int, str]:
    """The device of each order's dose: as its station is called, else by its AE title."""
    rows = DoseRecord.objects.filter(
        order__in=orders, match=DoseMatch.MATCHED.value, withdrawn_at__isnull=True
    ).exclude(source=DoseSource.MANUAL.value)
    found: dict[int, str] = {}
    for order, station, title in rows.order_by("id").values_list(
        "order_id", "station_name", "ae_title"
    ):
        if order is not None:
            found.setdefault(order, station or title or "?")
    return found


# --- tables

# The columns of measures, each with the part it is of.
_VALUES: Sequence[tuple[str, Measure, tuple[Part, ...]]] = (
    ("dlp_mGy_cm", Measure.DLP, (Part.WHOLE,)),
    ("ctdivol_body_mGy", Measure.CTDI_VOL, (Part.BODY_PHANTOM,)),
    ("ctdivol_head_mGy", Measure.CTDI_VOL, (Part.HEAD_PHANTOM,)),
    ("ctdivol_mGy", Measure.CTDI_VOL, (Part.WHOLE,)),
    ("dap_Gy_cm2", Measure.DAP, (Part.WHOLE,)),
    ("dose_rp_mGy", Measure.DOSE_RP, (Part.WHOLE,)),
    ("fluoro_time_s", Measure.FLUORO_TIME, (Part.WHOLE,)),
    ("agd_left_mGy", Measure.GLANDULAR_DOSE, (Part.LEFT,)),
    ("agd_right_mGy", Measure.GLANDULAR_DOSE, (Part.RIGHT,)),
    ("activity_MBq", Measure.ACTIVITY, (Part.WHOLE,)),
    ("exposures", Measure.EXPOSURES, (Part.WHOLE,)),
)
EXAM_COLUMNS = (
    "patient", "age", "sex", "weight_kg", "exam", "day", "procedure_code", "procedure", "modality",
    "device", "station", "protocol", "study_instance_uid",
    *(name for name, _, _ in _VALUES),
    "incomplete", "percent_of_level", "above_level", "pregnancy", "looked_at",
)  # fmt: skip
DOCUMENT_COLUMNS = (
    "sop_instance_uid", "study_instance_uid", "exam", "kind", "content_at", "received_at",
    "device", "device_uid", "station", "ae_title", "scope", "match", "found_by", "counts",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which exams, by the day of irradiation, both included; ``plain`` names the patients."""

    first: date
    last: date
    plain: bool = False

    @property
    def span(self) -> tuple[datetime, datetime]:
        zone = timezone.get_current_timezone()
        first = datetime(self.first.year, self.first.month, self.first.day, tzinfo=zone)
        after = self.last + timedelta(days=1)
        return first, datetime(after.year, after.month, after.day, tzinfo=zone)


def pseudonym(kind: str, value: str) -> str:
    """The same for the same value at this site, and nothing that leads back to it."""
    if not value:
        return ""
    return salted_hmac(f"ris.dose.{kind}", value, algorithm="sha256").hexdigest()[:16]


def exam_rows(wanted: Wanted) -> tuple[list[list[Any]], list[str]]:
    """The table of exams with the patients in it, by public id; four queries."""
    begin, end = wanted.span
    found = list(
        ExamDose.objects.filter(started_at__gte=begin, started_at__lt=end)
        .select_related("order__patient")
        .prefetch_related("order__procedures__definition", "order__procedures__steps")
        .order_by("started_at", "id")[:MOST]
    )
    keys = [row.order_id for row in found]
    documents: dict[int, DoseRecord] = {}
    for first in range(0, len(keys), 500):
        rows = DoseRecord.objects.filter(
            order__in=keys[first : first + 500],
            match=DoseMatch.MATCHED.value,
            withdrawn_at__isnull=True,
        ).order_by("source", "-id")
        for one in rows.prefetch_related("own_events"):
            if one.order_id is not None:
                documents.setdefault(one.order_id, one)
    numbers = _numbers({row.order.patient_id for row in found}) if wanted.plain else {}
    table = [_exam_row(row, documents.get(row.order_id), numbers, wanted) for row in found]
    return table, sorted({str(row.order.patient.public_id) for row in found})


def _numbers(patients: Iterable[int]) -> Mapping[int, str]:
    rows = PatientIdentifier.objects.filter(patient__in=list(patients), primary=True)
    return dict(rows.values_list("patient_id", "value"))


def _exam_row(
    row: ExamDose, document: DoseRecord | None, numbers: Mapping[int, str], wanted: Wanted
) -> list[Any]:
    order, patient = row.order, row.order.patient
    procedures = list(order.procedures.all())
    totals = [Total.from_json(one) for one in row.totals]
    compared = [Compared.from_json(one) for one in row.compared]
    at = timezone.localtime(row.started_at) if row.started_at else None
    study = document.study_instance_uid if document else ""
    protocols = dict.fromkeys(
        str(event.details.get("protocol", ""))
        for event in (document.own_events.all() if document else ())
    )
    steps = [step for each in procedures for step in each.steps.all()]
    return [
        numbers.get(order.patient_id, "")
        if wanted.plain
        else pseudonym("patient", str(patient.public_id)),
        age if at and (age := age_on(patient.birth_date, at.date())) is not None else "",
        patient.sex,
        order.safety.get("weight_kg") or patient.weight_kg or "",
        order.accession_number if wanted.plain else pseudonym("exam", str(order.public_id)),
        f"{at:%Y-%m-%d}" if at else "",
        "; ".join(each.code_value for each in procedures),
        "; ".join(each.description or each.code_meaning for each in procedures),
        ", ".join(dict.fromkeys(step.modality for step in steps if step.modality)),
        document.device if document else "",
        (document.station_name or document.ae_title) if document else "",
        "; ".join(name for name in protocols if name)[:200],
        study if wanted.plain else pseudonym("study", study),
        *(_value(totals, measure, parts) for _, measure, parts in _VALUES),
        "yes" if any(one.incomplete for one in totals) else "",
        max((one.percent for one in compared), default=""),
        "yes" if row.exceeded else "",
        row.pregnancy,
        "yes" if row.acknowledged_at else "",
    ]


def _value(totals: Sequence[Total], measure: Measure, parts: tuple[Part, ...]) -> str:
    found = [one.value for one in totals if one.measure is measure and one.part in parts]
    return plain(found[0]) if found else ""


def document_rows(wanted: Wanted) -> Iterator[list[Any]]:
    """The dose reports of devices, by when they were made; one query."""
    begin, end = wanted.span
    rows = (
        DoseRecord.objects.filter(
            source=DoseSource.RDSR.value, content_at__gte=begin, content_at__lt=end
        )
        .select_related("order__dose")
        .order_by("content_at", "id")[:MOST]
    )
    for row in rows:
        order = row.order
        dose = getattr(order, "dose", None) if order else None
        counts = dose is not None and row.source_uid not in dose.left_out
        made = timezone.localtime(row.content_at) if row.content_at else None
        yield [
            row.source_uid if wanted.plain else pseudonym("document", row.source_uid),
            row.study_instance_uid if wanted.plain else pseudonym("study", row.study_instance_uid),
            (order.accession_number if wanted.plain else pseudonym("exam", str(order.public_id)))
            if order
            else "",
            row.kind,
            f"{made:%Y-%m-%d %H:%M}" if made else "",
            f"{timezone.localtime(row.created_at):%Y-%m-%d %H:%M}",
            row.device,
            row.device_uid if wanted.plain else pseudonym("device", row.device_uid),
            row.station_name,
            row.ae_title,
            row.scope,
            row.match,
            row.joined_by,
            "yes" if counts else "",
        ]
