"""`slideshow doctor`: check a deployment from inside. Each line reports a state, and the fix if it is wrong."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import click

from slideshow.doctor.finding import Finding, odd, ok, on_service, wrong
from slideshow.output import print_json

if TYPE_CHECKING:
    from backend.settings import Settings


@click.command()
@click.option(
    "--data",
    metavar="DIR",
    help="Data folder. Overrides SLIDESHOW_DATA (default: .slideshow). Not used with a cloud bucket.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as one JSON object.")
def doctor(data: str | None, as_json: bool) -> None:
    """Check what a backend needs: settings, bucket, database, token, clock, queue, job, and the latest execution.

    Run it with the environment variables and the user of the backend. In a deployment it is a separate
    job: "gcloud run jobs execute slideshow-doctor --wait". Exit code 1 if anything is wrong.
    """
    environ = dict(os.environ)
    if data is not None:
        environ["SLIDESHOW_DATA"] = data
    findings = []
    for finding in examine(environ):
        findings.append(finding)
        if not as_json:
            click.echo("\n".join(finding.lines()))
    errors = sum(finding.level == "wrong" for finding in findings)
    if as_json:
        print_json({"findings": [finding.fields() for finding in findings]})
    else:
        oddities = sum(finding.level == "odd" for finding in findings)
        click.echo(f"{len(findings)} checks: {errors} wrong, {oddities} odd")
    if errors:
        sys.exit(1)


def examine(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Run all checks, in an order in which the first error explains the later ones."""
    from backend.settings import SettingsError, read_settings

    try:
        settings = read_settings(environ)
    except SettingsError as error:
        yield from (invalid_setting(sentence, environ) for sentence in error.problems)
        return
    yield from _settings(settings)
    from slideshow.doctor import bucket, database, job, records, service, tick_queue

    yield from bucket.examine(settings)
    yield from database.examine(settings)
    yield from records.examine(settings, time.time())
    access = _backend_access(settings)
    if isinstance(access, Finding):
        yield access
    else:
        url, token = access
        yield from service.examine(settings, url, token, time.time)
    if settings.cloud_tasks_queue:
        yield from tick_queue.examine(settings)
    if settings.gcp_project_id:
        yield from job.examine(settings, time.time())
    else:
        yield ok("job", "none: GCP_PROJECT_ID is not set, so tasks run as processes of the backend")


def invalid_setting(sentence: str, environ: Mapping[str, str]) -> Finding:
    """Return an error of the settings, with the command that sets the variable where it comes from."""
    name = sentence.partition(":")[0]
    if "K_SERVICE" not in environ and "CLOUD_RUN_JOB" not in environ:
        return wrong("settings", sentence, f"export {name}=...")
    update = on_service("update", environ.get("GCP_PROJECT_ID", ""), environ.get("GCP_REGION", "us-central1"))
    secrets = {"PROCESSOR_AUTH_TOKEN": "slideshow-processor-token", "ADMIN_PASSWORD": "slideshow-admin-password"}
    if name in secrets and ": too short" in sentence:  # the secret exists: it needs a new version first
        size = 32 if name == "PROCESSOR_AUTH_TOKEN" else 12
        fix = f"openssl rand -hex {size} | tr -d '\\n' | gcloud secrets versions add {secrets[name]} --data-file=-"
        return wrong("settings", sentence, fix)
    if name in secrets:
        return wrong("settings", sentence, f"{update} --update-secrets {name}={secrets[name]}:latest")
    return wrong("settings", sentence, f"{update} --update-env-vars {name}=...")


def _settings(settings: Settings) -> Iterator[Finding]:
    from backend.settings import short_secrets

    where = "embedded" if settings.embedded else "in the cloud" if settings.gcp_project_id else "without a project"
    yield ok("settings", f"complete; {where}, bucket {settings.bucket}")
    for sentence in short_secrets(settings):  # in embedded mode only: otherwise the settings are invalid
        name = sentence.partition(":")[0]
        yield odd("settings", f"{sentence} Outside of embedded mode the start is rejected.", f"export {name}=...")
    update = on_service("update", settings.gcp_project_id, settings.gcp_region)
    if settings.device_auth == "open":
        yield odd(
            "settings",
            "DEVICE_AUTH=open: anyone who reaches the backend can see the photos of every frame",
            f"{update} --update-env-vars DEVICE_AUTH=required",
        )


def _backend_access(settings: Settings) -> tuple[str, str] | Finding:
    """Return the address of the backend and the token that it should accept, or a finding if they are not known."""
    if not settings.embedded:
        if settings.backend_api_url:
            return settings.backend_api_url.rstrip("/"), settings.processor_auth_token
        return wrong(
            "backend",
            "BACKEND_API_URL is not set, so the backend cannot be checked",
            f"{on_service('update', settings.gcp_project_id, settings.gcp_region)} "
            "--update-env-vars BACKEND_API_URL=https://...",
        )
    from backend.embedded import load_secrets

    try:
        announced = json.loads((settings.data_folder / "backend.json").read_bytes())
    except (OSError, ValueError):
        return wrong("backend", f"no backend runs in {settings.data_folder}", "slideshow serve")
    token = settings.processor_auth_token or load_secrets(settings.data_folder).processor_token
    return str(announced["url"]), token
