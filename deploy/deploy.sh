#!/usr/bin/env bash
# Deploy everything to a Google Cloud project. It is safe to run again at any time.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'TEXT'
deploy/deploy.sh --project ID --bucket NAME [options]

Creates or updates, in this order: APIs, the image repository, service accounts, secrets, buckets, roles, the queue,
metrics, the job slideshow-processor, the service slideshow-backend, the check slideshow-doctor, the scheduler job, an
uptime check and alerts. Existing secrets, buckets and objects are not changed, nor settings that the script does not name.

  --project ID       project; default: PROJECT_ID
  --bucket NAME      bucket for the photos; default: BUCKET. An existing bucket is used without changes
  --region REGION    region; default: REGION, or us-central1
  --tag TAG          tag of the images; default: output of git describe
  --channel NAME     notification channel of the alerts, projects/.../notificationChannels/...
  --device-auth MODE required (default), or open, which also serves frames that send no token
  --base IMAGE       base of the images; default: python:3.11-slim-bookworm. Its digest is resolved by the build
  --cloud-sql NAME   PostgreSQL instance of Cloud SQL in this project: the service then uses a database, a user and a
                     secret that the script makes there. Later runs keep this without the option
  --max-instances N  limit of the service; default: 1 with SQLite, 10 with --cloud-sql
  --dry-run          print every command and change nothing; read-only commands are tried
TEXT
}

DRY_RUN=no
PROJECT_ID=${PROJECT_ID:-}
BUCKET=${BUCKET:-}
REGION=${REGION:-us-central1}
TAG=
CHANNEL=
DEVICE_AUTH=required
BASE=python:3.11-slim-bookworm
CLOUD_SQL=
MAX_INSTANCES=
PAUSE_SECONDS=${PAUSE_SECONDS:-15}
ALERT_ATTEMPTS=48 # 12 minutes: a new metric can be used in an alert up to 10 minutes after it was made
RIGHTS_PAUSES=8 # 2 minutes: new permissions usually take effect within this time, sometimes after 7 minutes or more
BUILD_ATTEMPTS=5
NEW_ACCOUNTS=no
while [[ $# -gt 0 ]]; do
  case $1 in
    --dry-run) DRY_RUN=yes ;;
    -h | --help) usage; exit 0 ;;
    --project | --bucket | --region | --tag | --channel | --device-auth | --base | --cloud-sql | --max-instances)
      [[ $# -ge 2 ]] || { usage >&2; exit 2; }
      case $1 in
        --project) PROJECT_ID=$2 ;;
        --bucket) BUCKET=$2 ;;
        --region) REGION=$2 ;;
        --tag) TAG=$2 ;;
        --channel) CHANNEL=$2 ;;
        --device-auth) DEVICE_AUTH=$2 ;;
        --base) BASE=$2 ;;
        --cloud-sql) CLOUD_SQL=$2 ;;
        --max-instances) MAX_INSTANCES=$2 ;;
      esac
      shift ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done

# shellcheck source=deploy/lib.sh
source deploy/lib.sh
set_names
check_name --bucket "$BUCKET" '[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]'
check_name --device-auth "$DEVICE_AUTH" '(required|open)'
TAG=${TAG:-$(git describe --always --dirty --match 'v[0-9]*')}
check_name --tag "$TAG" '[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}'
check_name --base "$BASE" '[a-z0-9][A-Za-z0-9._:/@-]*'
[[ -z $CLOUD_SQL ]] || check_name --cloud-sql "$CLOUD_SQL" '[a-z][a-z0-9-]{0,96}[a-z0-9]'
[[ -z $MAX_INSTANCES ]] || check_name --max-instances "$MAX_INSTANCES" '[1-9][0-9]{0,2}'
in_project=(--project "$PROJECT_ID")
in_region=(--project "$PROJECT_ID" --region "$REGION")

