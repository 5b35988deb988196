"""How long the tests wait for what hangs."""

PATIENCE = 240.0
"""Seconds, far more than anything needs: a machine that is busy with much else is no reason to fail.

Less than ``timeout`` in pyproject.toml, so that it is the test that says what did not come.
"""
