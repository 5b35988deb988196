"""Plans: what a sweep would do, written to a file, and done as it is written."""
