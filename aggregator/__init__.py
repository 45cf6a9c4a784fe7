"""The central server: ingest, store, dashboard and commands."""
