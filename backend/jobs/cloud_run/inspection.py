"""Calls to Cloud Run that only look: what the doctor asks, and the running backend does not."""

from __future__ import annotations

from collections.abc import Sequence

from google.cloud import run_v2
from google.iam.v1 import iam_policy_pb2

from backend.jobs.cloud_run.api import CloudRunApi
from backend.jobs.cloud_run.errors import FOLLOW


class CloudRunInspection(CloudRunApi):
    """One job of one project, looked at. Every method raises RunnerError with a sentence that says what to do."""

    def permissions(self, wanted: Sequence[str]) -> list[str]:
        """Those of the wanted permissions on the job that we have."""
        request = iam_policy_pb2.TestIamPermissionsRequest(resource=self.job, permissions=wanted)
        answer = self._tried(
            lambda: self._jobs.test_iam_permissions(request=request, timeout=self._call_seconds, retry=None),
            FOLLOW,
            self._call_seconds,
        )
        return list(answer.permissions)

    def job_definition(self) -> run_v2.Job:
        """The job as it is deployed."""
        request = run_v2.GetJobRequest(name=self.job)
        return self._tried(
            lambda: self._jobs.get_job(request=request, timeout=self._call_seconds, retry=None),
            FOLLOW,
            self._call_seconds,
        )

    def latest(self) -> run_v2.Execution | None:
        """The execution that was started last, whoever started it."""
        request = run_v2.ListExecutionsRequest(parent=self.job, page_size=1)
        page = self._tried(
            lambda: self._executions.list_executions(request=request, timeout=self._call_seconds, retry=None),
            FOLLOW,
            self._call_seconds,
        )
        return next(iter(page), None)
