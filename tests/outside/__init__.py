"""firstline seen by somebody who has read its wire contract and none of its code."""
