"""Which tests run which lines, and how long they take: measured once, so that a mutant is tried by those alone."""

import json
import os
import sys
from collections.abc import Iterable

from coverage import CoverageData

from benchmarks.mutation import confined
from benchmarks.mutation.mutants import Mutant

MEASURED = 3600
"""Seconds that the tests may take while it is measured which lines they run."""


_TRACED = ("--cov=temp_file_manager", "--cov-context=test", "--cov-report=")


class Reach:
    """What tests reach.

    Args:
        tests: Names of all of them, the fastest first, with the seconds that each took.
        lines: For each module, by its path from the root, the tests by lines.
    """

    def __init__(self, tests: dict[str, float], lines: dict[str, dict[int, set[str]]]) -> None:
        self._tests = tests
        self._lines = lines

    def tests(self, mutant: Mutant) -> tuple[list[str], float]:
        """Return the tests that run what a mutant changes, the fastest first, and the seconds that they take.

        What runs when the module is imported (by whichever test is the first to need it), or in another process alone,
        may be noticed by any test; those that run anything of the module come first.
        """
        lines = self._lines.get(mutant.path, {})
        of_it = range(mutant.first, mutant.last + 1)
        found = set[str]().union(*(tests for line, tests in lines.items() if mutant.at_import or line in of_it))
        names = [name for name in self._tests if name in found]
        if mutant.at_import or not found:
            names += [name for name in self._tests if name not in found]
        return names, sum(self._tests[name] for name in names)


def measured(place: str, tests: Iterable[str], jobs: int) -> Reach:
    """Run the tests of a copy twice, ``jobs`` at a time: to see how long each takes, and which lines it runs.

    Those that fail without a fault, as they need what is not to be had in there, are left out.

    Raises:
        SystemExit: the tests cannot be run.
    """
    options = ("--maxfail=0", "-n", str(jobs))
    timed = confined.tested(place, tests, MEASURED, *options, "-p", "benchmarks.mutation.durations")
    if timed.code not in (0, 1):
        raise SystemExit(f"the tests cannot be run:\n{timed.words}")
    print(timed.words, file=sys.stderr)
    with open(f"{place}/durations.json", encoding="utf-8") as file:
        seconds: dict[str, float] = json.load(file)
    found = confined.tested(place, seconds, MEASURED, "--collect-only")
    if found.code != 0:  # else each mutant would be taken for noticed
        raise SystemExit(f"tests are not found by their names:\n{found.words}")
    # Those that interrupt at each line trace themselves, and fail while somebody else does.
    confined.tested(place, tests, MEASURED, *options, *_TRACED)
    return Reach(dict(sorted(seconds.items(), key=lambda item: item[1])), _lines(f"{place}/.coverage"))


def _lines(path: str) -> dict[str, dict[int, set[str]]]:
    data = CoverageData(path)
    data.read()
    found = {}
    for file in data.measured_files():
        by_line = data.contexts_by_lineno(file)
        named = {line: {one.rpartition("|")[0] for one in contexts if one} for line, contexts in by_line.items()}
        found[os.path.relpath(file, "/mnt")] = named
    return found
