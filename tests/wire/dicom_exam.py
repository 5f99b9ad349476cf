"""An exam as a modality tells it on the wire."""

from __future__ import annotations

from pydicom.dataset import Dataset

UID = "1.2.826.0.1.3680043.2.1"


def step(**values: str) -> Dataset:
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset
