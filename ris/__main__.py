"""``python -m ris``: how the supervisor starts its parts."""

import sys

from ris.cli import main

if __name__ == "__main__":
    sys.exit(main())
