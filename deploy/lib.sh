# shellcheck shell=bash disable=SC2034  # the scripts that source this file use its variables
# Shared code of deploy.sh and rollback.sh: validated names, and functions that run commands.
# To be sourced; it sets no options of the calling shell.

# Every command runs through `run`, `retry`, `exists`, `prints`, `lookup` or `capture`.
# With DRY_RUN=yes they print the command, quoted so that it can be pasted.

ATTEMPTS=6 # of `retry`

print_command() {
  local text
  printf -v text '%q ' "$@"
  printf '%s\n' "${text% }"
}

# run COMMAND...
run() {
  if [[ $DRY_RUN == yes ]]; then print_command "$@"; else "$@"; fi
}

# retry COMMAND...: retries for a while, because a resource that was just created is not known everywhere yet.
retry() {
  if [[ $DRY_RUN == yes ]]; then print_command "$@"; return; fi
  local attempt
  for ((attempt = 1; attempt <= ATTEMPTS; attempt++)); do
    "$@" && return
    [[ $attempt == "$ATTEMPTS" ]] || { say "not possible yet; retrying in ${PAUSE_SECONDS} s"; sleep "$PAUSE_SECONDS"; }
  done
  fail "this command failed in $ATTEMPTS attempts: $(print_command "$@")"
}

# exists CHECK...: succeeds if a resource exists. In a dry run none exists, as in a new project.
exists() {
  if [[ $DRY_RUN == yes ]]; then print_command "$@"; return 1; fi
  "$@" >/dev/null 2>&1
}

# lookup NAME COMMAND...: sets a variable to the output of a read-only command. The output may be empty, and is in a dry
# run, as in a new project. A command that fails ends the script: nothing may be created a second time because of it.
lookup() {
  local -n looked_up=$1
  shift
  looked_up=
  if [[ $DRY_RUN == yes ]]; then print_command "$@"; return; fi
  looked_up=$("$@") || fail "this command failed: $(print_command "$@")"
}

# prints CHECK...: succeeds if a listing is not empty.
prints() {
  local listing
  lookup listing "$@"
  [[ -n $listing ]]
}

# capture NAME PLACEHOLDER COMMAND...: sets a variable to the output of a read-only command.
# A dry run tries the command as well, and uses the placeholder if it fails.
capture() {
  local -n output=$1
  local placeholder=$2
  shift 2
  if [[ $DRY_RUN == yes ]]; then
    print_command "$@"
    output=$("$@" 2>/dev/null) || output=
    output=${output:-$placeholder}
  else
    output=$("$@")
    [[ -n $output ]] || fail "this command printed nothing: $(print_command "$@")"
  fi
}

say() { printf '# %s\n' "$*"; }

fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

usage_error() {
  printf '%s: %s\nSee %s --help.\n' "${0##*/}" "$*" "${0##*/}" >&2
  exit 2
}

# check_name OPTION VALUE PATTERN: validates a value before anything is done.
check_name() {
  [[ -n $2 ]] || usage_error "$1 is missing"
  [[ $2 =~ ^$3$ ]] || usage_error "$1 is invalid: '$2'"
}

# set_names: sets all names that both scripts use, from PROJECT_ID and REGION.
set_names() {
  check_name --project "$PROJECT_ID" '[a-z][a-z0-9-]{4,28}[a-z0-9]'
  check_name --region "$REGION" '[a-z]+-[a-z]+[0-9]+'
  SERVICE=slideshow-backend
  JOB=slideshow-processor
  DOCTOR=slideshow-doctor
  TICK=slideshow-tick
  QUEUE=slideshow-ticks
  REPOSITORY=slideshow
  TOKEN_SECRET=slideshow-processor-token
  PASSWORD_SECRET=slideshow-admin-password
  DATABASE_SECRET=slideshow-database-url
  BACKEND_ACCOUNT=slideshow-backend@$PROJECT_ID.iam.gserviceaccount.com
  PROCESSOR_ACCOUNT=slideshow-processor@$PROJECT_ID.iam.gserviceaccount.com
  SCHEDULER_ACCOUNT=slideshow-scheduler@$PROJECT_ID.iam.gserviceaccount.com
  BUILD_ACCOUNT=slideshow-build@$PROJECT_ID.iam.gserviceaccount.com
  IMAGES=$REGION-docker.pkg.dev/$PROJECT_ID/$REPOSITORY
  readonly SERVICE JOB DOCTOR TICK QUEUE REPOSITORY TOKEN_SECRET PASSWORD_SECRET DATABASE_SECRET IMAGES
  readonly BACKEND_ACCOUNT PROCESSOR_ACCOUNT SCHEDULER_ACCOUNT BUILD_ACCOUNT
}

# find_backend_url: the URL of a Cloud Run service follows from its name and the project's number, so the job can be
# deployed with it before the service exists.
find_backend_url() {
  local number
  capture number PROJECT_NUMBER gcloud projects describe "$PROJECT_ID" '--format=value(projectNumber)'
  BACKEND_URL=https://$SERVICE-$number.$REGION.run.app
}
