"""Why a given device sees a given step on its worklist, or does not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from zoneinfo import ZoneInfo

from ris.domain.orders import StepStatus
from ris.models import DeviceRefusal, WorklistSighting
from ris.selectors import worklist
from ris.selectors.device_activity import last_queries
from ris.selectors.explain import candidates
from ris.selectors.explain.callers import registered_as
from ris.selectors.explain.candidates import Candidate
from ris.selectors.explain.condition import Condition, when
from ris.selectors.explain.conditions import conditions
from ris.selectors.explain.queries import StoredQuery
from ris.selectors.explain.reading import Reader, reader
from ris.selectors.explain.usual import Usual, usual
from ris.selectors.facility import DeviceView, read_once, site

# A scanner that is on asks every 1 to 15 minutes (dicom.md 1.3).
SILENT = timedelta(hours=1)


class Weight(StrEnum):
    """How much a finding matters: it stops the device, it may, or it is good to know."""

    STOPS = "stops"
    MAY = "may"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    weight: Weight
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """How often the device was given the step."""

    first_at: datetime
    last_at: datetime
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """``sees``: the device's usual query, asked now, would be answered with the step."""

    ae_title: str
    device: DeviceView | None
    step: Candidate
    sees: bool
    usual: Usual
    conditions: tuple[Condition, ...]
    findings: tuple[Finding, ...]
    last_query: StoredQuery | None
    shown: Shown | None

    @property
    def failed(self) -> tuple[Condition, ...]:
        return tuple(one for one in self.conditions if not one.meets)

    @property
    def verdict(self) -> str:
        """The answer in one sentence."""
        if self.sees:
            return f"{self.ae_title} sees this step when it asks."
        stops = [one.words for one in self.findings if one.weight is Weight.STOPS]
        reasons = [*(one.words for one in self.failed), *stops]
        return f"{self.ae_title} does not see this step. {'; '.join(reasons)}.".replace("..", ".")


def sight(step: str, ae_title: str, now: datetime) -> Sight:
    """A step (public id or step id) and a device by an AE title; raises UnknownKeyError."""
    return sight_of(candidates.by_id(step), ae_title, now)


@read_once()
def sight_of(candidate: Candidate, ae_title: str, now: datetime) -> Sight:
    """The same of a step that was read already."""
    zone = ZoneInfo(site().time_zone)
    ae_title = ae_title.strip()
    device = registered_as(ae_title)
    edge = reader()
    queries = last_queries(ae_title)
    asked = usual(ae_title, device, queries, now, edge)
    checked = conditions(asked.offered, candidate, zone, asked.sent)
    last = queries[0] if queries else None
    findings = [*findings_of(ae_title, device, last, now, edge)]
    matched = all(one.meets for one in checked)
    findings += _of_answer(candidate, asked, edge) if matched else _of_step(candidate)
    return Sight(
        ae_title=ae_title,
        device=device,
        step=candidate,
        sees=matched and not any(one.weight is Weight.STOPS for one in findings),
        usual=asked,
        conditions=checked,
        findings=tuple(findings),
        last_query=last,
        shown=_shown(candidate, ae_title),
    )


def findings_of(
    ae_title: str,
    device: DeviceView | None,
    last: StoredQuery | None,
    now: datetime,
    edge: Reader,
) -> list[Finding]:
    """What is wrong before any query."""
    zone = ZoneInfo(site().time_zone)
    found = []
    if device is None and edge.accepts_strangers():
        found.append(Finding(Weight.NOTE, f"No device is registered as {ae_title}"))
    elif device is None:
        found.append(
            Finding(Weight.STOPS, f"No device is registered as {ae_title}, so it is not let in")
        )
    elif not device.active:
        found.append(Finding(Weight.STOPS, "The device is out of use, so it is not let in"))
    refusal = (
        DeviceRefusal.objects.filter(ae_title=ae_title, operation="A-ASSOCIATE")
        .order_by("-last_at")
        .first()
    )
    if refusal is not None and (last is None or refusal.last_at > last.at):
        found.append(_of_refusal(refusal, zone))
    if last is None:
        found.append(Finding(Weight.MAY, "It has never asked for its worklist here"))
    elif now - last.at > SILENT:
        found.append(Finding(Weight.MAY, f"It has not asked since {when(last.at, zone)}"))
    if last is not None and last.failed:
        found.append(
            Finding(
                Weight.MAY,
                f"Its last query ended with {last.status:04X} ({last.status_words})"
                f" {last.remark}".rstrip(),
            )
        )
    return found


def _of_refusal(refusal: DeviceRefusal, zone: tzinfo) -> Finding:
    """Rejected for good (PS3.8 9.3.4, result 1) or for the moment, or broken off."""
    ended = "broken off" if refusal.status == "abort" else "refused"
    return Finding(
        Weight.STOPS if refusal.status.startswith("1/") else Weight.MAY,
        f"Its last association from {refusal.address} was {ended} at"
        f" {when(refusal.last_at, zone)}: {refusal.reason}",
    )


def _of_step(step: Candidate) -> list[Finding]:
    """What is to be done about a step that no query finds."""
    if step.status is StepStatus.PENDING:
        if not step.modality:
            return [Finding(Weight.NOTE, "The order lacks its modality: complete it, then book it")]
        return [Finding(Weight.NOTE, "The step has no time yet: book it, and it is offered")]
    return []


def _of_answer(step: Candidate, asked: Usual, edge: Reader) -> list[Finding]:
    """What may keep a step that meets every condition out of the answer."""
    answer = worklist.entries(asked.offered)
    entry = next((one for one in answer.entries if one.step.public_id == step.public_id), None)
    if entry is None:
        return [
            Finding(
                Weight.STOPS,
                f"The answer ends after {asked.offered.limit} steps, before this one is reached;"
                " a narrower query would show it",
            )
        ]
    lacking = edge.lacking(entry)
    if lacking:
        return [
            Finding(Weight.STOPS, f"The step is not served: it lacks {', '.join(lacking)}"),
        ]
    return []


def _shown(step: Candidate, ae_title: str) -> Shown | None:
    rows = list(WorklistSighting.objects.filter(step_id=step.key, ae_title=ae_title))
    if not rows:
        return None
    return Shown(
        first_at=min(row.first_at for row in rows),
        last_at=max(row.last_at for row in rows),
        count=sum(row.count for row in rows),
    )
