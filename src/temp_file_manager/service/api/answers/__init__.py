"""Answers of the API as models, of which its description is made; what handlers answer with is plain data."""
