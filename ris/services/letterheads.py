"""Letterheads: another head for a site's reports from now on."""

from __future__ import annotations

import warnings
from io import BytesIO
from typing import Any

from ris.domain.actors import Role
from ris.domain.errors import InvalidValueError, StateConflictError, UnknownKeyError
from ris.domain.letterheads import (
    LOGO_BYTES,
    LOGO_PIXELS,
    ChangeLetterhead,
    LetterheadChanged,
)
from ris.models import Letterhead, Site
from ris.printing import scripts
from ris.services._context import Context
from ris.services._locks import public_key

_TEXTS = {
    "institution": 120,
    "department": 120,
    "address": 500,
    "phone": 80,
    "email": 120,
    "web": 200,
    "footer": 300,
}
# An image of more is no logo, and unpacking it could take the machine's memory.
_MOST_PIXELS = 40_000_000


def change_letterhead(command: ChangeLetterhead, context: Context) -> int:
    site = (
        Site.objects.select_for_update(of=("self",))
        .filter(public_id=public_key(command.site, "site"))
        .first()
    )
    if site is None:
        raise UnknownKeyError("no such site")
    last = Letterhead.objects.filter(site=site).order_by("-number").first()
    number = last.number if last else 0
    if command.expected_number is not None and command.expected_number != number:
        raise StateConflictError("somebody else changed the letterhead meanwhile: reload")
    values: dict[str, Any] = {
        name: _text(getattr(command, name), name, limit) for name, limit in _TEXTS.items()
    }
    _fits(values["footer"])
    if command.logo is None:
        values["logo"] = bytes(last.logo) if last else b""
    else:
        values["logo"] = drawn_anew(command.logo) if command.logo else b""
    changed = tuple(name for name, value in values.items() if value != _known(last, name))
    if last is not None and not changed:
        context.about(site)
        return last.number
    row = Letterhead(
        site=site,
        number=number + 1,
        since=context.now,
        changed_by=context.actor.name[:200],
    )
    for name, value in values.items():
        setattr(row, name, value)
    row.save()
    context.emit(
        LetterheadChanged(site=str(site.public_id), number=number + 1, changed=changed),
        subject=site,
    )
    return number + 1


def _text(value: str, name: str, limit: int) -> str:
    """Lines without what has no shape on paper; only an address and a footer have several."""
    lines = [scripts.clean(line).strip() for line in value.splitlines()]
    text = "\n".join(line for line in lines if line)
    if name not in {"address", "footer"}:
        text = text.replace("\n", " ")
    if len(text) > limit:
        raise InvalidValueError(f"{name} is longer than {limit} characters", path=name)
    return text


def _fits(footer: str) -> None:
    # Loaded here only: what draws is large, and no other part of the system needs it.
    from ris.printing.page import FOOT_LINES, foot_lines

    if len(foot_lines(footer)) > FOOT_LINES:
        raise InvalidValueError(
            "below the page is room for two lines: make it shorter", path="footer"
        )


def _known(last: Letterhead | None, name: str) -> object:
    if last is None:
        return None
    value = getattr(last, name)
    return bytes(value) if name == "logo" else value


def drawn_anew(content: bytes) -> bytes:
    """The picture as a PNG of our own, no larger than is printed.

    Only its pixels are kept: whatever else was in the file (metadata, trailing bytes) is not.
    """
    if len(content) > LOGO_BYTES:
        raise InvalidValueError(
            f"the logo is larger than {LOGO_BYTES // 1_000_000} MB", path="logo"
        )
    # Loaded here only: no other part of the system needs to read pictures.
    from PIL import Image, UnidentifiedImageError

    try:
        with (
            warnings.catch_warnings(),
            Image.open(BytesIO(content), formats=("PNG", "JPEG")) as picture,
        ):
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            if picture.width * picture.height > _MOST_PIXELS:
                raise InvalidValueError("the logo has too many pixels", path="logo")
            picture.load()
            shown = picture.convert("RGBA")
    except (
        UnidentifiedImageError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
        OSError,
        ValueError,
        SyntaxError,
    ):
        raise InvalidValueError("the logo is no PNG or JPEG image", path="logo") from None
    shown.thumbnail((LOGO_PIXELS, LOGO_PIXELS))
    stream = BytesIO()
    shown.save(stream, "PNG", optimize=True)
    return stream.getvalue()


HANDLERS = {ChangeLetterhead: change_letterhead}

PERMISSIONS = {ChangeLetterhead: {Role.ADMIN, Role.SYSTEM}}
