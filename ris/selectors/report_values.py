"""What the order and the exam know that a report says: age, contrast, dose, the exam before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.utils import timezone

from ris.domain.measures import Measure
from ris.domain.orders import Stage
from ris.domain.patients import Sex
from ris.domain.report_fields import MergeSource
from ris.domain.supplies import Route, SupplyKind
from ris.models import RequestedProcedure
from ris.selectors import dose, supplies
from ris.selectors.orders import order_views
from ris.selectors.views import OrderView, ProcedureView

_SEX = {Sex.MALE: "male", Sex.FEMALE: "female", Sex.OTHER: "other"}
_SIDE = {"L": "left", "R": "right", "B": "both sides", "U": "unpaired"}
_ROUTE = {
    Route.INTRAVENOUS.value: "intravenously",
    Route.ORAL.value: "orally",
    Route.RECTAL.value: "rectally",
    Route.INTRA_ARTERIAL.value: "intra-arterially",
    Route.INTRA_ARTICULAR.value: "intra-articularly",
    Route.INTRATHECAL.value: "intrathecally",
    Route.SUBCUTANEOUS.value: "subcutaneously",
    Route.INTRAMUSCULAR.value: "intramuscularly",
    Route.INHALED.value: "inhaled",
}
# What a report says of dose; an effective dose is an estimate and stays out of the text.
_DOSES: Mapping[str, str] = {
    Measure.CTDI_VOL.value: "CTDIvol",
    Measure.DLP.value: "DLP",
    Measure.DAP.value: "DAP",
    Measure.GLANDULAR_DOSE.value: "AGD",
    Measure.FLUORO_TIME.value: "fluoroscopy time",
    Measure.ACTIVITY.value: "administered activity",
}


@dataclass(frozen=True, slots=True)
class Value:
    """Words for a report, and where they came from."""

    words: str
    source: str


def values_for(
    order: str, procedures: Iterable[str], sources: Iterable[MergeSource]
) -> dict[MergeSource, Value]:
    """What is known of exams (public ids), of this order first; a source without a value is left
    out.

    Asks only for what ``sources`` name: at most as often as the page of each order, once for each
    of contrast, dose and the exam before.
    """
    wanted = dict.fromkeys(sources)
    if not wanted:
        return {}
    covered = frozenset(procedures)
    rows = RequestedProcedure.objects.filter(public_id__in=covered)
    keys = [order, *map(str, rows.order_by("id").values_list("order__public_id", flat=True))]
    found_orders = {view.public_id: view for view in order_views(dict.fromkeys(keys))}
    orders = [found_orders[key] for key in dict.fromkeys(keys)]
    exam = _Exam(
        orders,
        [each for view in orders for each in view.procedures if each.public_id in covered],
    )
    found = {}
    for source in wanted:
        value = _FINDERS[source](exam)
        if value is not None and value.words:
            found[source] = value
    return found


@dataclass(frozen=True, slots=True)
class _Exam:
    """What a report is about: one order's exams, or those of several that are read together."""

    orders: list[OrderView]
    procedures: list[ProcedureView]

    @property
    def order(self) -> OrderView:
        return self.orders[0]

    def of_each(self, told: Callable[[OrderView], str]) -> str:
        """What is told of each order; of several with the exams that it is of."""
        words = {order.public_id: told(order) for order in self.orders}
        if len(self.orders) == 1:
            return words[self.order.public_id]
        return "; ".join(
            f"{self._names(order)}: {words[order.public_id]}"
            for order in self.orders
            if words[order.public_id]
        )

    def _names(self, order: OrderView) -> str:
        own = [each for each in self.procedures if each in order.procedures]
        return ", ".join(map(_name, own))

    @property
    def performed_at(self) -> datetime | None:
        starts = [each.started_at for one in self.procedures for each in one.performed]
        return min(starts, default=None)


def _age(exam: _Exam) -> Value | None:
    """On the day of the exam, as pediatric departments say it: days, months, years."""
    text = exam.order.patient.birth_date.text
    if len(text) != 10:
        return None
    born = date.fromisoformat(text)
    day = _local(exam.performed_at or timezone.now()).date()
    months = (day.year - born.year) * 12 + day.month - born.month - (day.day < born.day)
    if day < born:
        return None
    if months >= 24:
        words = f"{months // 12} years"
    elif months >= 1:
        words = f"{months} months" if months > 1 else "1 month"
    else:
        days = (day - born).days
        words = f"{days} days" if days != 1 else "1 day"
    return Value(words, "birth date, on the day of the exam")


