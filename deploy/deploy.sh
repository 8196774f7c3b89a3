#!/usr/bin/env bash
# Deploy everything to a Google Cloud project. It is safe to run again at any time.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'TEXT'
deploy/deploy.sh --project ID --bucket NAME [options]

Creates or updates, in this order: APIs, the image repository, service accounts, secrets, the bucket, roles, the job
slideshow-processor, the service slideshow-backend, the check slideshow-doctor, the scheduler job, metrics and alerts.
Existing secrets, the bucket and its objects are not changed.

  --project ID       project; default: PROJECT_ID
  --bucket NAME      bucket for the photos; default: BUCKET. An existing bucket is used without changes
  --region REGION    region; default: REGION, or us-central1
  --tag TAG          tag of the images; default: output of git describe
  --channel NAME     notification channel of the alerts, projects/.../notificationChannels/...
  --device-auth MODE required (default), or open, which also serves frames that send no token
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
PAUSE_SECONDS=${PAUSE_SECONDS:-15}
while [[ $# -gt 0 ]]; do
  case $1 in
    --dry-run) DRY_RUN=yes ;;
    -h | --help) usage; exit 0 ;;
    --project | --bucket | --region | --tag | --channel | --device-auth)
      [[ $# -ge 2 ]] || { usage >&2; exit 2; }
      case $1 in
        --project) PROJECT_ID=$2 ;;
        --bucket) BUCKET=$2 ;;
        --region) REGION=$2 ;;
        --tag) TAG=$2 ;;
        --channel) CHANNEL=$2 ;;
        --device-auth) DEVICE_AUTH=$2 ;;
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
readonly STAGING=$BUCKET-build
in_project=(--project "$PROJECT_ID")
in_region=(--project "$PROJECT_ID" --region "$REGION")

enable_apis() {
  say "APIs"
  run gcloud services enable "${in_project[@]}" run.googleapis.com cloudbuild.googleapis.com \
    artifactregistry.googleapis.com secretmanager.googleapis.com cloudscheduler.googleapis.com \
    storage.googleapis.com iam.googleapis.com logging.googleapis.com monitoring.googleapis.com
}

make_repository() {
  say "Image repository"
  exists gcloud artifacts repositories describe "$REPOSITORY" "${in_project[@]}" --location "$REGION" ||
    run gcloud artifacts repositories create "$REPOSITORY" "${in_project[@]}" --location "$REGION" \
      --repository-format docker --description "Images of the photo slideshow"
}

make_account() { # NAME DESCRIPTION
  exists gcloud iam service-accounts describe "$1@$PROJECT_ID.iam.gserviceaccount.com" "${in_project[@]}" ||
    run gcloud iam service-accounts create "$1" "${in_project[@]}" --display-name "$2"
}

make_accounts() {
  say "Service accounts: backend, processor, builds, scheduler"
  make_account slideshow-backend "Photo slideshow: backend"
  make_account slideshow-processor "Photo slideshow: processor"
  make_account slideshow-build "Photo slideshow: builds and deploys"
  make_account slideshow-scheduler "Photo slideshow: scheduler"
}

random_secret() { # NAME BYTES
  exists gcloud secrets describe "$1" "${in_project[@]}" && return
  local create=(gcloud secrets create "$1" "${in_project[@]}" --replication-policy automatic --data-file -)
  # Through a pipe, because any process could read a secret in a command line. Without openssl's newline.
  if [[ $DRY_RUN == yes ]]; then
    printf "openssl rand -hex %q | tr -d '\\\\n' | %s\n" "$2" "$(print_command "${create[@]}")"
  else
    openssl rand -hex "$2" | tr -d '\n' | "${create[@]}"
  fi
}

make_secrets() {
  say "Random secrets; existing ones are not changed"
  random_secret "$TOKEN_SECRET" 32
  random_secret "$PASSWORD_SECRET" 12
}

