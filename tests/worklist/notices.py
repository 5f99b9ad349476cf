"""Invented Instance Availability Notifications."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydicom.dataset import Dataset

from tests.worklist.reports import put

IMAGE_SOP_CLASS = "1.2.840.10008.5.1.4.1.1.2"
MPPS_SOP_CLASS = "1.2.840.10008.3.1.2.3.3"


def notice(
    study: str,
    series: Mapping[str, Mapping[str, str]],
    *,
    performed: Sequence[str] = (),
    retrieve: str = "PACS",
    **overrides: Any,
) -> Dataset:
    """``series`` has, by series UID, the availability of each instance by its UID."""
    dataset = Dataset()
    steps = []
    for uid in performed:
        step = Dataset()
        step.ReferencedSOPClassUID = MPPS_SOP_CLASS
        step.ReferencedSOPInstanceUID = uid
        step.PerformedWorkitemCodeSequence = []
        steps.append(step)
    dataset.ReferencedPerformedProcedureStepSequence = steps
    dataset.StudyInstanceUID = study
    items = []
    for uid, instances in series.items():
        item = Dataset()
        put(item, "SeriesInstanceUID", uid)
        item.ReferencedSOPSequence = [
            _instance(one, availability, retrieve) for one, availability in instances.items()
        ]
        items.append(item)
    dataset.ReferencedSeriesSequence = items
    for keyword, value in overrides.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    return dataset


def _instance(uid: str, availability: str, retrieve: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = IMAGE_SOP_CLASS
    item.ReferencedSOPInstanceUID = uid
    item.InstanceAvailability = availability
    item.RetrieveAETitle = retrieve
    return item
