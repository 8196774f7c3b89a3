"""Who calls: people who upload, tasks that report, frames that ask. Each has one connection and never waits between."""

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


class Notes:
    """What all callers found: seconds of each kind of call, errors, photos that were acknowledged, results told."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.seconds: defaultdict[str, list[float]] = defaultdict(list)
        self.errors: list[str] = []
        self.photos: set[str] = set()
        self.results: set[str] = set()

    def call(
        self, kind: str, send: Callable[[], httpx.Response], fine: tuple[int, ...] = (200,)
    ) -> httpx.Response | None:
        """The answer, timed under `kind`; None for an error, which is noted."""
        began = time.perf_counter()
        try:
            answer = send()
        except httpx.HTTPError as error:
            self.wrong(f"{kind}: {error!r}")
            return None
        with self._lock:
            self.seconds[kind].append(time.perf_counter() - began)
        if answer.status_code in fine:
            return answer
        self.wrong(f"{kind}: {answer.status_code} {answer.text[:200]}")
        return None

    def wrong(self, what: str) -> None:
        """Note an error."""
        with self._lock:
            self.errors.append(what)

    def took(self, photo: str) -> None:
        """Note a photo that was acknowledged."""
        with self._lock:
            self.photos.add(photo)

    def told(self, photo: str) -> None:
        """Note a photo whose pictures were acknowledged."""
        with self._lock:
            self.results.add(photo)


class Caller:
    """One connection that calls until `until`, a monotonic time that is set before `run`."""

    def __init__(self, url: str, notes: Notes, headers: dict[str, str]) -> None:
        self.notes = notes
        self.until = 0.0
        self.client = httpx.Client(base_url=url, headers=headers, timeout=CALL_SECONDS, trust_env=False)

    def run(self) -> None:
        """Call, again and again."""
        with self.client:
            while time.monotonic() < self.until:
                self.once()

    def once(self) -> None:
        """One round of calls."""
        raise NotImplementedError


class Uploader(Caller):
    """Sends photos, each another file."""

    def __init__(self, url: str, notes: Notes, session: str, photo: bytes, name: str) -> None:
        super().__init__(url, notes, {"Cookie": f"session_id={session}"})
        self._photo, self._name, self._number = photo, name, 0

    def once(self) -> None:
        """One photo."""
        self._number += 1
        data = with_comment(self._photo, f"{self._name} {self._number}")
        name = f"{self._name}-{self._number}.jpg"
        answer = self.notes.call(
            "upload", lambda: self.client.post("/api/admin/upload", files={"file": (name, data)}), (201,)
        )
        if answer is not None:
            self.notes.took(answer.json()["id"])


class Task(Caller):
    """Claims, begins, stores and reports, as a task does; its pictures are made beforehand."""

    def __init__(self, url: str, notes: Notes, token: str, bucket: Path, owner: str) -> None:
        super().__init__(url, notes, {"Authorization": f"Bearer {token}"})
        self._bucket, self._owner = bucket, owner

    def once(self) -> None:
        """One claim, and all that follows from it."""
        request = msgspec.json.encode(ClaimRequest(owner=self._owner, limit=CLAIM_SIZE))
        answer = self.notes.call("claim", lambda: self.client.post("/api/processing/claims", content=request))
        if answer is None:
            return
        claimed = msgspec.json.decode(answer.content, type=ClaimAnswer)
        sizes = {str(device.key): (device.width, device.height) for device in claimed.devices}
        for image in claimed.images:
            path = f"/api/processing-attempts/{image.id}/start"
            body = msgspec.json.encode(AttemptStart(attempt=image.attempt, lease=image.lease))
            self.notes.call("start", lambda path=path, body=body: self.client.post(path, content=body))  # type: ignore[misc]
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
        answer = self.notes.call("report", lambda: self.client.post("/api/processed-images", content=body))
        if answer is None:
            return
        told = msgspec.json.decode(answer.content, type=ProcessedAnswer)
        if told.inserted != len(rows):
            self.notes.wrong(f"report: {told.inserted} of {len(rows)} rows were taken: {told.errors[:1]}")
        for image in claimed:
            self.notes.told(image.id)

    def _row(self, image: ClaimedImage, key: str, recipe: str, sizes: dict[str, tuple[int, int]]) -> ProcessedImage:
        name = variant(key, image.id, recipe)
        path = self._bucket / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"a picture of no interest")
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
    """Asks for its next picture and fetches it."""

    def __init__(self, url: str, notes: Notes, token: str, device: str) -> None:
        super().__init__(url, notes, {})
        self._device, self._token = quote(device, safe=""), token

    def once(self) -> None:
        """One picture."""
        headers = {"Authorization": f"Bearer {self._token}"}
        path = f"/api/devices/{self._device}/next"
        answer = self.notes.call("next", lambda: self.client.get(path, headers=headers), (200, 404))
        if answer is None or answer.status_code == 404:  # there is no picture for it yet
            time.sleep(EMPTY_SECONDS)
            return
        url = answer.json()["url"]
        self.notes.call("picture", lambda: self.client.get(url))
