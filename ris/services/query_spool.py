"""Worklist queries on their way into the database, by way of a file of this process."""

from __future__ import annotations

from pathlib import Path

from ris.services import audit, queries
from ris.services.queries import AnsweredQuery
from ris.services.spool import Records, Spool


class QuerySpool(Spool[AnsweredQuery]):
    """Takes queries from any thread; a thread of its own brings them into the database."""

    def __init__(self, folder: Path, seconds: float = 0.2) -> None:
        records = Records(
            name="queries",
            from_json=AnsweredQuery.from_json,
            # Looked up when they are called for, as everything of another module here.
            record=lambda batch: queries.record(batch),
            recorded=lambda batch: audit.recorded(batch),
        )
        super().__init__(records, folder, seconds)
