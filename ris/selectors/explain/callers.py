"""Which registered device a caller is: by its AE title, or by a former one."""

from __future__ import annotations

from ris.selectors.facility import DeviceView, device_by_ae, devices


def registered_as(ae_title: str) -> DeviceView | None:
    """The device that calls itself so; None if nobody registered it."""
    title = ae_title.strip()
    return device_by_ae(title) or next(
        (one for one in devices() if title in one.settings.get("aliases", ())), None
    )
