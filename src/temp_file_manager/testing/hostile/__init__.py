"""Attackers and faults, for anybody's cleaner."""
