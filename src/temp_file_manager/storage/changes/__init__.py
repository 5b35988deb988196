"""Changes in directories, as others tell of them: hints, by which nothing is decided."""
