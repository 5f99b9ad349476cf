"""Open pages are told that something changed, and fetch their part of it again."""

from __future__ import annotations
