"""``python -m benchmarks.mutation``: faults are made one at a time, and those that no test notices are shown."""

import argparse
import json
import os
import queue
import sys
import tempfile
import threading
from collections import Counter

from benchmarks.mutation import confined
from benchmarks.mutation.confined import Run
from benchmarks.mutation.mutants import ROOMS, Mutant, sample
from benchmarks.mutation.reach import Reach, measured

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TESTS = (
    *(f"tests/{room}" for room in ROOMS),
    *("tests/registering", "tests/adopt", "tests/planning", "tests/test_hostile.py", "tests/test_stateful.py"),
)
"""What may notice a fault: the tests of the rooms themselves, and of those that stand upon them."""
SLACK = 3
"""Times as long as without a fault: a fault that is slower than that is noticed."""
STARTED = 60
"""Seconds that the tests may take to be found, beside that."""
PASSED = 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.mutation", description=__doc__)
    parser.add_argument("--sample", type=int, default=500, help="how many faults")
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 2) // 2))
    parser.add_argument("--rooms", nargs="+", default=list(ROOMS), choices=ROOMS, help="of the sample, those in these")
    parser.add_argument("--list", action="store_true", help="only show which faults there are")
    return parser.parse_args()


class Results:
    """What became of each mutant, in a file: whoever starts the same sample again goes on where it stopped."""

    def __init__(self, path: str) -> None:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        self.path = path
        self.known: dict[str, str] = {}
        if os.path.exists(path):
            with open(path, encoding="utf-8") as lines:
                self.known = {entry["mutant"]: entry["ended"] for entry in map(json.loads, lines)}

    def add(self, mutant: Mutant, ended: str, run: Run) -> None:
        """Note how the tests of a mutant ended."""
        self.known[mutant.name] = ended
        entry = {"mutant": mutant.name, "ended": ended, "seconds": round(run.seconds, 1), "words": run.words}
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")


def _ended(run: Run) -> str:
    """Say how tests with a fault ended; tests that cannot even be collected have noticed it, too."""
    if run.code is None:
        return "stopped"
    return "survived" if run.code == PASSED else "killed"


def _work(place: str, left: "queue.SimpleQueue[Mutant]", reach: Reach, results: Results) -> None:
    """Try mutants in a copy of one's own until none is left."""
    while True:
        try:
            mutant = left.get_nowait()
        except queue.Empty:
            return
        path = f"{place}/{mutant.path}"
        with open(path, encoding="utf-8") as file:
            before = file.read()
        with open(path, "w", encoding="utf-8") as file:
            file.write(mutant.text)
        names, seconds = reach.tests(mutant)
        run = confined.tested(place, names, SLACK * seconds + STARTED)
        with open(path, "w", encoding="utf-8") as file:
            file.write(before)
        results.add(mutant, _ended(run), run)
        print(f"{len(results.known)}: {_ended(run)} in {run.seconds:.0f} s: {mutant.name}", file=sys.stderr)


def _show(mutants: list[Mutant], results: Results) -> None:
    ended = {mutant: results.known[mutant.name] for mutant in mutants if mutant.name in results.known}
    for room in ROOMS:
        counts = Counter(how for mutant, how in ended.items() if mutant.room == room)
        if total := counts.total():
            noticed = total - counts["survived"]
            print(f"{room}: {noticed} of {total} noticed ({noticed / total:.0%}), {counts['stopped']} by taking long")
    for mutant, how in ended.items():
        if how == "survived":
            print(f"\n{mutant.name}\n{mutant.shown(ROOT)}")


def main() -> int:
    """Try what the arguments ask for."""
    arguments = _arguments()
    mutants = [one for one in sample(ROOT, arguments.sample, arguments.seed) if one.room in arguments.rooms]
    if arguments.list:
        print("\n\n".join(f"{mutant.name}\n{mutant.shown(ROOT)}" for mutant in mutants))
        return 0
    if why := confined.missing():
        print(why, file=sys.stderr)
        return 2
    results = Results(f"{ROOT}/benchmarks/results/mutants-{arguments.sample}-{arguments.seed}.jsonl")
    left: queue.SimpleQueue[Mutant] = queue.SimpleQueue()
    for mutant in mutants:
        if mutant.name not in results.known:
            left.put(mutant)
    with tempfile.TemporaryDirectory(prefix="tfm-mutants-") as root:
        places = [f"{root}/{number}" for number in range(arguments.jobs)]
        for place in places:
            confined.copy(ROOT, place)
        reach = measured(places[0], TESTS, arguments.jobs)
        workers = [threading.Thread(target=_work, args=(place, left, reach, results)) for place in places]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    _show(mutants, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
