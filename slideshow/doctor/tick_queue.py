"""Check of the Cloud Tasks queue that calls the periodic work."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING

from slideshow.doctor.finding import Finding, ok, service_account, wrong

if TYPE_CHECKING:
    from backend.settings import Settings

CALL_SECONDS = 20.0


def examine(settings: Settings) -> Iterator[Finding]:
    """Add a task to the queue, as an upload does.

    Only this shows that the queue exists, and that the backend may both add tasks and act as the account of their
    token. The task calls the periodic work once, which changes nothing if nothing is due.
    """
    from google.api_core.exceptions import FailedPrecondition, GoogleAPIError, NotFound, PermissionDenied
    from google.auth.exceptions import GoogleAuthError
    from google.cloud import tasks_v2

    from backend.jobs.tick_scheduler import open_client, queue_name, tick_task

    queue = queue_name(settings)
    where = f"--project {settings.gcp_project_id} --location {settings.gcp_region}"
    name = settings.cloud_tasks_queue
    client = None
    try:
        client = open_client(settings.cloud_tasks_endpoint)
        task = tick_task(settings, settings.backend_api_url, f"doctor-{secrets.token_hex(8)}", None)
        client.create_task(request={"parent": queue, "task": task}, retry=None, timeout=CALL_SECONDS)
        # Reading the queue needs another permission, which the backend itself does not need.
        with contextlib.suppress(PermissionDenied):
            state = client.get_queue(name=queue, retry=None, timeout=CALL_SECONDS).state
            if state != tasks_v2.Queue.State.RUNNING:
                fix = f"gcloud tasks queues resume {name} {where}"
                yield wrong("queue", f"the queue {name} is {state.name.lower()}, so it calls nothing", fix)
                return
    except NotFound:
        yield wrong("queue", f"there is no queue {name}", "deploy/deploy.sh creates it")
    except PermissionDenied as error:
        yield from _missing_permission(settings, str(error.message), where)
    except FailedPrecondition as error:
        yield wrong(
            "queue", f"the queue {name} takes no tasks: {error.message}", f"gcloud tasks queues resume {name} {where}"
        )
    except (GoogleAPIError, GoogleAuthError) as error:
        yield wrong("queue", f"a task could not be added to {name}: {error}", "run the doctor again")
    else:
        yield ok("queue", f"a task was added to {name}; it calls the periodic work once")
    finally:
        if client is not None:
            client.transport.close()  # type: ignore[no-untyped-call]


def _missing_permission(settings: Settings, reason: str, where: str) -> Iterator[Finding]:
    member = service_account(settings.gcp_project_id)
    if "actAs" in reason:
        yield wrong(
            "queue",
            f"the backend may not act as {settings.tick_service_account}, whose token the tasks carry: {reason}",
            f"gcloud iam service-accounts add-iam-policy-binding {settings.tick_service_account} "
            f"--project {settings.gcp_project_id} --member {member} --role roles/iam.serviceAccountUser",
        )
        return
    yield wrong(
        "queue",
        f"the backend may not add tasks: {reason}",
        f"gcloud tasks queues add-iam-policy-binding {settings.cloud_tasks_queue} {where} --member {member} "
        "--role roles/cloudtasks.enqueuer",
    )
