"""What the core says in English, in the language of the page."""

from __future__ import annotations

from ris.domain.errors import RisError
from ris.sentences import sentence as sentence


def refusal(error: RisError) -> str:
    """Why the core refused, in the language of the page; in English what no catalog has."""
    return sentence(error.message)
