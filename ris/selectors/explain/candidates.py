"""The steps an explanation looks at: one by its id, or those that come close to a query.

Never the archive: each pool is cut, and what a query names (a number, a patient, a day, a station)
says where to look.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet, prefetch_related_objects

from ris.domain.errors import UnknownKeyError
from ris.domain.orders import OrderStatus, Priority, StepStatus
from ris.domain.patients import Sex
from ris.domain.values import Code, Identifier
from ris.models import ScheduledProcedureStep
from ris.selectors import name_keys
from ris.selectors.facility import site
from ris.selectors.views import TextMatch, WorklistQuery

# How many steps of each kind are looked at.
NUMBERED = 100
OF_PATIENTS = 150
OF_DAYS = 300
WAITING = 40


_Steps = QuerySet[ScheduledProcedureStep]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A step with all that a worklist query can ask of it, as stored."""

    key: int  # primary key
    public_id: str
    step_id: str
    status: StepStatus
    modality: str
    station_ae_title: str
    station_name: str
    location: str
    start_at: datetime | None
    description: str
    performing_physician: str
    protocol_codes: tuple[Code, ...]
    procedure_id: str
    study_instance_uid: str
    code_value: str
    code_scheme: str
    code_meaning: str
    procedure_description: str
    order_public_id: str
    order_status: OrderStatus
    priority: Priority
    accession_number: str
    accession_issuer: str
    placer_number: str
    filler_number: str
    requester: str
    referring: str
    requesting_service: str
    admission_id: str | None  # None, as the other two: no visit
    admission_issuer: str | None
    current_location: str | None
    institution: str
    patient_public_id: str
    patient_name: str
    name_key: str
    identifiers: tuple[tuple[Identifier, bool], ...]  # with whether it is the primary one
    birth_date: str
    sex: Sex

    @property
    def title(self) -> str:
        """What is to be done, in the words there are."""
        return self.description or self.procedure_description or self.code_meaning

    @property
    def patient_id(self) -> str:
        return next((one.value for one, primary in self.identifiers if primary), "")


# Stands where a query is put in words and no step is meant.
NOBODY = Candidate(
    key=0,
    public_id="",
    step_id="",
    status=StepStatus.PENDING,
    modality="",
    station_ae_title="",
    station_name="",
    location="",
    start_at=None,
    description="",
    performing_physician="",
    protocol_codes=(),
    procedure_id="",
    study_instance_uid="",
    code_value="",
    code_scheme="",
    code_meaning="",
    procedure_description="",
    order_public_id="",
    order_status=OrderStatus.ACTIVE,
    priority=Priority.ROUTINE,
    accession_number="",
    accession_issuer="",
    placer_number="",
    filler_number="",
    requester="",
    referring="",
    requesting_service="",
    admission_id=None,
    admission_issuer=None,
    current_location=None,
    institution="",
    patient_public_id="",
    patient_name="",
    name_key="",
    identifiers=(),
    birth_date="",
    sex=Sex.UNKNOWN,
)


IDENTIFIERS = "procedure__order__patient__identifiers"


def _steps() -> _Steps:
    return ScheduledProcedureStep.objects.select_related(
        "procedure__order__patient", "procedure__order__visit"
    )


def _rows() -> _Steps:
    return _steps().prefetch_related(IDENTIFIERS)


