"""System checks: what a start that is not the demo refuses."""

from __future__ import annotations
