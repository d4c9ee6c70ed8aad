"""One module for each outside system that firstline talks to."""
