"""`make chaos`: 60 shards under fire; exit code 1 where anything is not as it should be."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from pipelines.process_groups import ended_by_signals
from tests.chaos.harness import Chaos, run_chaos


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", type=int, default=60)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="kept afterwards; a temporary one by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="unsam-chaos-") as scratch, ended_by_signals():
        folder = options.folder or Path(scratch)
        verdict = run_chaos(folder, Chaos(options.shards, options.kills, seed=options.seed))
    killed = ", ".join(f"{count} {part}s" for part, count in verdict.killed.items())
    print(f"killed: {killed}; {verdict.rounds} backfills, {verdict.seconds:.0f} s, {verdict.reads} versions read")
    print(f"{verdict.images} images labelled once each, {verdict.quarantined} quarantined")
    for problem in verdict.problems:
        print(f"PROBLEM: {problem}")
    print("as an undisturbed run" if not verdict.problems else f"{len(verdict.problems)} problems")
    return 1 if verdict.problems else 0


if __name__ == "__main__":
    sys.exit(main())
