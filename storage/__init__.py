"""Postgres: sessions, inbox, outbox, positions and the catalogue, all within one transaction."""
