"""cospike."""
