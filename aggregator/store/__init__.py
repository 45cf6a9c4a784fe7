"""The record: SQLite through sqlite-utils, one writer, any number of readers."""
