"""``python -m tests.fuzz.coverage_guided TARGET [SECONDS] [FOLDER]``: the targets under atheris.

atheris follows which branches an input takes and mutates those that found new ones. It is not
among the pinned packages, as it has no build for every Python; where it can be installed, this
runs it. The corpus stays in FOLDER and is taken up again by the next run.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import warnings
from pathlib import Path

import django


def main(argv: list[str]) -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ris.settings")
    os.environ.setdefault("RIS_CONFIG_FILE", os.devnull)
    django.setup()
    try:
        import atheris
    except ImportError:
        sys.stderr.write("atheris is not installed; `make fuzz` needs nothing but this project\n")
        return 1
    with atheris.instrument_imports(
        include=["worklist", "integration"], enable_loader_override=False
    ):
        from tests.fuzz.targets import TARGETS
    import structlog

    from tests.fuzz.run import Budget, one
    from tests.fuzz.seeds import SEEDS

    name = argv[0]
    seconds = int(argv[1]) if len(argv) > 1 else 60
    folder = Path(argv[2]) if len(argv) > 2 else Path(tempfile.mkdtemp(prefix="fuzz-"))
    folder.mkdir(parents=True, exist_ok=True)
    for number, raw in enumerate(SEEDS[name]()):
        (folder / f"seed-{number}").write_bytes(raw)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    target, budget = TARGETS[name], Budget(0.5)  # instrumented code is slower

    atheris.Setup(
        [
            sys.argv[0],
            str(folder),
            f"-max_total_time={seconds}",
            "-max_len=8192",
            "-rss_limit_mb=600",
        ],
        lambda raw: one(target, raw, budget) and None,
    )
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