def _of(step: ScheduledProcedureStep, institution: str) -> Candidate:
    procedure = step.procedure
    order = procedure.order
    patient = order.patient
    return Candidate(
        key=step.pk,
        public_id=str(step.public_id),
        step_id=step.step_id,
        status=StepStatus(step.status),
        modality=step.modality,
        station_ae_title=step.station_ae_title,
        station_name=step.station_name,
        location=step.location,
        start_at=step.start_at,
        description=step.description,
        performing_physician=step.performing_physician,
        protocol_codes=tuple(Code.from_json(code) for code in step.protocol_codes),
        procedure_id=procedure.procedure_id,
        study_instance_uid=procedure.study_instance_uid,
        code_value=procedure.code_value,
        code_scheme=procedure.code_scheme,
        code_meaning=procedure.code_meaning,
        procedure_description=procedure.description,
        order_public_id=str(order.public_id),
        order_status=OrderStatus(order.status),
        priority=Priority(order.priority),
        accession_number=order.accession_number,
        accession_issuer=order.accession_issuer,
        placer_number=order.placer_order_number,
        filler_number=order.filler_order_number,
        requester=order.requester,
        referring=order.referring,
        requesting_service=order.requesting_service,
        admission_id=order.visit.number if order.visit else None,
        admission_issuer=order.visit.issuer if order.visit else None,
        current_location=order.visit.location if order.visit else None,
        institution=institution,
        patient_public_id=str(patient.public_id),
        patient_name=patient.name,
        name_key=patient.name_key,
        identifiers=tuple(
            (Identifier(row.value, row.issuer, row.type), row.primary)
            for row in patient.identifiers.all()
        ),
        birth_date=patient.birth_date,
        sex=Sex(patient.sex),
    )


def by_id(step: str) -> Candidate:
    """A step by its public id or its Scheduled Procedure Step ID; raises UnknownKeyError."""
    try:
        wanted = Q(public_id=uuid.UUID(step))
    except ValueError:
        wanted = Q(step_id=step)
    row = _rows().filter(wanted).first()
    if row is None:
        raise UnknownKeyError("no such scheduled step", path="step")
    return _of(row, site().institution)


def by_number(number: str) -> list[Candidate]:
    """Steps by whatever people have at hand: step, procedure or accession number, in order."""
    text = number.strip()
    if not text:
        return []
    try:
        return by_public_ids([str(uuid.UUID(text))])
    except ValueError:
        wanted = (
            Q(step_id=text),
            Q(procedure__procedure_id=text),
            Q(procedure__order__accession_number=text),
        )
    # ORed they use no index; and a number has few steps, so that all may be read.
    steps = ScheduledProcedureStep.objects
    one, *others = (steps.filter(each).values_list("pk", "start_at") for each in wanted)
    found = one.union(*others).order_by("-start_at")[:NUMBERED]
    return by_keys(key for key, _ in found)


def _keys(wanted: Iterable[Q], limit: int = NUMBERED) -> set[int]:
    """The latest steps that meet any of these: a statement for each, for ORed they use no index."""
    steps = ScheduledProcedureStep.objects.order_by("-start_at")
    return {key for one in wanted for key in steps.filter(one).values_list("pk", flat=True)[:limit]}


def by_keys(keys: Iterable[int]) -> list[Candidate]:
    """Steps by primary key, in order of their start."""
    keys = list(keys)
    if not keys:
        return []
    rows = _rows().filter(pk__in=keys).order_by("start_at", "step_id")
    institution = site().institution
    return [_of(row, institution) for row in rows]


def by_public_ids(public_ids: Iterable[str]) -> list[Candidate]:
    """The same by public id."""
    public_ids = list(public_ids)
    if not public_ids:
        return []
    rows = _rows().filter(public_id__in=public_ids).order_by("start_at", "step_id")
    institution = site().institution
    return [_of(row, institution) for row in rows]


def keys_of(keys: Sequence[int]) -> dict[str, int]:
    """Public id → primary key of these steps."""
    if not keys:
        return {}
    rows = ScheduledProcedureStep.objects.filter(pk__in=keys)
    return {str(public_id): key for public_id, key in rows.values_list("public_id", "pk")}


def near(query: WorklistQuery, now: datetime) -> list[Candidate]:
    """Steps that a person may miss in the answer to ``query``: eleven statements at most."""
    # Who asks for a patient does not miss everybody else of the day.
    found = _read(_named(query)) or _read(_around(query, now))
    prefetch_related_objects(list(found.values()), IDENTIFIERS)
    institution = site().institution
    return [_of(row, institution) for row in found.values()]


