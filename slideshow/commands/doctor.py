"""`slideshow doctor`: is this deployment well, seen from inside? Each line says what is, and what mends what is not."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import click

from slideshow.doctor.finding import Finding, fine, wrong

if TYPE_CHECKING:
    from backend.settings import Settings


@click.command()
@click.option(
    "--data",
    metavar="DIR",
    help="Data folder, in place of SLIDESHOW_DATA or of .slideshow; only without a cloud bucket.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as one JSON object.")
def doctor(data: str | None, as_json: bool) -> None:
    """Check what a backend needs, from its own place: settings, bucket, token, job, last execution, clock.

    Set up by the same environment variables as the backend that it speaks of, and as its user. In a deployment it
    is a job of its own: "gcloud run jobs execute slideshow-doctor --wait". Exit code 1 if anything is wrong.
    """
    environ = dict(os.environ)
    if data is not None:
        environ["SLIDESHOW_DATA"] = data
    findings = []
    for finding in examine(environ):
        findings.append(finding)
        if not as_json:
            click.echo("\n".join(finding.lines()))
    bad = sum(finding.level == "wrong" for finding in findings)
    if as_json:
        from slideshow.output import print_json

        print_json({"findings": findings})
    else:
        odd = sum(finding.level == "odd" for finding in findings)
        click.echo(f"{len(findings)} checks: {bad} wrong, {odd} odd")
    if bad:
        sys.exit(1)


def examine(environ: Mapping[str, str]) -> Iterator[Finding]:
    """All checks, in an order in which the first fault explains the later ones."""
    from backend.settings import SettingsError, read_settings

    try:
        settings = read_settings(environ)
    except SettingsError as error:
        yield from (setting_fault(fault, environ) for fault in error.problems)
        return
    yield from _of_settings(settings)
    from slideshow.doctor import bucket, job, service

    yield from bucket.examine(settings)
    place = _place_of(settings)
    if isinstance(place, Finding):
        yield place
    else:
        url, token = place
        yield from service.examine(settings, url, token, time.time)
    if settings.gcp_project_id:
        yield from job.examine(settings, time.time())
    else:
        yield fine("job", "none: no GCP_PROJECT_ID is set, and tasks are processes beside the backend")


def setting_fault(fault: str, environ: Mapping[str, str]) -> Finding:
    """A fault of the settings, with the command that puts it right where they are."""
    name = fault.partition(":")[0]
    if "K_SERVICE" not in environ and "CLOUD_RUN_JOB" not in environ:
        return wrong("settings", fault, f"export {name}=...")
    if name in ("PROCESSOR_AUTH_TOKEN", "ADMIN_PASSWORD"):
        secret = "slideshow-processor-token" if name.startswith("PROC") else "slideshow-admin-password"
        return wrong(
            "settings", fault, f"gcloud run services update slideshow-backend --update-secrets {name}={secret}:latest"
        )
    return wrong("settings", fault, f"gcloud run services update slideshow-backend --update-env-vars {name}=...")


def _of_settings(settings: Settings) -> Iterator[Finding]:
    where = "embedded" if settings.embedded else "in the cloud" if settings.gcp_project_id else "without a project"
    yield fine("settings", f"complete; {where}, bucket {settings.bucket}")
    if settings.device_auth == "open":
        yield Finding(
            "odd",
            "settings",
            "DEVICE_AUTH=open: whoever reaches the backend may see every device's pictures",
            "gcloud run services update slideshow-backend --update-env-vars DEVICE_AUTH=required",
        )


def _place_of(settings: Settings) -> tuple[str, str] | Finding:
    """Where the backend answers and the token that it should take; or why that is not known."""
    if not settings.embedded:
        if settings.backend_api_url:
            return settings.backend_api_url.rstrip("/"), settings.processor_auth_token
        return wrong(
            "backend",
            "BACKEND_API_URL is not set, so it cannot be asked",
            "gcloud run services update slideshow-backend --update-env-vars BACKEND_API_URL=https://...",
        )
    from backend.embedded import load_secrets

    try:
        told = json.loads((settings.data_folder / "backend.json").read_bytes())
    except (OSError, ValueError):
        return wrong("backend", f"none runs in {settings.data_folder}", "slideshow serve")
    return str(told["url"]), settings.processor_auth_token or load_secrets(settings.data_folder).processor_token
