"""TLS with Python's ssl before gRPC, at the aggregator and between the appliances of a site."""
