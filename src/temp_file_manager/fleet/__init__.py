"""The fleet: what many hosts report to one server, and the policies that come down from there."""
