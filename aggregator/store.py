"""The record: SQLite, one writer."""
