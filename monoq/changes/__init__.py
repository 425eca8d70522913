"""Reads changes from Postgres again for viewers. Only the API runs it."""
