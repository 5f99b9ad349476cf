"""Commands of the FHIR edge."""

from __future__ import annotations

import argparse

from integration.fhir import conformance as statements
from integration.fhir import json
from integration.fhir.capability import capability_statement
from integration.fhir.exchange import BASE_PATH
from ris import config
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
