"""A referring doctor at the pages."""

from __future__ import annotations

from django.test import Client

from ris.models import (
    User,
)
from tests import make
from tests import referring as build
from tests.referring import Doctors


def doctors_at_work() -> Doctors:
    make.site("UTC")
    make.device()
    make.definition()
    make.definition(make.Code("XRHAND", "TEST", "X-ray of the hand"), laterality_required=True)
    return build.doctors()


def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client
