"""The names of all metrics that a process serves."""

from firstline.metrics import Metrics
from producers.relay import Tally

SUFFIXES = ("", "_total", "_bucket", "_sum", "_count")
"""What Prometheus puts after the name of a metric, by its kind."""


def names() -> set[str]:
    """As they stand in the text format, but for the suffixes of histograms."""
    made = Metrics(Tally())
    made.middleware()
    return {
        f"{metric.name}_total" if metric.type == "counter" else metric.name
        for metric in made.registry.collect()
    }
