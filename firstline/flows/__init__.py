"""Flows as people look at them: a tree, a chart, and the catalogue's own form."""
