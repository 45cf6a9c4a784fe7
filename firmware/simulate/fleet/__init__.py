"""A fleet that is not there: real link clients with virtual stores, against a real aggregator."""
