"""The front desk's day: who is expected, here and late, with numbers, checks and safety answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.utils import timezone

from ris.domain.arrivals import LabelSize, WallNames
from ris.domain.scheduling import AppointmentStatus
from ris.domain.values import fold
from ris.models import Appointment, DeskSettings, IdentityCheck, ScheduledProcedureStep
from ris.selectors import safety, schedule
from ris.selectors.facility import DeviceView, devices
from ris.selectors.safety import SafetyState
from ris.selectors.schedule import AppointmentLine

EARLY = timedelta(minutes=5)  # sooner or later than this is said in words


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """Which identifiers were compared, and by whom."""

    kinds: tuple[str, ...]
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketLine:
    number: int
    called_at: datetime | None
    called_to: str
    calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """An appointment as the front desk sees it."""

    line: AppointmentLine
    site: str
    modality: str
    ticket: TicketLine | None
    checked: Checked | None
    safety: SafetyState | None

    @property
    def minutes_early(self) -> int:
        """How long before the appointment somebody came; negative: after it."""
        if self.line.arrived_at is None:
            return 0
        early = self.line.start_at - self.line.arrived_at
        return round(early.total_seconds() / 60) if abs(early) > EARLY else 0

    @property
    def minutes_late(self) -> int:
        return -self.minutes_early

    @property
    def is_waiting(self) -> bool:
        waiting = {"ARRIVED", "READY"}
        return self.line.status == AppointmentStatus.ARRIVED.value and any(
            step.status in waiting for step in self.line.steps
        )

    @property
    def can_undo(self) -> bool:
        """Nothing was done since the patient was checked in."""
        return self.line.status == AppointmentStatus.ARRIVED.value and all(
            step.status in {"ARRIVED", "CANCELED"} for step in self.line.steps
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What the list is narrowed to; empty: all."""

    site: str = ""
    room: str = ""
    modality: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What there is to narrow the list to."""

    sites: tuple[str, ...]
    rooms: tuple[str, ...]
    modalities: tuple[str, ...]


def choices(known: Sequence[DeviceView]) -> Choices:
    active = [device for device in known if device.active]
    return Choices(
        sites=tuple(sorted({device.site for device in active if device.site})),
        rooms=tuple(sorted({device.room or device.ae_title for device in active})),
        modalities=tuple(sorted({device.modality for device in active})),
    )


def arrivals(
    day: date, choice: Choice | None = None, known: Sequence[DeviceView] | None = None
) -> list[Arrival]:
    """A day's appointments in order of time."""
    chosen = choice or Choice()
    sites = {device.ae_title: device.site for device in known or devices()}
    lines = [
        line
        for line in schedule.expected(day)
        if _is_chosen(line, chosen, sites.get(line.ae_title, ""))
    ]
    return _arrivals(lines, sites)


def arrival(public_id: str) -> Arrival:
    """One appointment; raises UnknownKeyError."""
    sites = {device.ae_title: device.site for device in devices()}
    return _arrivals([schedule.appointment(public_id)], sites)[0]


def _is_chosen(line: AppointmentLine, choice: Choice, site: str) -> bool:
    return (
        (not choice.site or site == choice.site)
        and (not choice.room or (line.room or line.ae_title) == choice.room)
        and (not choice.modality or any(s.modality == choice.modality for s in line.steps))
        and _matches(line, choice.text)
    )


def _matches(line: AppointmentLine, text: str) -> bool:
    if not text:
        return True
    haystack = fold(f"{line.patient.name} {line.patient.number} {line.accession_number}")
    return all(word in haystack for word in fold(text).replace(",", " ").split())


def is_exactly(found: Arrival, text: str) -> bool:
    """Whether a scan names this one by its number or that of its patient, and not by a part."""
    return text in {found.line.accession_number, found.line.patient.number}


def _arrivals(lines: Sequence[AppointmentLine], sites: Mapping[str, str]) -> list[Arrival]:
    tickets, checks = _noted(line.public_id for line in lines)
    states = _safety(step.public_id for line in lines for step in line.steps)
    return [
        Arrival(
            line=line,
            site=sites.get(line.ae_title, ""),
            modality=line.steps[0].modality,
            ticket=tickets.get(line.public_id),
            checked=checks.get(line.public_id) if line.arrived_at else None,
            safety=_worst([states[s.public_id] for s in line.steps if s.public_id in states]),
        )
        for line in lines
    ]


def _noted(keys: Iterable[str]) -> tuple[dict[str, TicketLine], dict[str, Checked]]:
    """The number and the last identity check of each appointment that has one; one query."""
    tickets: dict[str, TicketLine] = {}
    checks: dict[str, Checked] = {}
    rows = Appointment.objects.filter(public_id__in=list(keys)).order_by("identity_checks__id")
    for row in rows.values(
        "public_id",
        *(f"ticket__{name}" for name in ("number", "called_at", "called_to", "calls")),
        *(f"identity_checks__{name}" for name in ("checked", "reason", "checked_by", "checked_at")),
    ):
        key = str(row["public_id"])
        if row["ticket__number"] is not None:
            tickets[key] = TicketLine(
                number=row["ticket__number"],
                called_at=row["ticket__called_at"],
                called_to=row["ticket__called_to"],
                calls=row["ticket__calls"],
            )
        if row["identity_checks__checked_at"] is not None:
            checks[key] = Checked(
                kinds=tuple(row["identity_checks__checked"]),
                reason=row["identity_checks__reason"],
                by=row["identity_checks__checked_by"],
                at=row["identity_checks__checked_at"],
            )
    return tickets, checks


def _safety(keys: Iterable[str]) -> dict[str, SafetyState]:
    steps = list(
        ScheduledProcedureStep.objects.filter(public_id__in=list(keys)).select_related(
            *safety.RELATED
        )
    )
    if not steps:
        return {}
    return {state.step: state for state in safety.states(steps).values()}


def _worst(states: Sequence[SafetyState]) -> SafetyState | None:
    """The exam whose questions are furthest from answered; None if nothing is asked."""
    asked = [state for state in states if state.checks]
    if not asked:
        return None
    return max(asked, key=lambda state: (len(state.unsafe), state.open))


def checked(appointment: str) -> Checked | None:
    """Which identifiers were compared when somebody arrived for an appointment."""
    row = IdentityCheck.objects.filter(appointment__public_id=appointment).order_by("-id").first()
    if row is None:
        return None
    return Checked(
        kinds=tuple(row.checked), reason=row.reason, by=row.checked_by, at=row.checked_at
    )


# --- what a site prints and shows


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    label: LabelSize = LabelSize.MEDIUM
    names: WallNames = WallNames.NUMBER


def desk(site: str = "") -> Desk:
    """What a site (by name) is set to; without a name, the first one."""
    rows = DeskSettings.objects.order_by("site_id")
    row = (rows.filter(site__name=site) if site else rows).first()
    if row is None:
        return Desk()
    return Desk(label=LabelSize(row.label), names=WallNames(row.names))


def waiting_since(found: Arrival) -> int:
    """Minutes somebody has been waiting."""
    if found.line.arrived_at is None:
        return 0
    return max(int((timezone.now() - found.line.arrived_at).total_seconds() // 60), 0)
