"""How fast it is, measured on the local servers."""
