"""Files that nobody registered: found, judged, put on record or swept."""
