#!/usr/bin/env python3
"""The `ris` command, from a checkout."""

import sys

try:
    from ris.cli import main
except ModuleNotFoundError as error:
    if error.name is not None and error.name.split(".")[0] in {"ris", "worklist", "integration"}:
        raise
    sys.exit(
        f"{error.name} is not installed here. `make run` builds the environment and starts the "
        "demo; `make test` runs the tests."
    )

if __name__ == "__main__":
    sys.exit(main())
