"""``python -m benchmarks``."""

from benchmarks.apply import main

main()
