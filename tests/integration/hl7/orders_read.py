"""Order messages of the tests, read as commands."""

from __future__ import annotations

from typing import Any

import pytest

from integration.hl7.profiles import Profile
from integration.hl7.to_domain.orders import from_order
from integration.hl7.to_domain.request import Request
from ris.domain.errors import (
    RisError,
    SeveralErrors,
)
from tests.integration.hl7 import messages
from tests.integration.hl7.messages import profile


def requests(message: str, agreed: Profile | None = None) -> list[Request]:
    return from_order(messages.read(message), agreed or profile())


def command(message: str, agreed: Profile | None = None) -> Any:
    """The first command of the only request."""
    (request,) = requests(message, agreed)
    return request.commands[0]


def faults(message: str, agreed: Profile | None = None) -> list[tuple[str, str]]:
    """(path, code) of everything that is wrong."""
    with pytest.raises(RisError) as caught:
        requests(message, agreed)
    error = caught.value
    errors = error.errors if isinstance(error, SeveralErrors) else [error]
    return [(each.path, each.code.value) for each in errors]
