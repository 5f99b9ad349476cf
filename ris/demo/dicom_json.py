"""Data elements as DICOM JSON (PS3.18 F.2), for what the demo's devices tell."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def element(vr: str, *values: Any) -> Json:
    """One element; what is empty is told as an element without a value."""
    told = [value for value in values if value not in ("", None)]
    return {"vr": vr, "Value": told} if told else {"vr": vr}


def code_item(value: str, meaning: str, scheme: str = "DCM") -> Json:
    """An item of a code sequence (PS3.3 8.8)."""
    return {
        "00080100": element("SH", value),
        "00080102": element("SH", scheme),
        "00080104": element("LO", meaning),
    }
