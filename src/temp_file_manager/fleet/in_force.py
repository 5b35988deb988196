"""Policies in force: what the server has said last, kept beside the records, and heeded by sweeps."""

from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from temp_file_manager.clock import Clock
from temp_file_manager.errors import PausedError, RegistryError
from temp_file_manager.fleet import lines
from temp_file_manager.fleet.policy import NONE, Policies, Policy, policies_text, read_policies
from temp_file_manager.limits import Limit
from temp_file_manager.registry import Registry
from temp_file_manager.registry.journal import last_line

NAME = "fleet_policies"
"""The journal of the policies that came into force; its last line are those that are."""

KEPT = 100
"""Lines of it."""


class Capped(Protocol):
    """A max_age that a policy may cap."""

    cap: float

    @property
    def is_capped(self) -> bool:
        """Whether one does."""


class Limited(Protocol):
    """Whatever keeps limits."""

    def put(self, limits: tuple[Limit, ...]) -> object:
        """Keep these limits from now on, and no others."""


class PoliciesInForce:
    """Heeds policies.

    They stay in force until the server says otherwise, however long nobody reaches it: a policy only shortens or
    pauses, and a pause that an outage ended would remove what somebody wanted to stay. So they are kept in the
    registry, where they outlive this process, and where whoever shares it finds them.

    Args:
        registry: Where they are kept.
        clock: What tells the time.
        age: What they may cap.
        states: What keeps limits.
        limits: Those of the settings.
        refusals: Tells why limits cannot be kept here.
        heeded: Whether there is a fleet; else nothing is in force, whatever was.
    """

    def __init__(
        self,
        registry: Registry,
        clock: Clock,
        age: Capped,
        states: Limited,
        limits: tuple[Limit, ...],
        refusals: Callable[[tuple[Limit, ...]], tuple[str, ...]],
        *,
        heeded: bool,
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._age = age
        self._states = states
        self._limits = limits
        self._refusals = refusals
        self.heeded = heeded
        self.policies: Policies = NONE
        with suppress(RegistryError):  # looked at again before each sweep, which says what is wrong with it
            self.refresh()

    @property
    def pausing(self) -> Policy | None:
        """The policy that lets nothing be swept; None: none does."""
        return self.policies.pausing

    @property
    def capped_by(self) -> str:
        """The target of the policy that caps ``max_age``; empty: none does, or it is less already."""
        capping = self.policies.capping
        return capping.target if capping is not None and self._age.is_capped else ""

    def refuse_paused(self) -> None:
        """Return if something may be swept because somebody asks for it.

        Raises:
            PausedError: a policy has paused sweeps.
        """
        pausing = self.pausing
        if pausing is not None:
            raise PausedError(
                f"sweeps are paused by fleet policy {pausing.words()}. Nothing was removed. Whoever may set policies "
                f"ends that: temp-file-manager fleet policy clear {pausing.target}"
            )

    def refresh(self) -> None:
        """Heed what is on record: this process, or another that shares the registry, has written it.

        Raises:
            RegistryError: the registry cannot be read.
        """
        if self.heeded:
            self._heed(self._noted())

    def take(self, policies: Policies) -> None:
        """Heed what the server has said, and note it where it is news.

        Raises:
            RegistryError: it cannot be noted; it is in force all the same, and noted the next time.
        """
        self._heed(policies)
        if self._noted() != policies:
            self._registry.write(NAME, policies_text(policies), self._clock.wall(), keep=KEPT)

    def _noted(self) -> Policies:
        text = last_line(self._registry, NAME)
        found = NONE if text is None else read_policies(text)
        if found is None:
            lines.unreadable()
        # What cannot be read is no reason to forget what is known.
        return self.policies if found is None else found

    def _heed(self, policies: Policies) -> None:
        if policies == self.policies:
            return
        self.policies = policies
        self._age.cap = policies.cap
        ours = []
        for limit in policies.limits():
            wrong = self._refusals((limit,))
            for why in wrong:
                lines.unheeded(why)
            ours += [] if wrong else [limit]
        self._states.put((*self._limits, *ours))
        lines.in_force(policies)
