"""The kernel's answers: times and births, leases, processes, mounts, space, flags."""
