"""The entry point: even an interrupt while the program is still being loaded ends without a traceback."""

from __future__ import annotations

import gc
import sys

COLLECT_EVERY = 50_000
"""Objects between two collections: with Python's 700, loading the program takes a fifth longer."""


def main() -> None:
    """Load the program and run it; every way out is an exit code."""
    gc.set_threshold(COLLECT_EVERY)
    try:
        from deployer.cli.main import run

        code = run()
    except KeyboardInterrupt:
        sys.stderr.write("deployer: interrupted before anything was changed\n")
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    main()
