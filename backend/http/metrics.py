"""Prometheus metrics. Each is set or counted where its event happens."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class Metrics:
    """The metrics of one app, in a registry of their own, so that two apps in one process do not share them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.images = Gauge("slideshow_images", "Images by state", ["state"], registry=self.registry)
        self.variants = Gauge("slideshow_variants", "Current variants", registry=self.registry)
        self.oldest_pending = Gauge(
            "slideshow_oldest_pending_seconds", "Age of the longest waiting image", registry=self.registry
        )
        self.executions = Gauge("slideshow_executions_running", "Executions in progress", registry=self.registry)
        self.uploads = Counter("slideshow_uploads", "Uploads by outcome", ["outcome"], registry=self.registry)
        self.results = Counter("slideshow_results", "Variants reported", ["outcome"], registry=self.registry)
        self.failures = Counter("slideshow_failures", "Failures reported", registry=self.registry)
        self.requests = Histogram(
            "slideshow_request_seconds", "Time to answer", ["method", "status"], registry=self.registry
        )

    def text(self) -> bytes:
        """Return all metrics in the Prometheus text format."""
        return generate_latest(self.registry)
