"""The program: settings, wiring, command line, local servers and the demo."""
