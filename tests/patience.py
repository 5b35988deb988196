"""How long the tests wait for what hangs."""

import os

PATIENCE = float(os.environ.get("TEST_PATIENCE", "240"))
"""Seconds for one thing to come, far more than any needs: a busy machine is no reason to fail. Who makes faults on
purpose (``make mutate``), for which many a test waits in vain, has less."""

WHOLE = 3 * PATIENCE
"""Seconds for a program that waits for several things itself.

Less than ``timeout`` in pyproject.toml, so that it is the test that says what did not come.
"""

HUNG = 3 * WHOLE
"""Seconds for a test that has several such programs run."""
