# shellcheck shell=bash disable=SC2034  # its names are for the scripts that source it
# What deploy.sh and rollback.sh share: names, checked once, and the ways in which a command is run.
# Sourced; sets no options of the shell that sources it.

# Every command goes through `run`, `patiently`, `there` or `ask`. With DRY_RUN=yes they print it, quoted so that it can be pasted.

shown() {
  local text
  printf -v text '%q ' "$@"
  printf '%s\n' "${text% }"
}

# run COMMAND...
run() {
  if [[ $DRY_RUN == yes ]]; then shown "$@"; else "$@"; fi
}

# patiently COMMAND...: what was made a moment ago is not known everywhere yet, so a refusal is tried again for a while.
patiently() {
  if [[ $DRY_RUN == yes ]]; then shown "$@"; return; fi
  local attempt
  for attempt in 1 2 3 4 5 6; do
    "$@" && return
    [[ $attempt == 6 ]] || { say "not yet possible, tried again in ${PAUSE_SECONDS} s"; sleep "$PAUSE_SECONDS"; }
  done
  fail "this did not succeed in six attempts: $(shown "$@")"
}

# there CHECK...: whether something is there. In a dry run nothing is, as in a new project.
there() {
  if [[ $DRY_RUN == yes ]]; then shown "$@"; return 1; fi
  "$@" >/dev/null 2>&1
}

# ask NAME PLACEHOLDER COMMAND...: a variable from what a reading command prints. Read in a dry run too, where that works.
ask() {
  local -n answer=$1
  local placeholder=$2
  shift 2
  if [[ $DRY_RUN == yes ]]; then
    shown "$@"
    answer=$("$@" 2>/dev/null) || answer=
    answer=${answer:-$placeholder}
  else
    answer=$("$@")
    [[ -n $answer ]] || fail "nothing came of: $(shown "$@")"
  fi
}

say() { printf '# %s\n' "$*"; }

fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

wrong() {
  printf '%s: %s\nSee %s --help.\n' "${0##*/}" "$*" "${0##*/}" >&2
  exit 2
}

# check_name WHAT VALUE PATTERN: stop before anything is done rather than in the middle.
check_name() {
  [[ -n $2 ]] || wrong "$1 is missing"
  [[ $2 =~ ^$3$ ]] || wrong "$1 is not usable: '$2'"
}

# name_everything: all names that both scripts use, from PROJECT_ID, REGION, BUCKET.
name_everything() {
  check_name --project "$PROJECT_ID" '[a-z][a-z0-9-]{4,28}[a-z0-9]'
  check_name --region "$REGION" '[a-z]+-[a-z]+[0-9]+'
  SERVICE=slideshow-backend
  JOB=slideshow-processor
  DOCTOR=slideshow-doctor
  TICK=slideshow-tick
  REPOSITORY=slideshow
  TOKEN_SECRET=slideshow-processor-token
  PASSWORD_SECRET=slideshow-admin-password
  BACKEND_ACCOUNT=slideshow-backend@$PROJECT_ID.iam.gserviceaccount.com
  PROCESSOR_ACCOUNT=slideshow-processor@$PROJECT_ID.iam.gserviceaccount.com
  SCHEDULER_ACCOUNT=slideshow-scheduler@$PROJECT_ID.iam.gserviceaccount.com
  BUILD_ACCOUNT=slideshow-build@$PROJECT_ID.iam.gserviceaccount.com
  IMAGES=$REGION-docker.pkg.dev/$PROJECT_ID/$REPOSITORY
  readonly SERVICE JOB DOCTOR TICK REPOSITORY TOKEN_SECRET PASSWORD_SECRET IMAGES
  readonly BACKEND_ACCOUNT PROCESSOR_ACCOUNT SCHEDULER_ACCOUNT BUILD_ACCOUNT
}

# find_backend_url: Cloud Run gives a service an address that follows from its name and the project's number, so
# the job can be told of it before the service is there.
find_backend_url() {
  local number
  ask number PROJECT_NUMBER gcloud projects describe "$PROJECT_ID" '--format=value(projectNumber)'
  BACKEND_URL=https://$SERVICE-$number.$REGION.run.app
}
