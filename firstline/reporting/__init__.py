"""How first line does, by account and week: on a terminal, as JSON, as pictures."""