enable_apis() {
  say "APIs"
  run gcloud services enable "${in_project[@]}" run.googleapis.com cloudbuild.googleapis.com \
    artifactregistry.googleapis.com secretmanager.googleapis.com cloudscheduler.googleapis.com cloudtasks.googleapis.com \
    storage.googleapis.com iam.googleapis.com logging.googleapis.com monitoring.googleapis.com
  [[ -z $CLOUD_SQL ]] || run gcloud services enable "${in_project[@]}" sqladmin.googleapis.com
}

make_repository() {
  say "Image repository"
  exists gcloud artifacts repositories describe "$REPOSITORY" "${in_project[@]}" --location "$REGION" ||
    run gcloud artifacts repositories create "$REPOSITORY" "${in_project[@]}" --location "$REGION" \
      --repository-format docker --description "Images of the photo slideshow"
}

make_account() { # NAME DESCRIPTION
  exists gcloud iam service-accounts describe "$1@$PROJECT_ID.iam.gserviceaccount.com" "${in_project[@]}" && return
  run gcloud iam service-accounts create "$1" "${in_project[@]}" --display-name "$2"
  NEW_ACCOUNTS=yes
}

make_accounts() {
  say "Service accounts: backend, processor, builds, scheduler"
  make_account slideshow-backend "Photo slideshow: backend"
  make_account slideshow-processor "Photo slideshow: processor"
  make_account slideshow-build "Photo slideshow: builds and deploys"
  make_account slideshow-scheduler "Photo slideshow: scheduler"
}

# secret_command NAME: sets `command` to the command that stores a secret from its input, or fails if a version exists.
# A secret without a version is left behind when this script is interrupted; it gets its version now.
secret_command() {
  command=(gcloud secrets create "$1" "${in_project[@]}" --replication-policy automatic --data-file -)
  exists gcloud secrets describe "$1" "${in_project[@]}" || return 0
  prints gcloud secrets versions list "$1" "${in_project[@]}" --filter state=ENABLED --limit 1 '--format=value(name)' &&
    return 1
  command=(gcloud secrets versions add "$1" "${in_project[@]}" --data-file -)
}

random_secret() { # NAME BYTES
  local command=()
  secret_command "$1" || return 0
  # Through a pipe, because any process could read a secret in a command line. Without openssl's newline.
  if [[ $DRY_RUN == yes ]]; then
    printf "openssl rand -hex %q | tr -d '\\\\n' | %s\n" "$2" "$(print_command "${command[@]}")"
  else
    openssl rand -hex "$2" | tr -d '\n' | "${command[@]}"
  fi
}

make_secrets() {
  say "Random secrets; existing ones are not changed"
  random_secret "$TOKEN_SECRET" 32
  random_secret "$PASSWORD_SECRET" 12
}

# make_photo_bucket: bucket names are global, so a bucket of this name may belong to somebody else's project.
make_photo_bucket() {
  prints gcloud storage buckets list "${in_project[@]}" --filter "name=$BUCKET" '--format=value(name)' && return
  run gcloud storage buckets create "gs://$BUCKET" "${in_project[@]}" --location "$REGION" \
    --uniform-bucket-level-access --public-access-prevention ||
    fail "gs://$BUCKET could not be created in $PROJECT_ID. A bucket of this name that is not listed in this project \
belongs to another one, and photos must not go there: choose another --bucket"
}

# make_own_bucket VARIABLE PREFIX FLAGS...: finds or makes a bucket with a random name, and sets the variable to it.
# Somebody who guesses the name of a staging bucket could create it first and receive or replace the sources.
make_own_bucket() {
  local -n found=$1
  local prefix=$2
  shift 2
  local list=(gcloud storage buckets list "${in_project[@]}" --filter "name~^$prefix-[0-9a-f]{16}\$"
    --sort-by name --limit 1 '--format=value(name)')
  lookup found "${list[@]}"
  [[ -z $found ]] || return 0
  if [[ $DRY_RUN == yes ]]; then found=$prefix-RANDOM; else found=$prefix-$(openssl rand -hex 8 | tr -d '\n'); fi
  run gcloud storage buckets create "gs://$found" "${in_project[@]}" --location "$REGION" \
    --uniform-bucket-level-access --public-access-prevention "$@"
}

