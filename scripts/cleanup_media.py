#!/usr/bin/env python3
"""Deletes what has expired: for cron, every 15 minutes. All it does is `photochanger cleanup`, found from any folder.

    */15 * * * * /srv/photochanger/scripts/cleanup_media.py --syslog

Options: --dry-run (say what would go, delete nothing), --syslog (report there instead of on the terminal).
Exit codes: 0 done, 1 done with problems (the next run tries again), 2 could not run. Safe to repeat and to overlap.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMAND = ROOT / ".venv" / "bin" / "photochanger"
CANNOT_RUN = 2


def main() -> int:
    os.chdir(ROOT)  # cron starts in the home directory; .env and the data directory are looked for here
    try:
        os.execv(COMMAND, [str(COMMAND), "cleanup", *sys.argv[1:]])  # noqa: S606 – our own command, no shell
    except OSError as error:
        sys.stderr.write(f"{COMMAND} cannot run: {error.strerror}. Run scripts/start once.\n")
    return CANNOT_RUN


if __name__ == "__main__":
    sys.exit(main())
