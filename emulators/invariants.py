"""Every documented rule of Google's APIs that this project's requests can break, and where the emulators enforce it.

`tests/emulators/` has a test of each row: a call that breaks the rule is rejected, or the promised behaviour is there.
Each row names its source, in one of two forms:

- The definition of the API as the locked client library carries it: `module:Class` or `module:Class.method` for a
  docstring, `file:path` for a file of an installed package. `phrase` is a part of it, and a test finds it there.
  So a new version of the library that drops or changes the words shows up as a failing test.
- An address of Google's documentation, as it was stored in public archives and read in November 2026.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Service = Literal["cloud_run", "cloud_storage", "cloud_tasks"]


class Invariant(Struct, frozen=True):
    """One rule.

    Attributes:
        service: The emulator.
        key: Short name; that of the test.
        rule: The rule.
        source: Where the reference states it, see the top of this module.
        phrase: Words of the reference, for a source that is installed; else empty.
        enforced_by: Function or class of the emulator that enforces it.
    """

    service: Service
    key: str
    rule: str
    source: str
    phrase: str
    enforced_by: str

    @property
    def test(self) -> str:
        """Return the test of this rule."""
        return f"tests/emulators/test_{self.service}.py::test_rule[{self.key}]"


_JOB = "google.cloud.run_v2.types:RunJobRequest"
_OVERRIDES = "google.cloud.run_v2.types:RunJobRequest.Overrides"
_CONTAINER = "google.cloud.run_v2.types:RunJobRequest.Overrides.ContainerOverride"
_ENV = "google.cloud.run_v2.types:EnvVar"
_TEMPLATE = "google.cloud.run_v2.types:TaskTemplate"
_LIST = "google.cloud.run_v2.types:ListExecutionsRequest"
_OPERATION = "file:google/longrunning/operations_proto.proto"
_RUN = "https://cloud.google.com/run"

_DELETE = "google.cloud._storage_v2.types:DeleteObjectRequest"
_OBJECTS = "google.cloud._storage_v2.types:ListObjectsRequest"
_REWRITE = "google.cloud._storage_v2.types:RewriteObjectRequest"
_ACTION = "google.cloud._storage_v2.types:Bucket.Lifecycle.Rule.Action"
_CONDITION = "google.cloud._storage_v2.types:Bucket.Lifecycle.Rule.Condition"
_CONSTANTS = "google.cloud._storage_v2.types:ServiceConstants.Values"
_STORAGE = "https://cloud.google.com/storage/docs"

_TASK = "google.cloud.tasks_v2.types:Task"
_HTTP = "google.cloud.tasks_v2.types:HttpRequest"
_CREATE = "google.cloud.tasks_v2.types:CreateTaskRequest"
_TASKS = "https://cloud.google.com/tasks/docs"

_ROWS: tuple[tuple[Service, str, str, str, str, str], ...] = (
    # Cloud Run: starts
    ("cloud_run", "job name", "A job is named projects/P/locations/L/jobs/J", _JOB,
     "projects/{project}/locations/{location}/jobs/{job}", "CloudRunModel._check_name"),
    ("cloud_run", "parallelism", "Parallelism is at most the task count of the start; no override changes it",
     "google.cloud.run_v2.types:Execution", "Must be <= task_count", "rules._tasks"),
    ("cloud_run", "parallelism unset", "Parallelism 0 runs as many tasks as possible",
     "google.cloud.run_v2.types:ExecutionTemplate", "the maximum possible value will be used", "RunningExecution"),
    ("cloud_run", "task count override", "An override replaces the job's task count", _OVERRIDES,
     "Will replace existing task_count value", "CloudRunModel.run_job"),
    ("cloud_run", "task count limit", "An execution has between 1 and 10,000 tasks", f"{_RUN}/quotas", "",
     "rules._tasks"),
    ("cloud_run", "timeout override", "An override replaces the job's time limit", _OVERRIDES,
     "Will replace existing timeout_seconds value", "RunningExecution"),
    ("cloud_run", "timeout limit", "A task's time limit is positive and at most 7 days",
     f"{_RUN}/docs/configuring/task-timeout", "", "rules._timeout"),
    ("cloud_run", "environment override", "Overridden variables are merged with those of the job", _CONTAINER,
     "Will be merged with existing env", "RunningExecution._attempt"),
    ("cloud_run", "reserved variables", "Cloud Run sets PORT and CLOUD_RUN_* itself",
     f"{_RUN}/docs/container-contract", "", "rules._environment"),
    ("cloud_run", "variable name", "The name of a variable has at most 32,768 characters", _ENV,
     "Must not exceed 32768 characters", "rules._environment"),
    ("cloud_run", "variable value", "The value of a variable has at most 32,768 bytes", _ENV,
     "the maximum length is 32768 bytes", "rules._environment"),
    ("cloud_run", "container name", "An overridden container is named by a DNS label", _CONTAINER,
     "specified as a DNS_LABEL", "rules._containers"),
    ("cloud_run", "validate only", "A request to validate starts nothing", _JOB,
     "Indicates that the request should be validated", "CloudRunModel.run_job"),
    ("cloud_run", "start twice", "Each accepted start is another execution",
     "google.cloud.run_v2:JobsClient.run_job", "Triggers creation of a new Execution", "CloudRunModel.run_job"),
    ("cloud_run", "permission to run", "A start needs run.jobs.run, with overrides run.jobs.runWithOverrides",
     f"{_RUN}/docs/reference/iam/permissions", "", "CloudRunModel._require"),
    ("cloud_run", "permission to read", "Reading jobs, executions and operations needs the permission of each",
     f"{_RUN}/docs/reference/iam/permissions", "", "CloudRunModel._require"),
    # Cloud Run: executions and tasks
    ("cloud_run", "task variables", "A task gets its index, count, attempt, execution and job in its environment",
     f"{_RUN}/docs/container-contract", "", "RunningExecution._attempt"),
    ("cloud_run", "retries", "A failed task is tried again, max_retries times", _TEMPLATE,
     "Number of retries allowed per Task", "RunningExecution._attempts"),
    ("cloud_run", "retries limit", "A job has at most 10 retries", f"{_RUN}/quotas", "", "rules.check_definition"),
    ("cloud_run", "timeout per attempt", "Each attempt has the full time limit", _TEMPLATE,
     "each retry can run for the full timeout", "RunningExecution._attempt"),
    ("cloud_run", "termination", "A task gets SIGTERM, and SIGKILL 10 s later", f"{_RUN}/docs/container-contract", "",
     "execution._wait_for_end"),
    ("cloud_run", "secrets", "The API never shows the value of a secret",
     "google.cloud.run_v2.types:EnvVarSource", "Selects a secret", "JobDefinition.env_vars"),
    ("cloud_run", "page token", "A page token belongs to a list with the same parameters", _LIST,
     "All other parameters must match", "CloudRunModel.list_executions"),
    ("cloud_run", "page size", "A page has at most page_size executions", _LIST, "Maximum number of Executions",
     "CloudRunModel.list_executions"),
    ("cloud_run", "list parent", "Executions are listed below a job, or `-` for all jobs", _LIST, 'use "-" instead',
     "CloudRunModel.list_executions"),
    ("cloud_run", "operation name", "The name of an operation ends with operations/ and an id", _OPERATION,
     "ending with `operations/{unique_id}`", "CloudRunModel._operation_name"),
    ("cloud_run", "operation under way", "An operation that is not done has neither error nor response", _OPERATION,
     "neither `error` nor `response` is set", "CloudRunModel._operation_resource"),
    ("cloud_run", "operation done", "A finished operation has an error or a response", _OPERATION,
     "exactly one of `error` or `response` can be set", "CloudRunModel._operation_resource"),
    # Cloud Storage: preconditions and generations
    ("cloud_storage", "generation match", "ifGenerationMatch with another generation: 412",
     f"{_STORAGE}/request-preconditions", "", "rules.check_preconditions"),
    ("cloud_storage", "generation match 0", "ifGenerationMatch=0 succeeds only without a live object", _DELETE,
     "only if there are no live versions", "rules.check_preconditions"),
    ("cloud_storage", "generation not match", "ifGenerationNotMatch with the live generation: 304",
     f"{_STORAGE}/request-preconditions", "", "rules.check_preconditions"),
    ("cloud_storage", "not match without object", "ifGenerationNotMatch fails without a live object", _DELETE,
     "If no live object exists, the precondition fails", "rules.check_preconditions"),
    ("cloud_storage", "metageneration match", "ifMetagenerationMatch with another metageneration: 412",
     f"{_STORAGE}/request-preconditions", "", "rules.check_preconditions"),
    ("cloud_storage", "source generation match", "ifSourceGenerationMatch with another generation: 412",
     "google.cloud._storage_v2.types:RewriteObjectRequest", "if_source_generation_match", "ObjectStore.rewrite"),
    ("cloud_storage", "precondition number", "A generation is a whole number: else 400",
     f"{_STORAGE}/json_api/v1/status-codes", "", "rules.check_preconditions"),
    ("cloud_storage", "unknown parameter", "A parameter that the method does not have: 400",
     f"{_STORAGE}/json_api/v1/status-codes", "", "handler.route"),
    ("cloud_storage", "new generation", "Each write makes a larger generation, with metageneration 1",
     f"{_STORAGE}/metadata#generation-number", "", "ObjectStore.put"),
    ("cloud_storage", "old generation", "Without versioning a replaced generation is not found",
     f"{_STORAGE}/object-versioning", "", "ObjectStore.get"),
    ("cloud_storage", "bucket metageneration", "Each change of a bucket increments its metageneration",
     "google.cloud._storage_v2.types:Bucket", "The metadata generation of this bucket", "ObjectStore.patch_bucket"),
    # Cloud Storage: names and metadata
    ("cloud_storage", "name length", "An object's name has 1 to 1,024 bytes in UTF-8", f"{_STORAGE}/objects#naming",
     "", "rules.check_object_name"),
    ("cloud_storage", "name characters", "An object's name has no carriage return or line feed",
     f"{_STORAGE}/objects#naming", "", "rules.check_object_name"),
    ("cloud_storage", "name of dots", "No object is named . or ..", f"{_STORAGE}/objects#naming", "",
     "rules.check_object_name"),
    ("cloud_storage", "name of acme", "No object's name begins with .well-known/acme-challenge/",
     f"{_STORAGE}/objects#naming", "", "rules.check_object_name"),
    ("cloud_storage", "name encoding", "An object's name is valid Unicode", f"{_STORAGE}/objects#naming", "",
     "handler.route"),
    ("cloud_storage", "bucket name", "A bucket's name has 3 to 63 characters of a-z, 0-9, -, _ and ., and no `google`",
     f"{_STORAGE}/buckets#naming", "", "rules.check_bucket_name"),
    ("cloud_storage", "checksum crc32c", "A given crc32c is that of the data: else 400, and nothing is stored",
     "google.cloud._storage_v2.types:ObjectChecksums", "service validates that the stored object matches",
     "rules.check_upload"),
    ("cloud_storage", "checksum md5", "A given MD5 is that of the data: else 400, and nothing is stored",
     f"{_STORAGE}/data-validation", "", "rules.check_upload"),
    ("cloud_storage", "default type", "An object without a content type is application/octet-stream",
     "google.cloud._storage_v2.types:Object", "``application/octet-stream``", "ObjectStore.put"),
    ("cloud_storage", "overwrite permission", "Overwriting an object needs storage.objects.delete as well",
     f"{_STORAGE}/access-control/iam-json", "", "ObjectStore.put"),
    # Cloud Storage: downloads, listings, copies
    ("cloud_storage", "range", "A range that begins behind the object's end: 416",
     f"{_STORAGE}/json_api/v1/status-codes", "", "bodies.media_response"),
    ("cloud_storage", "list size", "A page has at most 1,000 items and prefixes", _OBJECTS,
     "or 1,000 items, whichever is smaller", "ObjectStore.page"),
    ("cloud_storage", "list prefixes", "With a delimiter, names that continue are listed once, as prefixes", _OBJECTS,
     "Duplicate ``prefixes`` are omitted", "ObjectStore.page"),
    ("cloud_storage", "list token", "A page token is one that the service returned: else 400", _OBJECTS,
     "A previously-returned page token", "objects._read_token"),
    ("cloud_storage", "rewrite token", "A rewrite continues with unchanged arguments: else 400", _REWRITE,
     "must not change across rewrite calls", "ObjectStore.rewrite"),
    ("cloud_storage", "rewrite metadata", "Metadata of a rewrite request replaces that of the source",
     f"{_STORAGE}/json_api/v1/objects/rewrite", "", "ObjectStore.rewrite"),
    ("cloud_storage", "rewrite type", "A rewrite request with metadata contains the content type: else 400",
     "https://github.com/googleapis/google-cloud-java/pull/294", "", "ObjectStore.rewrite"),
    # Cloud Storage: lifecycle and soft delete
    ("cloud_storage", "lifecycle count", "A bucket has at most 100 lifecycle rules", _CONSTANTS,
     "The maximum number of LifecycleRules", "rules.check_lifecycle"),
    ("cloud_storage", "lifecycle action", "An action is one of three", _ACTION,
     "``SetStorageClass``, and ``AbortIncompleteMultipartUpload`` are supported", "rules.check_lifecycle"),
    ("cloud_storage", "lifecycle class", "A storage class is required for SetStorageClass, and only there", _ACTION,
     "Required iff the type of the action is SetStorageClass", "rules.check_lifecycle"),
    ("cloud_storage", "lifecycle condition", "A rule has at least one condition, and only documented ones",
     f"{_STORAGE}/lifecycle", "", "rules.check_lifecycle"),
    ("cloud_storage", "lifecycle days", "Days are whole numbers of at least 0", _CONDITION,
     "must be a nonnegative integer", "rules.check_lifecycle"),
    ("cloud_storage", "lifecycle replaces", "A change of the lifecycle replaces all rules",
     f"{_STORAGE}/json_api/v1/buckets/patch", "", "ObjectStore.patch_bucket"),
    ("cloud_storage", "lifecycle deletes", "An object with the age and a prefix is deleted", _CONDITION,
     "any prefix exactly matches the beginning", "ObjectStore.expire_due"),
    ("cloud_storage", "soft delete default", "A new bucket retains deleted objects for 7 days",
     f"{_STORAGE}/soft-delete", "", "EmulatedBucket"),
    ("cloud_storage", "soft delete duration", "The retention is 0, or between 7 and 90 days",
     f"{_STORAGE}/soft-delete", "", "rules.soft_delete_seconds"),
    ("cloud_storage", "soft delete overwrites", "Overwritten objects are retained like deleted ones",
     f"{_STORAGE}/soft-delete", "", "ObjectStore._retire"),
    ("cloud_storage", "soft delete hides", "A retained object is not read, and listed only if asked for",
     f"{_STORAGE}/soft-delete", "", "ObjectStore.page"),
    ("cloud_storage", "soft delete change", "A change of the policy applies to later deletions",
     f"{_STORAGE}/soft-delete", "", "ObjectStore._retire"),
    # Cloud Tasks
    ("cloud_tasks", "queue exists", "The queue must already exist", _CREATE, "The queue must already exist",
     "EmulatedQueue.create_task"),
    ("cloud_tasks", "task id", "A task id has at most 500 letters, digits, - and _, below the queue's name", _TASK,
     "The maximum length is 500 characters", "EmulatedQueue._check"),
    ("cloud_tasks", "unique name", "ALREADY_EXISTS for the name of a task that exists or has ended lately", _CREATE,
     "ALREADY_EXISTS", "EmulatedQueue.create_task"),
    ("cloud_tasks", "http request", "A task has exactly one target", _TASK, "http_request", "EmulatedQueue._check"),
    ("cloud_tasks", "url", "The URL begins with http:// or https:// and has at most 2,083 characters", _HTTP,
     'must begin with either "http://" or "https://"', "EmulatedQueue._check"),
    ("cloud_tasks", "body", "Only POST, PUT and PATCH have a body", _HTTP, "It is an error to set body",
     "EmulatedQueue._check"),
    ("cloud_tasks", "headers", "The headers have less than 80 KB", _HTTP,
     "The size of the headers must be less than 80KB", "EmulatedQueue._check"),
    ("cloud_tasks", "deadline", "The dispatch deadline is between 15 s and 30 min", _TASK,
     "must be in the interval [15 seconds, 30 minutes]", "EmulatedQueue._check"),
    ("cloud_tasks", "schedule", "A task is scheduled at most 30 days ahead", f"{_TASKS}/quotas", "",
     "EmulatedQueue._check"),
    ("cloud_tasks", "size", "A task has at most 100 KB", "google.cloud.tasks_v2:CloudTasksClient.create_task",
     "The maximum task size is 100KB", "EmulatedQueue._check"),
    ("cloud_tasks", "act as", "The caller needs iam.serviceAccounts.actAs for the account of the OIDC token",
     "google.cloud.tasks_v2.types:OidcToken", "iam.serviceAccounts.actAs", "EmulatedQueue._check"),
    ("cloud_tasks", "account project", "The account of the OIDC token belongs to the queue's project",
     "google.cloud.tasks_v2.types:OidcToken", "must be within the same project as the queue", "EmulatedQueue._check"),
    ("cloud_tasks", "enqueuer", "The caller needs cloudtasks.tasks.create on the queue",
     f"{_TASKS}/access-control", "", "EmulatedQueue.create_task"),
)  # fmt: skip

INVARIANTS = tuple(Invariant(*row) for row in _ROWS)

NOT_ENFORCED = {
    "One write per second and object, one change per second and bucket": "https://cloud.google.com/storage/quotas: "
    "more may be throttled with 429. The programs retry it; the fault `status` with 429 covers it.",
    "Tasks that were delivered are delivered again at times": "https://cloud.google.com/tasks/docs/common-pitfalls: "
    "at-least-once. A test of the tick calls it twice instead.",
}
"""Documented behaviour that is left to chance by the service, so no emulator can enforce it, and what covers it."""


def keys(service: Service) -> list[str]:
    """Return the keys of one service's rules."""
    return [row.key for row in INVARIANTS if row.service == service]