make_buckets() {
  say "Bucket of the photos, which must belong to this project"
  make_photo_bucket
  say "Bucket of the sources of builds, without soft delete: they are kept for 30 days and are no backup"
  make_own_bucket STAGING slideshow-build --soft-delete-duration=0 --lifecycle-file=deploy/lifecycle_of_sources.json
  say "Bucket of the database's snapshots, without soft delete: each replaces the one before, up to every 30 s"
  make_own_bucket SNAPSHOTS slideshow-snapshots --soft-delete-duration=0
}

make_role() { # ID
  if exists gcloud iam roles describe "$1" "${in_project[@]}"; then
    run gcloud iam roles update "$1" "${in_project[@]}" --file "deploy/roles/$1.yaml" --quiet
  else
    run gcloud iam roles create "$1" "${in_project[@]}" --file "deploy/roles/$1.yaml" --quiet
  fi
}

may_on_project() { # ACCOUNT ROLE
  retry gcloud projects add-iam-policy-binding "$PROJECT_ID" --member "serviceAccount:$1" --role "$2" \
    --condition None --quiet
}

may_on_bucket() { # BUCKET ACCOUNT ROLE
  retry gcloud storage buckets add-iam-policy-binding "gs://$1" "${in_project[@]}" \
    --member "serviceAccount:$2" --role "$3"
}

may_read_secret() { # SECRET ACCOUNT
  retry gcloud secrets add-iam-policy-binding "$1" "${in_project[@]}" \
    --member "serviceAccount:$2" --role roles/secretmanager.secretAccessor
}

may_act_as() { # ACCOUNT CALLER
  retry gcloud iam service-accounts add-iam-policy-binding "$1" "${in_project[@]}" \
    --member "serviceAccount:$2" --role roles/iam.serviceAccountUser
}

grant_roles() {
  local own=projects/$PROJECT_ID/roles
  say "Custom roles, for permissions that no predefined role grants alone"
  make_role slideshowFollower
  make_role slideshowBucketRules
  say "Permissions of the backend: its bucket, its secrets, and reading operations"
  may_on_bucket "$BUCKET" "$BACKEND_ACCOUNT" roles/storage.objectUser
  may_on_bucket "$BUCKET" "$BACKEND_ACCOUNT" "$own/slideshowBucketRules"
  may_on_bucket "$SNAPSHOTS" "$BACKEND_ACCOUNT" roles/storage.objectUser
  may_read_secret "$TOKEN_SECRET" "$BACKEND_ACCOUNT"
  may_read_secret "$PASSWORD_SECRET" "$BACKEND_ACCOUNT"
  may_on_project "$BACKEND_ACCOUNT" "$own/slideshowFollower"
  say "Permissions of a task: the same bucket, and the token"
  may_on_bucket "$BUCKET" "$PROCESSOR_ACCOUNT" roles/storage.objectUser
  may_read_secret "$TOKEN_SECRET" "$PROCESSOR_ACCOUNT"
  say "Permissions of a build: pushing images, and deploying them as the two accounts"
  may_on_project "$BUILD_ACCOUNT" roles/run.developer
  may_on_project "$BUILD_ACCOUNT" roles/logging.logWriter
  may_on_bucket "$STAGING" "$BUILD_ACCOUNT" roles/storage.objectViewer
  retry gcloud artifacts repositories add-iam-policy-binding "$REPOSITORY" "${in_project[@]}" \
    --location "$REGION" --member "serviceAccount:$BUILD_ACCOUNT" --role roles/artifactregistry.writer
  may_act_as "$BACKEND_ACCOUNT" "$BUILD_ACCOUNT"
  may_act_as "$PROCESSOR_ACCOUNT" "$BUILD_ACCOUNT"
}