def _read(pools: Iterable[_Steps]) -> dict[int, ScheduledProcedureStep]:
    found: dict[int, ScheduledProcedureStep] = {}
    for pool in pools:
        for row in pool:
            found.setdefault(row.pk, row)
    return found


def _named(query: WorklistQuery) -> Iterator[_Steps]:
    for wanted, limit in ((_numbers(query), NUMBERED), (_patients(query), OF_PATIENTS)):
        if wanted is not None:
            yield _steps().filter(wanted).order_by("-start_at", "step_id")[:limit]


def _around(query: WorklistQuery, now: datetime) -> Iterator[_Steps]:
    rows = _steps()
    days = _days(query, now)
    titles = _literal(query.station_ae_titles)
    modalities = _literal(query.modalities)
    everything = rows.filter(days).order_by("start_at")[:OF_DAYS]
    yield everything
    if len(everything) == OF_DAYS:  # what is for the device may not be among them
        if titles:
            yield rows.filter(days, station_ae_title__in=titles).order_by("start_at")[:OF_DAYS]
        if modalities:
            yield rows.filter(days, modality__in=modalities).order_by("start_at")[:OF_DAYS]
    # What has no time yet is on nobody's day, and is what people look for most.
    waiting = rows.filter(status=StepStatus.PENDING.value, start_at__isnull=True)
    if modalities:
        waiting = waiting.filter(modality__in=modalities)
    yield waiting.order_by("-id")[:WAITING]


def _literal(values: Sequence[str]) -> list[str]:
    return [one for one in values if "*" not in one and "?" not in one]


def _numbers(query: WorklistQuery) -> Q | None:
    """Steps that one of the numbers in the query belongs to, whatever else it says."""
    wanted: list[Q] = []
    for column, match in (
        ("procedure__order__accession_number", query.accession_number),
        ("procedure__order__placer_order_number", query.placer_number),
        ("procedure__order__filler_order_number", query.filler_number),
        ("procedure__order__visit__number", query.admission_id),
        ("procedure__procedure_id", query.procedure_id),
        ("step_id", query.step_id),
    ):
        if match is not None:
            wanted.append(_text(column, match))
    if query.study_instance_uids:
        wanted.append(Q(procedure__study_instance_uid__in=query.study_instance_uids))
    return Q(pk__in=_keys(wanted)) if wanted else None


def _patients(query: WorklistQuery) -> Q | None:
    """Steps of the patients that the query names by number or by name."""
    wanted: list[Q] = []
    if query.patient_id is not None:
        wanted.append(_text("procedure__order__patient__identifiers__value", query.patient_id))
    for key in name_keys.name_keys(query.patient_name):
        for group in key.groups[:1]:
            prefixes = [variant.prefix for variant in group if variant.prefix]
            wanted += [Q(procedure__order__patient__name_key__startswith=one) for one in prefixes]
    return Q(pk__in=_keys(wanted, OF_PATIENTS)) if wanted else None


def _text(column: str, match: TextMatch) -> Q:
    """The values of a key, and what a person who typed them in another case meant."""
    wanted = Q(pk__in=())
    for value in match.pattern.split("\\"):
        prefix = name_keys.split(value)[0] if match.wildcard else value
        if match.wildcard and prefix != value:
            wanted |= Q(**{f"{column}__startswith": prefix}) if prefix else Q()
        else:
            wanted |= Q(**{f"{column}__in": list({value, value.upper(), value.lower()})})
    return wanted


def _days(query: WorklistQuery, now: datetime) -> Q:
    """The days that the query names; an open side ends a week from the other one."""
    first, before = query.start_from, query.start_before
    if first is None and before is None:
        first, before = now - timedelta(days=1), now + timedelta(days=1)
    elif first is None and before is not None:
        first = before - timedelta(days=7)
    elif before is None and first is not None:
        before = first + timedelta(days=7)
    return Q(start_at__gte=first, start_at__lt=before)
