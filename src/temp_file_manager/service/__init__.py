"""The HTTP service: a page, an API and metrics for one manager. Needs the extra ``service``."""
