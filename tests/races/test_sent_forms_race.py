"""One form sent several times at the same moment, to any processes: one of them carries it out."""

from __future__ import annotations

from functools import partial

import pytest

from ris.models import SentForm
from ris.services import sent_forms
from ris.services.sent_forms import Claim
from tests.races.at_once import together

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("time", range(5))
def test_one_of_many_claims_a_form(time: int) -> None:
    claims = together(*[partial(sent_forms.claim, "order", 7, f"token {time}")] * 8)

    assert sum(isinstance(claim, Claim) and claim.is_first for claim in claims) == 1
    assert SentForm.objects.count() == 1
