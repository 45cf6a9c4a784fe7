"""The store: gallery, records and outbox, behind one module."""
