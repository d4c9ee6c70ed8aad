"""The schema's history: Alembic revisions in plain SQL, one statement an execute."""
