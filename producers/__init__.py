"""Kafka out: decisions as messages, and the relay that publishes them exactly once."""
