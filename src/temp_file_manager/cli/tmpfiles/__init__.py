"""Translation of systemd's ``tmpfiles.d`` lines into rules."""
