"""What goes over the wire, as pydantic models: names, types and limits of version 1."""
