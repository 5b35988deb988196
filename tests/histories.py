"""How many examples hypothesis makes up for a test: two profiles, and a test's share of them.

Each run makes up others, so that what a short one does not find, a later one does; but in CI, where a failure is to be
had again, they are the same each time. Time is no matter: a busy machine is no reason to fail.
"""

from hypothesis import HealthCheck, settings

_EACH = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

settings.register_profile("short", _EACH, max_examples=40)
settings.register_profile("long", _EACH, max_examples=1000)
settings.load_profile("short")


def histories(usual: int) -> int:
    """Return how many a test is to try that has hypothesis' own profile try ``usual`` (where others try 100)."""
    return max(usual * settings.default.max_examples // 100, 5)