# wait_for_rights: Cloud Build fails at its first step if it uses a new account before its permissions take effect.
wait_for_rights() {
  [[ $NEW_ACCOUNTS == yes && $DRY_RUN == no ]] || return 0
  say "Waiting until the permissions of the new accounts take effect"
  sleep $((RIGHTS_PAUSES * PAUSE_SECONDS))
}

build() { # PROGRAM SUBSTITUTIONS, separated by |
  local submit=(gcloud builds submit . "${in_project[@]}" --config "deploy/cloudbuild.$1.yaml"
    --service-account "projects/$PROJECT_ID/serviceAccounts/$BUILD_ACCOUNT"
    --gcs-source-staging-dir "gs://$STAGING/source"
    --substitutions "^|^_REGION=$REGION|_REPOSITORY=$REPOSITORY|_TAG=$TAG|_BASE=$BASE|$2")
  if [[ $DRY_RUN == yes ]]; then print_command "${submit[@]}"; return; fi
  local attempt reason
  for ((attempt = 1; attempt <= BUILD_ATTEMPTS; attempt++)); do
    "${submit[@]}" && return
    reason=$(gcloud builds list "${in_project[@]}" --sort-by '~createTime' --limit 1 \
      '--format=value(failureInfo.type)') || reason=
    # Without a reason the build was not even created. A failed step of the build itself fails again.
    [[ $reason == USER_BUILD_STEP ]] && fail "the build failed; its log is printed above"
    [[ $attempt == "$BUILD_ATTEMPTS" ]] || {
      say "the build could not start (${reason:-rejected}); permissions may not be in effect yet, retrying"
      sleep $((RIGHTS_PAUSES * PAUSE_SECONDS))
    }
  done
  fail "the build did not succeed in $BUILD_ATTEMPTS attempts"
}

# find_database: sets CONNECTION, MAX_INSTANCES and MORE_SECRETS. Without --cloud-sql, a service that already uses
# Cloud SQL keeps its connection, its secret and its limit of instances.
find_database() {
  CONNECTION=
  MORE_SECRETS=
  local engine describe=(gcloud run services describe "$SERVICE" "${in_region[@]}")
  if [[ -n $CLOUD_SQL ]]; then
    capture engine POSTGRES_17 gcloud sql instances describe "$CLOUD_SQL" "${in_project[@]}" \
      '--format=value(databaseVersion)'
    [[ $engine == POSTGRES_* ]] || fail "the instance $CLOUD_SQL runs $engine; the backend needs PostgreSQL"
    capture CONNECTION "$PROJECT_ID:$REGION:$CLOUD_SQL" gcloud sql instances describe "$CLOUD_SQL" \
      "${in_project[@]}" '--format=value(connectionName)'
    MORE_SECRETS=,DATABASE_URL=$DATABASE_SECRET:latest
    MAX_INSTANCES=${MAX_INSTANCES:-10}
  elif exists "${describe[@]}"; then
    lookup CONNECTION "${describe[@]}" \
      '--format=value(spec.template.metadata.annotations."run.googleapis.com/cloudsql-instances")'
    [[ -z $CONNECTION || -n $MAX_INSTANCES ]] || lookup MAX_INSTANCES "${describe[@]}" \
      '--format=value(spec.template.metadata.annotations."autoscaling.knative.dev/maxScale")'
  fi
  MAX_INSTANCES=${MAX_INSTANCES:-1}
  [[ -n $CONNECTION || $MAX_INSTANCES == 1 ]] ||
    usage_error "--max-instances $MAX_INSTANCES needs --cloud-sql: SQLite is the database of one instance only"
}

