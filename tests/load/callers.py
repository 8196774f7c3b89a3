"""Callers of the load test: uploading people, reporting tasks, polling frames. Each calls without a pause."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import httpx
import msgspec

from bench.system.photos import with_comment
from contract.messages.processing import (
    AttemptStart,
    ClaimAnswer,
    ClaimedImage,
    ClaimRequest,
    ImageOutcome,
    Palette,
    ProcessedAnswer,
    ProcessedImage,
    ProcessedImages,
)
from contract.object_names import variant

CALL_SECONDS = 90.0
EMPTY_SECONDS = 0.1
CLAIM_SIZE = 4
PALETTE = Palette(
    primary="#102030",
    secondary="#405060",
    tertiary="#708090",
    source_color="#A0B0C0",
    all_colors=("#102030", "#405060", "#708090", "#A0B0C0") * 2,
)


class Measurements:
    """Results of all callers: seconds of each kind of call, errors, acknowledged photos and acknowledged results."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.seconds: defaultdict[str, list[float]] = defaultdict(list)
        self.errors: list[str] = []
        self.photos: set[str] = set()
        self.results: set[str] = set()

    def call(
        self, kind: str, send: Callable[[], httpx.Response], fine: tuple[int, ...] = (200,)
    ) -> httpx.Response | None:
        """Send a request and record its time under `kind`.

        Returns:
            The response, or None for an error, which is recorded.
        """
        began = time.perf_counter()
        try:
            response = send()
        except httpx.HTTPError as error:
            self.add_error(f"{kind}: {error!r}")
            return None
        with self._lock:
            self.seconds[kind].append(time.perf_counter() - began)
        if response.status_code in fine:
            return response
        self.add_error(f"{kind}: {response.status_code} {response.text[:200]}")
        return None

    def add_error(self, message: str) -> None:
        """Record an error."""
        with self._lock:
            self.errors.append(message)

    def add_photo(self, photo: str) -> None:
        """Record an acknowledged photo."""
        with self._lock:
            self.photos.add(photo)

    def add_result(self, photo: str) -> None:
        """Record a photo whose results were acknowledged."""
        with self._lock:
            self.results.add(photo)


class Caller:
    """One connection that calls until `until`, a monotonic time that is set before `run`."""

    def __init__(self, url: str, measurements: Measurements, headers: dict[str, str]) -> None:
        self.measurements = measurements
        self.until = 0.0
        self.client = httpx.Client(base_url=url, headers=headers, timeout=CALL_SECONDS, trust_env=False)

    def run(self) -> None:
        """Call repeatedly."""
        with self.client:
            while time.monotonic() < self.until:
                self.once()

    def once(self) -> None:
        """Make one round of calls."""
        raise NotImplementedError


class Uploader(Caller):
    """Uploads photos, each a different file."""

    def __init__(self, url: str, measurements: Measurements, session: str, photo: bytes, name: str) -> None:
        super().__init__(url, measurements, {"Cookie": f"session_id={session}"})
        self._photo, self._name, self._number = photo, name, 0

    def once(self) -> None:
        """Upload one photo."""
        self._number += 1
        data = with_comment(self._photo, f"{self._name} {self._number}")
        name = f"{self._name}-{self._number}.jpg"
        response = self.measurements.call(
            "upload", lambda: self.client.post("/api/admin/upload", files={"file": (name, data)}), (201,)
        )
        if response is not None:
            self.measurements.add_photo(response.json()["id"])


class Task(Caller):
    """Claims, starts, stores and reports like a task, with dummy variants."""

    def __init__(self, url: str, measurements: Measurements, token: str, bucket: Path, owner: str) -> None:
        super().__init__(url, measurements, {"Authorization": f"Bearer {token}"})
        self._bucket, self._owner = bucket, owner

    def once(self) -> None:
        """Claim images, and start, store and report them."""
        request = msgspec.json.encode(ClaimRequest(owner=self._owner, limit=CLAIM_SIZE))
        response = self.measurements.call("claim", lambda: self.client.post("/api/processing/claims", content=request))
        if response is None:
            return
        claimed = msgspec.json.decode(response.content, type=ClaimAnswer)
        sizes = {str(device.key): (device.width, device.height) for device in claimed.devices}
        for image in claimed.images:
            path = f"/api/processing-attempts/{image.id}/start"
            body = msgspec.json.encode(AttemptStart(attempt=image.attempt, lease=image.lease))
            self.measurements.call("start", lambda path=path, body=body: self.client.post(path, content=body))  # type: ignore[misc]
        if claimed.images:
            self._report(claimed.images, sizes)
        else:
            time.sleep(EMPTY_SECONDS)

    def _report(self, claimed: tuple[ClaimedImage, ...], sizes: dict[str, tuple[int, int]]) -> None:
        rows = [self._row(image, item.device, item.recipe, sizes) for image in claimed for item in image.work]
        outcomes = [
            ImageOutcome(image_id=image.id, lease=image.lease, color_palette=PALETTE, histogram={}, seconds=0.1)
            for image in claimed
        ]
        body = msgspec.json.encode(ProcessedImages(images=tuple(rows), outcomes=tuple(outcomes)))
        response = self.measurements.call("report", lambda: self.client.post("/api/processed-images", content=body))
        if response is None:
            return
        stored = msgspec.json.decode(response.content, type=ProcessedAnswer)
        if stored.inserted != len(rows):
            self.measurements.add_error(
                f"report: {stored.inserted} of {len(rows)} rows were stored: {stored.errors[:1]}"
            )
        for image in claimed:
            self.measurements.add_result(image.id)

    def _row(self, image: ClaimedImage, key: str, recipe: str, sizes: dict[str, tuple[int, int]]) -> ProcessedImage:
        name = variant(key, image.id, recipe)
        path = self._bucket / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"a dummy variant")
        width, height = sizes[key]
        return ProcessedImage(
            image_id=image.id,
            device_size=key,
            width=width,
            height=height,
            file_path=name,
            color_palette=PALETTE,
            lease=image.lease,
            recipe=recipe,
        )


class Frame(Caller):
    """Requests its next picture and downloads it."""

    def __init__(self, url: str, measurements: Measurements, token: str, device: str) -> None:
        super().__init__(url, measurements, {})
        self._device, self._token = quote(device, safe=""), token

    def once(self) -> None:
        """Request and download one picture."""
        headers = {"Authorization": f"Bearer {self._token}"}
        path = f"/api/devices/{self._device}/next"
        response = self.measurements.call("next", lambda: self.client.get(path, headers=headers), (200, 404))
        if response is None or response.status_code == 404:  # 404: no photo is ready for this frame
            time.sleep(EMPTY_SECONDS)
            return
        url = response.json()["url"]
        self.measurements.call("picture", lambda: self.client.get(url))
