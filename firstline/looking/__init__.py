"""Looking at sessions, the escalation queue and topics, on a terminal or as JSON."""
