"""The registry's contract as a test suite."""
