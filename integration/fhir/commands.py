"""Commands of the FHIR edge."""

from __future__ import annotations

import argparse

from integration.fhir import conformance as statements
from integration.fhir import indexing, json
from integration.fhir.capability import capability_statement
from integration.fhir.exchange import BASE_PATH
from ris import config
from ris.selectors.search.index import stored
from ris.services import fhir_index, fhir_reindexing
from ris.terminal import say


def conformance(argv: list[str]) -> int:
    """Print what is served over FHIR."""
    parser = argparse.ArgumentParser(
        prog="ris conformance fhir",
        description="Print what this system serves over FHIR R4, resource by resource.",
    )
    parser.add_argument(
        "--json", action="store_true", help="the CapabilityStatement of [base]/metadata instead"
    )
    if parser.parse_args(argv).json:
        statement = capability_statement(config.load().public_url + BASE_PATH)
        say(json.write(statement, pretty=True).decode())
    else:
        say(statements.statement().rstrip())
    return 0


def reindex(argv: list[str]) -> int:
    """Write again what resources of FHIR clients are found by."""
    parser = argparse.ArgumentParser(
        prog="ris fhir reindex",
        description=(
            "Read every resource that FHIR clients sent, and write again what it is found by. "
            "After a release that finds them by more, a start and the worker do so by themselves; "
            "this does it at once. It may run while the system works, and again if it was stopped."
        ),
    )
    parser.parse_args(argv)
    fhir_reindexing.note()
    # Named first: what is written meanwhile is indexed by its own write.
    everything = list(stored())
    for kind, public_id in everything:
        fhir_index.renew(kind, public_id, indexing.read)
    fhir_reindexing.settle()
    say(f"{len(everything)} resources were indexed")
    return 0
