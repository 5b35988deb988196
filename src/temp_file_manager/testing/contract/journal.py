"""The part of the contract that says what a registry notes: journals, and counters added by hand."""
# ruff: noqa: S101 - tests assert, and their numbers mean nothing beyond the line they stand in

import math

from temp_file_manager.registry.counters import durations, of_sweep
from temp_file_manager.registry.journal import Note, last_line
from temp_file_manager.testing.clock import NOW
from temp_file_manager.testing.contract.words import RegistryWords


class JournalContract(RegistryWords):
    """``Journal``: lines, and what is counted with them."""

    def write(self, journal: str, *lines: str, keep: int = 100) -> None:
        """Write lines, a second apart."""
        for number, line in enumerate(lines):
            self.registry.write(journal, line, NOW + number, keep=keep)

    def lines(self, journal: str, *, since: float = -math.inf, limit: int = 100) -> str:
        """Return what is read, without its times."""
        return "".join(note.text for note in self.registry.read(journal, since=since, limit=limit))

    def test_a_journal_keeps_its_last_lines(self) -> None:
        """The newest is read first; how many stay is said with each."""
        self.write("letters", *"abcdef", keep=4)
        assert self.registry.read("letters", limit=2) == [Note(NOW + 5, "f"), Note(NOW + 4, "e")]
        assert self.lines("letters") == "fedc"
        self.write("letters", "g", keep=9)
        assert self.lines("letters") == "gfedc"
        self.write("letters", "h", keep=2)
        assert self.lines("letters") == "hg"
        self.write("letters", "i", keep=0)
        assert self.lines("letters") == ""
        self.write("letters", "j", keep=1)
        assert self.lines("letters") == "j"

    def test_a_journal_since(self) -> None:
        """By the times in it, also where the clock went back: the order is that of writing."""
        self.write("letters", *"abcd")
        self.write("letters", *"xy")
        assert self.lines("letters") == "yxdcba"
        assert self.lines("letters", since=NOW + 1) == "ydcb"
        assert self.lines("letters", since=NOW + 1, limit=3) == "ydc"
        assert self.lines("letters", since=NOW + 3.5) == ""
        assert self.lines("letters", limit=0) == ""

    def test_journals_are_apart(self) -> None:
        """What one drops, another keeps."""
        self.write("letters", *"abc", keep=3)
        self.write("digits", *"123", keep=1)
        self.write("letters", "d", keep=3)
        assert (self.lines("letters"), self.lines("digits"), self.lines("lette")) == ("dcb", "3", "")

    def test_a_line_is_told_as_it_was(self) -> None:
        """Quotes, line breaks, other scripts."""
        self.write("letters", "'\"\n;-- 𝄞")
        assert self.lines("letters") == "'\"\n;-- 𝄞"

    def test_a_journal_of_one_line_remembers(self) -> None:
        """The last text under each name, whatever becomes of the records."""
        assert self.registry.read("clock", limit=1) == []
        assert last_line(self.registry, "clock") is None
        self.write("clock", "12:00", keep=1)
        self.write("other", "ß", keep=1)
        self.write("clock", "12:01", keep=1)
        assert (last_line(self.registry, "clock"), last_line(self.registry, "other")) == ("12:01", "ß")
        self.registry.replace([])
        assert self.registry.read("clock", limit=9) == [(NOW, "12:01")]

    def test_counters_are_added_to(self) -> None:
        """How long sweeps took, with a line in a journal or without."""
        self.registry.write("sweeps", None, NOW, keep=9, counters=of_sweep(0.001))
        self.registry.write("sweeps", None, NOW, keep=9, counters=of_sweep(0.0011))
        assert self.lines("sweeps") == ""
        self.registry.write("sweeps", "line", NOW, keep=9, counters=of_sweep(1e9))
        self.registry.write("sweeps", None, NOW, keep=0)
        assert self.lines("sweeps") == "line"
        found = durations(self.counters)
        assert found.counts[:2] + found.counts[-2:] == (1, 2, 2, 3)
        assert found.sum == 1e9 + 0.0021
