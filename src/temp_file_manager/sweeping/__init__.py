"""Sweeps, and what makes them happen safely and on time."""