make_bucket() { # NAME
  exists gcloud storage buckets describe "gs://$1" "${in_project[@]}" ||
    run gcloud storage buckets create "gs://$1" "${in_project[@]}" --location "$REGION" \
      --uniform-bucket-level-access --public-access-prevention
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

build() { # PROGRAM SUBSTITUTIONS
  run gcloud builds submit . "${in_project[@]}" --config "deploy/cloudbuild.$1.yaml" \
    --service-account "projects/$PROJECT_ID/serviceAccounts/$BUILD_ACCOUNT" \
    --gcs-source-staging-dir "gs://$STAGING/source" \
    --substitutions "_REGION=$REGION,_REPOSITORY=$REPOSITORY,_TAG=$TAG,$2"
}

deploy_job() {
  say "Building, pushing and deploying the job"
  build processor "_JOB_NAME=$JOB,_GCS_BUCKET_NAME=$BUCKET,_BACKEND_API_URL=$BACKEND_URL,\
_BACKEND_AUTH_SECRET=$TOKEN_SECRET,_SERVICE_ACCOUNT=$PROCESSOR_ACCOUNT"
  say "Allowing the backend to start this job with overrides, and to read its executions"
  local role
  for role in roles/run.jobsExecutorWithOverrides roles/run.viewer; do
    retry gcloud run jobs add-iam-policy-binding "$JOB" "${in_region[@]}" \
      --member "serviceAccount:$BACKEND_ACCOUNT" --role "$role"
  done
}

deploy_service() {
  say "Building, pushing and deploying the service and its check"
  build backend "_SERVICE_NAME=$SERVICE,_DOCTOR_NAME=$DOCTOR,_JOB_NAME=$JOB,_GCS_BUCKET_NAME=$BUCKET,\
_BACKEND_API_URL=$BACKEND_URL,_BACKEND_AUTH_SECRET=$TOKEN_SECRET,_ADMIN_PASSWORD_SECRET=$PASSWORD_SECRET,\
_DEVICE_AUTH=$DEVICE_AUTH,_SCHEDULER_ACCOUNT=$SCHEDULER_ACCOUNT,_SERVICE_ACCOUNT=$BACKEND_ACCOUNT"
  say "Allowing public access: frames and people have no Google token; the service checks its own tokens"
  retry gcloud run services add-iam-policy-binding "$SERVICE" "${in_region[@]}" \
    --member allUsers --role roles/run.invoker
}

schedule_ticks() {
  say "Scheduling the periodic work each minute; the scheduler sends a Google-signed token and needs no secret"
  local verb=create
  exists gcloud scheduler jobs describe "$TICK" "${in_project[@]}" --location "$REGION" && verb=update
  retry gcloud scheduler jobs "$verb" http "$TICK" "${in_project[@]}" --location "$REGION" --schedule "* * * * *" \
    --uri "$BACKEND_URL/internal/tick" --http-method POST --attempt-deadline 300s --max-retry-attempts 0 \
    --oidc-service-account-email "$SCHEDULER_ACCOUNT" --oidc-token-audience "$BACKEND_URL"
}

make_metric() { # NAME
  local verb=create
  exists gcloud logging metrics describe "$1" "${in_project[@]}" && verb=update
  run gcloud logging metrics "$verb" "$1" "${in_project[@]}" --config-from-file "deploy/metrics/$1.yaml"
}

make_alert() { # FILE
  local title existing
  title=$(sed -n 's/^displayName: *"\(.*\)"$/\1/p' "$1")
  local list=(gcloud monitoring policies list "${in_project[@]}" --filter "displayName=\"$title\"" '--format=value(name)')
  local channel=()
  [[ -z $CHANNEL ]] || channel=(--notification-channels "$CHANNEL")
  if [[ $DRY_RUN == yes ]]; then print_command "${list[@]}"; existing=; else existing=$("${list[@]}" | head -n 1); fi
  if [[ -n $existing ]]; then
    [[ -z $CHANNEL ]] || channel=(--set-notification-channels "$CHANNEL")
    run gcloud monitoring policies update "$existing" "${in_project[@]}" --policy-from-file "$1" "${channel[@]}"
  else
    retry gcloud monitoring policies create "${in_project[@]}" --policy-from-file "$1" "${channel[@]}"
  fi
}

make_alerts() {
  say "Metrics from log lines, and alerts on them"
  local file
  for file in deploy/metrics/*.yaml; do make_metric "$(basename "$file" .yaml)"; done
  for file in deploy/alerts/*.yaml; do make_alert "$file"; done
}

find_backend_url
enable_apis
make_repository
make_accounts
make_secrets
say "Buckets for the photos and for the sources of builds"
make_bucket "$BUCKET"
make_bucket "$STAGING"
grant_roles
deploy_job
deploy_service
schedule_ticks
make_alerts
say "Done. URL of the backend: $BACKEND_URL"
say "Check it:     gcloud run jobs execute $DOCTOR ${in_region[*]} --wait"
say "Password:     gcloud secrets versions access latest --secret $PASSWORD_SECRET ${in_project[*]}"