def _sex(exam: _Exam) -> Value | None:
    return Value(_SEX.get(exam.order.patient.sex, ""), "patient record")


def _indication(exam: _Exam) -> Value | None:
    reasons = dict.fromkeys(order.reason for order in exam.orders if order.reason)
    return Value(_flat("; ".join(reasons)), "order")


def _procedure(exam: _Exam) -> Value | None:
    return Value(_flat("; ".join(map(_name, exam.procedures))), "order")


def _name(procedure: ProcedureView) -> str:
    return procedure.description or procedure.code.meaning or procedure.code.value


def _laterality(exam: _Exam) -> Value | None:
    """Of the order; exams of different sides have no one side, and then nothing is filled in."""
    sides = {one.laterality for one in exam.procedures if one.laterality}
    return Value(_SIDE.get(sides.pop(), ""), "order") if len(sides) == 1 else None


def _accession(exam: _Exam) -> Value | None:
    return Value(", ".join(order.accession.value for order in exam.orders), "order")


def _referrer(exam: _Exam) -> Value | None:
    names = [(order.requester or order.referring).display for order in exam.orders]
    return Value(_flat("; ".join(dict.fromkeys(filter(None, names)))), "order")


def _exam_date(exam: _Exam) -> Value | None:
    at = exam.performed_at
    return Value(_local(at).date().isoformat(), "start of the exam") if at is not None else None


def _device(exam: _Exam) -> Value | None:
    names = dict.fromkeys(
        each.station_name or each.station_ae_title
        for one in exam.procedures
        for each in one.performed
    )
    return Value(_flat(", ".join(name for name in names if name)), "the exam's device")


def _contrast(exam: _Exam) -> Value | None:
    """Agent, concentration, amount and way of each contrast agent that was recorded as given."""
    return Value(_flat(exam.of_each(_contrast_of)), "contrast recorded for the exam")


def _contrast_of(order: OrderView) -> str:
    said = []
    for use in supplies.of_order(order.public_id).uses:
        if use.kind != SupplyKind.CONTRAST.value:
            continue
        way = _ROUTE.get(use.route, "")
        said.append(f"{_number(use.amount)} {use.unit} {use.name} {way}".strip())
    return "; ".join(said)


def _dose(exam: _Exam) -> Value | None:
    return Value(_flat(exam.of_each(_dose_of)), "dose reports of the exam")


def _dose_of(order: OrderView) -> str:
    totals, _ = dose.totals_of(order.public_id)
    said = [
        f"{_DOSES[line.measure]} {line.text}"
        + (f" ({line.part})" if line.part else "")
        + (" (incomplete)" if line.incomplete else "")
        for line in totals
        if line.measure in _DOSES
    ]
    return ", ".join(said)


def _prior_date(exam: _Exam) -> Value | None:
    """The latest exam before this one, of the same modality, that has a report."""
    at = exam.performed_at
    if at is None:
        return None
    modalities = {step.modality for one in exam.procedures for step in one.steps}
    before = (
        RequestedProcedure.objects.filter(
            order__patient__public_id=exam.order.patient.public_id,
            stage__in=[Stage.PRELIMINARY.value, Stage.REPORTED.value],
            performed_at__lt=at,
            steps__modality__in=modalities,
        )
        .exclude(public_id__in=[one.public_id for one in exam.procedures])
        .order_by("-performed_at")
        .values_list("performed_at", flat=True)
        .first()
    )
    if before is None:
        return None
    return Value(_local(before).date().isoformat(), "the report before this one")


_FINDERS: Mapping[MergeSource, Callable[[_Exam], Value | None]] = {
    MergeSource.AGE: _age,
    MergeSource.SEX: _sex,
    MergeSource.INDICATION: _indication,
    MergeSource.PROCEDURE: _procedure,
    MergeSource.LATERALITY: _laterality,
    MergeSource.ACCESSION: _accession,
    MergeSource.REFERRER: _referrer,
    MergeSource.EXAM_DATE: _exam_date,
    MergeSource.DEVICE: _device,
    MergeSource.CONTRAST: _contrast,
    MergeSource.DOSE: _dose,
    MergeSource.PRIOR_DATE: _prior_date,
}


def _local(at: datetime) -> datetime:
    return at.astimezone(timezone.get_default_timezone())


def _number(value: Decimal) -> str:
    return f"{value.normalize():f}"


def _flat(text: str) -> str:
    """On one line, and without brackets: what is filled in does not wait to be filled in."""
    return " ".join(text.replace("[", "(").replace("]", ")").split())
