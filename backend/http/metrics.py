"""Numbers for a scraper, each set or counted where it happens."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from backend.http.request_times import RequestTimes


class Metrics:
    """The metrics of one app, in a registry of its own so that two apps in one process do not meet."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.images = Gauge("slideshow_images", "Images by state", ["state"], registry=self.registry)
        self.variants = Gauge("slideshow_variants", "Current variants", registry=self.registry)
        self.oldest_pending = Gauge(
            "slideshow_oldest_pending_seconds", "Age of the longest waiting image", registry=self.registry
        )
        self.executions = Gauge("slideshow_executions_running", "Executions under way", registry=self.registry)
        self.uploads = Counter("slideshow_uploads", "Uploads by outcome", ["outcome"], registry=self.registry)
        self.results = Counter("slideshow_results", "Variants reported", ["outcome"], registry=self.registry)
        self.failures = Counter("slideshow_failures", "Failures reported", registry=self.registry)
        self.requests = RequestTimes("slideshow_request_seconds", "Time to answer")
        self.registry.register(self.requests)

    def page(self) -> bytes:
        """All of it in the Prometheus text format."""
        return generate_latest(self.registry)
