"""The store on PostgreSQL, behind `aggregator.store.port`."""
