"""``ris show-config``: every setting, its value, and where the value comes from."""

from __future__ import annotations

import argparse
import json

from ris import config
from ris.terminal import say, table


def main(argv: list[str]) -> int:
    """Print the configuration with passwords and keys hidden."""
    parser = argparse.ArgumentParser(
        prog="ris show-config",
        description="Show every setting, its value (secrets hidden) and where it comes from: "
        "default, ris.toml, environment or secrets folder.",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")
    arguments = parser.parse_args(argv)
    settings = config.load()
    origins = config.origins()
    rows = [
        (
            config.env_name(path),
            config.masked(config.value_of(settings, path)),
            origins.get(path, "default"),
        )
        for path, _ in config.leaves()
    ]
    if arguments.json:
        say(json.dumps({name: {"value": value, "origin": where} for name, value, where in rows}))
    else:
        table([(name, where, value) for name, value, where in rows])
    return 0
