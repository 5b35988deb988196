"""Views of a manager for people and programs: why, health, doctor, check, overview, metrics."""
