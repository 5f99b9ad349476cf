"""What archives say they have: kept per study, compared with what devices say they made."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db.models import CharField

from ris.domain.actors import Role
from ris.domain.availability import (
    AT_HAND,
    Availability,
    Comparison,
    ImagesAvailable,
    ImagesPartlyAvailable,
    ImagesState,
    ImagesUnavailable,
    JoinAvailability,
    RecordAvailability,
    ResolveAvailability,
    compare,
    images_state,
)
from ris.domain.commands import Event
from ris.domain.errors import MissingValueError, UnknownKeyError
from ris.domain.identifiers import require_sent_uid
from ris.domain.performing import Match
from ris.domain.places import Place
from ris.models import (
    Order,
    PerformedProcedureStep,
    SeriesAvailability,
    StudyAvailability,
)
from ris.models.prepared import Given, Select
from ris.selectors.availability import due_to_join
from ris.services._context import Context
from ris.services._locks import public_key

_CODES = {
    Availability.ONLINE: "1",
    Availability.NEARLINE: "2",
    Availability.OFFLINE: "3",
    Availability.UNAVAILABLE: "0",
}
_BY_CODE = {code: one for one, code in _CODES.items()}


def pack(instances: Mapping[str, Availability]) -> bytes:
    """Instances as one value: UIDs of a series differ at their end only, so they deflate well."""
    plain = {uid: _CODES[one] for uid, one in sorted(instances.items())}
    return zlib.compress(json.dumps(plain).encode())


def unpack(data: bytes) -> dict[str, Availability]:
    if not data:
        return {}
    return {uid: _BY_CODE[code] for uid, code in json.loads(zlib.decompress(data)).items()}


def record_availability(command: RecordAvailability, context: Context) -> str:
    """Merge a notice into what is known of the study; say what it changed for its order."""
    uid = require_sent_uid(command.study_instance_uid, Place.STUDY)
    StudyAvailability.objects.get_or_create(
        study_instance_uid=uid,
        defaults={"first_told_at": context.now, "last_told_at": context.now},
    )
    study = StudyAvailability.objects.select_for_update(of=("self",)).get(study_instance_uid=uid)
    before = study.images
    study.last_told_at = context.now
    study.told_by = command.told_by[:16]
    study.performed_uids = list(dict.fromkeys([*study.performed_uids, *command.performed_uids]))
    study.resolved_at = None
    study.save()
    for series in command.series:
        row = study.series.filter(
            series_instance_uid=series.series_instance_uid
        ).first() or SeriesAvailability(study=study, series_instance_uid=series.series_instance_uid)
        known = unpack(bytes(row.instances))
        known.update({one.sop_instance_uid: one.availability for one in series.instances})
        titles = [title for one in series.instances for title in one.retrieve_ae_titles]
        row.instances = pack(known)
        row.counts = _counts(known.values())
        row.retrieve_ae_titles = list(dict.fromkeys([*titles, *row.retrieve_ae_titles]))[:20]
        row.save()
    order = judge(study)
    if study.images != before:
        context.emit(_news(study, order), subject=study, order=order)
    else:
        context.about(study, order)
    return str(study.public_id)


def _counts(values: Iterable[Availability]) -> dict[str, int]:
    return {one.value: count for one, count in Counter(values).items()}


def judge(study: StudyAvailability) -> Order | None:
    """Compare with what was made, and find the order; saves the study."""
    archived: dict[str, Availability] = {}
    for row in study.series.all():
        archived.update(unpack(bytes(row.instances)))
    performed = performed_of(study)
    wrong = [row for row in performed if row.match == Match.QUARANTINED.value]
    made, misplaced = (
        {uid for row in rows for uid in instances_in(row.dataset)}
        for rows in ([row for row in performed if row not in wrong], wrong)
    )
    is_wrong = bool(performed) and len(wrong) == len(performed)
    if is_wrong:
        misplaced |= archived.keys()  # listed or not: nothing else was made
    comparison = compare(made, archived, misplaced - made)
    study.counts = _counts(archived.values())
    study.comparison = comparison.as_json()
    own = Counter(one for uid, one in archived.items() if uid in made or uid not in misplaced)
    study.images = (
        ImagesState.UNAVAILABLE if archived and not own else images_state(own, comparison)
    ).value
    study.unavailable_expected = is_wrong
    order = _order_of(study, performed)
    study.order = order
    study.save()
    return order


def performed_of(study: StudyAvailability) -> Sequence[PerformedProcedureStep]:
    """The performed steps of a study: by its UID, and those that the archive named."""
    rows = PerformedProcedureStep.objects.select_related("order__patient")
    found = {
        row.pk: row
        for row in [
            *rows.filter(study_instance_uid=study.study_instance_uid)[:50],
            *rows.filter(sop_instance_uid__in=study.performed_uids)[:50],
        ]
    }
    return list(found.values())


_LISTS = ("00081140", "00400220")  # Referenced Image, Non-Image Composite SOP Instance Sequence


def instances_in(dataset: Mapping[str, Any]) -> set[str]:
    """The instances that a performed step lists, in its DICOM JSON (PS3.18 F.2)."""
    found: set[str] = set()
    for series in dataset.get("00400340", {}).get("Value") or ():
        for tag in _LISTS:
            for item in (series or {}).get(tag, {}).get("Value") or ():
                values = (item or {}).get("00081155", {}).get("Value") or ()
                found.update(str(value) for value in values[:1] if value)
    return found


_NO_EXAM = frozenset({Match.EVIDENCE.value, Match.QUARANTINED.value})


def _order_of(
    study: StudyAvailability, performed: Sequence[PerformedProcedureStep]
) -> Order | None:
    """The order that its exam was performed for, as people know it; else the one that planned it.

    Images of another patient, and of an exam that people took from its order, are nobody's.
    """
    made = [row for row in performed if row.match not in _NO_EXAM]
    tied = [row for row in made if row.match == Match.MATCHED.value]
    orders = {row.order.pk: row.order for row in tied if row.order is not None}
    if len(orders) == 1:
        return next(iter(orders.values()))
    if made and all(row.match == Match.MISMATCH.value or row.was_taken_away for row in made):
        return None
    return (
        Order.objects.select_related("patient")
        .filter(procedures__study_instance_uid=study.study_instance_uid)
        .first()
    )


def _news(study: StudyAvailability, order: Order | None) -> Event:
    key = str(order.public_id) if order else ""
    at_hand = sum(study.counts.get(one.value, 0) for one in AT_HAND)
    if study.images == ImagesState.AVAILABLE.value:
        titles = {t for row in study.series.all() for t in row.retrieve_ae_titles}
        return ImagesAvailable(
            order=key,
            study_instance_uid=study.study_instance_uid,
            instances=at_hand,
            retrieve_ae_titles=tuple(sorted(titles)),
        )
    if study.images == ImagesState.UNAVAILABLE.value:
        return ImagesUnavailable(
            order=key,
            study_instance_uid=study.study_instance_uid,
            expected=study.unavailable_expected,
        )
    return ImagesPartlyAvailable(
        order=key,
        study_instance_uid=study.study_instance_uid,
        instances=at_hand,
        missing=Comparison.from_json(study.comparison).missing,
    )


_TOLD_OF = Select(
    lambda: StudyAvailability.objects.select_for_update(of=("self",)).filter(
        study_instance_uid=Given("uid", CharField())
    )
)


def look_again(performed: PerformedProcedureStep, context: Context) -> None:
    """Compare again: a device has said what it made, or people whose exam it is."""
    if not performed.study_instance_uid:
        return
    for study in _TOLD_OF.all(uid=performed.study_instance_uid):
        before = study.images, study.order_id
        order = judge(study)
        if (study.images, study.order_id) != before:
            context.emit(_news(study, order), subject=study, order=order)


def join_availability(command: JoinAvailability, context: Context) -> int:
    """Look again for the orders of studies that an archive told of before we knew them."""
    found = 0
    for key in due_to_join():
        study = StudyAvailability.objects.select_for_update(of=("self",)).get(pk=key)
        order = judge(study)
        if order is not None:
            found += 1
            context.emit(_news(study, order), subject=study, order=order)
    return found


def resolve_availability(command: ResolveAvailability, context: Context) -> None:
    study = StudyAvailability.objects.filter(public_id=public_key(command.study, "study")).first()
    if study is None:
        raise UnknownKeyError("no such study")
    if not command.note.strip():
        raise MissingValueError("say what was done", path="note")
    study.resolved_note, study.resolved_at = command.note.strip()[:500], context.now
    study.save()
    context.about(study, study.order)


HANDLERS = {
    RecordAvailability: record_availability,
    JoinAvailability: join_availability,
    ResolveAvailability: resolve_availability,
}

PERMISSIONS = {
    RecordAvailability: {Role.MODALITY, Role.SYSTEM},
    JoinAvailability: {Role.SYSTEM},
    ResolveAvailability: {Role.TECHNOLOGIST, Role.MANAGER, Role.ADMIN, Role.SYSTEM},
}
