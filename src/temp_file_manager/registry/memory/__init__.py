"""Records in memory."""
