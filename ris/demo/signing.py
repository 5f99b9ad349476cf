"""What the people of the demo site show when they sign."""

from __future__ import annotations

from ris import config
from ris.domain.signatures import Proof


def shown() -> Proof:
    """As much as the site asks for: nobody types a password here."""
    return Proof(config.load().reports.sign_with)
