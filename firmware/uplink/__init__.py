"""The stream to the aggregator."""
