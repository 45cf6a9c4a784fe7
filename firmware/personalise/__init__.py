"""Makes claim files for a batch of new appliances, at the aggregator's side."""
