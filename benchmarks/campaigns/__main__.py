"""``python -m benchmarks.campaigns``: attack the package for a while, and say what was met and what went wrong."""

import argparse
import logging
import secrets
import sys
from time import perf_counter

from benchmarks.campaigns.campaign import Campaign
from benchmarks.campaigns.chaos import chaos
from benchmarks.campaigns.faults import faults
from benchmarks.campaigns.fill import fill
from benchmarks.campaigns.kill import kill
from benchmarks.campaigns.overflow import overflow
from benchmarks.campaigns.storm import storm
from benchmarks.campaigns.swap import swap

_RAGING = {"storm": storm, "chaos": chaos}
MOST = 40
"""Problems that are shown: the last say where to look."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.campaigns", description=__doc__)
    campaigns = parser.add_subparsers(dest="campaign", required=True)
    killing = campaigns.add_parser("kill", help="kill processes that register, pin and sweep; a round takes 0.3 s")
    killing.add_argument("--rounds", type=int, default=1000)
    killing.add_argument("--seed", type=int, default=1)
    swapping = campaigns.add_parser("swap", help="sweep while directories are swapped")
    swapping.add_argument("--swaps", type=int, default=250_000)
    storming = campaigns.add_parser(
        "storm", help="eight processes do everything at random, and everything is done to them"
    )
    storming.add_argument("--operations", type=int, default=100_000)
    storming.add_argument("--seed", type=int, default=None, help="of what is done (one is taken, and printed)")
    raging = campaigns.add_parser("chaos", help="a storm of hosts on one PostgreSQL server, to which much happens, too")
    raging.add_argument("--operations", type=int, default=100_000)
    raging.add_argument("--seed", type=int, default=None, help="of what is done (one is taken, and printed)")
    faulting = campaigns.add_parser(
        "faults", help="an error or a signal at each system call of a registration and a sweep"
    )
    faulting.add_argument("--most", type=int, help="a sample of so many (every one)")
    faulting.add_argument("--seed", type=int, default=1, help="of the sample")
    faulting.add_argument("--only", default="", help="those whose words hold this: 'sweep: EIO at openat'")
    filling = campaigns.add_parser("fill", help="fill a small disk while a limit keeps some of it free")
    filling.add_argument("--files", type=int, default=100_000)
    filling.add_argument("--rate", type=int, default=1000, help="files a second, 8 KiB each (1,000)")
    overflowing = campaigns.add_parser("overflow", help="make files in a watched directory faster than events are read")
    overflowing.add_argument("--files", type=int, default=50_000)
    for campaign in (killing, swapping, storming, raging, faulting):
        campaign.add_argument("--dir", help="where the files are made (the system's temporary directory)")
    return parser.parse_args()


def _told(text: str) -> None:
    print(f"\r{text}", end="", file=sys.stderr, flush=True)


def _ran(arguments: argparse.Namespace) -> Campaign:
    if arguments.campaign == "kill":
        return kill(arguments.rounds, arguments.dir, arguments.seed, _told)
    if arguments.campaign in _RAGING:
        seed, name = secrets.randbelow(10**6) if arguments.seed is None else arguments.seed, arguments.campaign
        print(f"again: python -m benchmarks.campaigns {name} --operations {arguments.operations} --seed {seed}")
        return _RAGING[name](arguments.operations, arguments.dir, seed, _told)
    if arguments.campaign == "faults":
        return faults(arguments.most, arguments.dir, arguments.seed, _told, only=arguments.only)
    if arguments.campaign == "fill":
        return fill(arguments.files, arguments.rate, _told)
    if arguments.campaign == "overflow":
        return overflow(arguments.files, _told)
    return swap(arguments.swaps, arguments.dir, _told)


def main() -> int:
    """Run what the arguments ask for; return 1 if anything was wrong."""
    arguments = _arguments()
    logging.disable()
    began = perf_counter()
    ended = _ran(arguments)
    print(file=sys.stderr)
    for what, count in ended.counts.items():
        print(f"{what}: {count:,}")
    print(f"seconds: {perf_counter() - began:.0f}")
    print("\n".join(ended.problems[-MOST:]) or "nothing was wrong")
    return 1 if ended.problems else 0


if __name__ == "__main__":
    sys.exit(main())