# make_database: the password is only ever written to the input of gcloud.
make_database() {
  [[ -n $CLOUD_SQL ]] || return 0
  say "Database and user in Cloud SQL, and the secret with their address; an existing secret is not changed"
  may_on_project "$BACKEND_ACCOUNT" roles/cloudsql.client
  local on_instance=(--instance "$CLOUD_SQL" "${in_project[@]}") command=()
  exists gcloud sql databases describe slideshow "${on_instance[@]}" ||
    run gcloud sql databases create slideshow "${on_instance[@]}"
  if secret_command "$DATABASE_SECRET"; then
    # `users create` also sets the password of an existing user.
    local user=(gcloud sql users create slideshow "${on_instance[@]}" --flags-file /dev/stdin)
    local address="postgresql://slideshow:%s@/slideshow?host=/cloudsql/$CONNECTION"
    if [[ $DRY_RUN == yes ]]; then
      echo "# PASSWORD=\$(openssl rand -hex 24)"
      printf "printf -- '--password: %%s\\\\n' \"\$PASSWORD\" | %s\n" "$(print_command "${user[@]}")"
      printf "printf %q \"\$PASSWORD\" | %s\n" "$address" "$(print_command "${command[@]}")"
    else
      local password
      password=$(openssl rand -hex 24)
      printf -- '--password: %s\n' "$password" | "${user[@]}"
      # shellcheck disable=SC2059  # the address is the format
      printf "$address" "$password" | "${command[@]}"
    fi
  fi
  may_read_secret "$DATABASE_SECRET" "$BACKEND_ACCOUNT"
}

deploy_job() {
  say "Building, pushing and deploying the job"
  build processor "_JOB_NAME=$JOB|_GCS_BUCKET_NAME=$BUCKET|_BACKEND_API_URL=$BACKEND_URL|\
_BACKEND_AUTH_SECRET=$TOKEN_SECRET|_SERVICE_ACCOUNT=$PROCESSOR_ACCOUNT"
  say "Allowing the backend to start this job with overrides, and to read its executions"
  local role
  for role in roles/run.jobsExecutorWithOverrides roles/run.viewer; do
    retry gcloud run jobs add-iam-policy-binding "$JOB" "${in_region[@]}" \
      --member "serviceAccount:$BACKEND_ACCOUNT" --role "$role"
  done
}

deploy_service() {
  say "Building, pushing and deploying the service and its check"
  build backend "_SERVICE_NAME=$SERVICE|_DOCTOR_NAME=$DOCTOR|_JOB_NAME=$JOB|_GCS_BUCKET_NAME=$BUCKET|\
_BACKEND_API_URL=$BACKEND_URL|_BACKEND_AUTH_SECRET=$TOKEN_SECRET|_ADMIN_PASSWORD_SECRET=$PASSWORD_SECRET|\
_DEVICE_AUTH=$DEVICE_AUTH|_SCHEDULER_ACCOUNT=$SCHEDULER_ACCOUNT|_QUEUE=$QUEUE|_SERVICE_ACCOUNT=$BACKEND_ACCOUNT|\
_SNAPSHOT_BUCKET_URL=gs://$SNAPSHOTS|_MAX_INSTANCES=$MAX_INSTANCES|_CLOUD_SQL=$CONNECTION|_MORE_SECRETS=$MORE_SECRETS"
  say "Allowing public access: frames and people have no Google token; the service checks its own tokens"
  # Organisations that restrict sharing by domain reject allUsers; without the invoker check the effect is the same.
  run gcloud run services add-iam-policy-binding "$SERVICE" "${in_region[@]}" \
    --member allUsers --role roles/run.invoker ||
    retry gcloud run services update "$SERVICE" "${in_region[@]}" --no-invoker-iam-check
}

schedule_ticks() {
  say "Scheduling the periodic work each minute; the scheduler sends a Google-signed token and needs no secret"
  local verb=create
  exists gcloud scheduler jobs describe "$TICK" "${in_project[@]}" --location "$REGION" && verb=update
  retry gcloud scheduler jobs "$verb" http "$TICK" "${in_project[@]}" --location "$REGION" --schedule "* * * * *" \
    --uri "$BACKEND_URL/internal/tick" --http-method POST --attempt-deadline 300s --max-retry-attempts 0 \
    --oidc-service-account-email "$SCHEDULER_ACCOUNT" --oidc-token-audience "$BACKEND_URL"
}

