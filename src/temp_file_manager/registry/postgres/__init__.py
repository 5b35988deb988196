"""The registry on a PostgreSQL server, which many hosts share."""
