"""`python -m tests.fuzz reader|sniffer [option of libFuzzer …]`: looks for new ways through the code by itself.

Needs the extra `fuzz` (atheris). For example `-max_total_time=600`; what fails is left as `crash-…`.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["multipart", "photochanger.features.ingest", "photochanger.adapters.imaging"]):
    from tests.fuzz.targets import TARGETS, seeds


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in TARGETS:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds(name)):
            (Path(corpus) / str(number)).write_bytes(seed)
        atheris.Setup([sys.argv[0], corpus, "-max_len=2048", *sys.argv[2:]], TARGETS[name])
        atheris.Fuzz()


main()