make_queue() {
  say "Queue whose tasks call the periodic work when a batch is due; a failed call is retried for about two minutes"
  exists gcloud tasks queues describe "$QUEUE" "${in_project[@]}" --location "$REGION" ||
    run gcloud tasks queues create "$QUEUE" "${in_project[@]}" --location "$REGION" --max-attempts 5 \
      --min-backoff 2s --max-backoff 60s --max-concurrent-dispatches 2 --max-dispatches-per-second 5
  retry gcloud tasks queues add-iam-policy-binding "$QUEUE" "${in_project[@]}" --location "$REGION" \
    --member "serviceAccount:$BACKEND_ACCOUNT" --role roles/cloudtasks.enqueuer
  may_act_as "$SCHEDULER_ACCOUNT" "$BACKEND_ACCOUNT"
}

make_metric() { # NAME
  local verb=create
  exists gcloud logging metrics describe "$1" "${in_project[@]}" && verb=update
  run gcloud logging metrics "$verb" "$1" "${in_project[@]}" --config-from-file "deploy/metrics/$1.yaml"
}

make_alert() { # FILE
  local title existing channels=$CHANNEL channel=()
  title=$(sed -n 's/^displayName: *"\(.*\)"$/\1/p' "$1")
  lookup existing gcloud monitoring policies list "${in_project[@]}" --filter "displayName=\"$title\"" --limit 1 \
    '--format=value(name)'
  if [[ -n $existing ]]; then
    # The file replaces the whole policy, so the channels that an operator added are read and passed again.
    [[ -n $channels ]] || lookup channels gcloud monitoring policies describe "$existing" "${in_project[@]}" \
      '--format=value(notificationChannels.list(separator=","))'
    [[ -z $channels ]] || channel=(--set-notification-channels "$channels")
    run gcloud monitoring policies update "$existing" "${in_project[@]}" --policy-from-file "$1" "${channel[@]}"
  else
    [[ -z $channels ]] || channel=(--notification-channels "$channels")
    retry gcloud monitoring policies create "${in_project[@]}" --policy-from-file "$1" "${channel[@]}"
  fi
}

make_uptime_check() {
  say "Uptime check: every 5 minutes, from several regions"
  local title="Photo slideshow: ready"
  prints gcloud monitoring uptime list-configs "${in_project[@]}" --filter "displayName=\"$title\"" \
    '--format=value(name)' && return
  # A starting instance may hold the request while it loads its database, so the longest timeout is used.
  run gcloud monitoring uptime create "$title" "${in_project[@]}" --resource-type uptime-url \
    --resource-labels "host=${BACKEND_URL#https://},project_id=$PROJECT_ID" --protocol https --path /_ready \
    --period 5 --timeout 60 --validate-ssl true
}

make_metrics() {
  say "Metrics from log lines; alerts on them are accepted up to ten minutes later, so the builds come in between"
  local file
  for file in deploy/metrics/*.yaml; do make_metric "$(basename "$file" .yaml)"; done
}

make_alerts() {
  say "Alerts"
  local file ATTEMPTS=$ALERT_ATTEMPTS
  for file in deploy/alerts/*.yaml; do make_alert "$file"; done
}

find_backend_url
enable_apis
find_database
make_repository
make_accounts
make_secrets
make_buckets
grant_roles
make_queue
make_database
make_metrics
wait_for_rights
deploy_job
deploy_service
schedule_ticks
make_uptime_check
make_alerts
say "Done. URL of the backend: $BACKEND_URL"
say "Check it:     gcloud run jobs execute $DOCTOR ${in_region[*]} --wait"
say "Password:     gcloud secrets versions access latest --secret $PASSWORD_SECRET ${in_project[*]}"
