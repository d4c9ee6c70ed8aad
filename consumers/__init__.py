"""Kafka in: reading records, decoding them, and applying them exactly once."""
