#!/usr/bin/env bash
# The whole way into a Google Cloud project; may be run again at any time.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'TEXT'
deploy/deploy.sh --project ID --bucket NAME [options]

Makes or brings up to date, in this order: APIs, the image repository, service accounts, secrets, the bucket, roles,
the job slideshow-processor, the service slideshow-backend, the check slideshow-doctor, the scheduler's tick, metrics
and alerts. What is there already stays: secrets, the bucket and what lies in it too.

  --project ID       the project; or PROJECT_ID
  --bucket NAME      the bucket for the photos; or BUCKET. One that exists is taken as it is
  --region REGION    or REGION (us-central1)
  --tag TAG          of the images (what git describe says of this checkout)
  --channel NAME     notification channel of the alerts, projects/.../notificationChannels/...
  --device-auth HOW  required (the default), or open, which serves frames that send no token
  --dry-run          print every command and change nothing. Commands that only look are run, if they can be
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
name_everything
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
  say "The repository of the images"
  there gcloud artifacts repositories describe "$REPOSITORY" "${in_project[@]}" --location "$REGION" ||
    run gcloud artifacts repositories create "$REPOSITORY" "${in_project[@]}" --location "$REGION" \
      --repository-format docker --description "Images of the photo slideshow"
}

make_account() { # NAME DESCRIPTION
  there gcloud iam service-accounts describe "$1@$PROJECT_ID.iam.gserviceaccount.com" "${in_project[@]}" ||
    run gcloud iam service-accounts create "$1" "${in_project[@]}" --display-name "$2"
}

make_accounts() {
  say "Service accounts: one for each side, one that only builds, one that only ticks"
  make_account slideshow-backend "Photo slideshow: backend"
  make_account slideshow-processor "Photo slideshow: processor"
  make_account slideshow-build "Photo slideshow: builds and deploys"
  make_account slideshow-scheduler "Photo slideshow: calls the timed work"
}

random_secret() { # NAME BYTES
  there gcloud secrets describe "$1" "${in_project[@]}" && return
  local create=(gcloud secrets create "$1" "${in_project[@]}" --replication-policy automatic --data-file -)
  # Through a pipe: a secret in a command line could be read by any process. Without openssl's newline.
  if [[ $DRY_RUN == yes ]]; then
    printf "openssl rand -hex %q | tr -d '\\\\n' | %s\n" "$2" "$(shown "${create[@]}")"
  else
    openssl rand -hex "$2" | tr -d '\n' | "${create[@]}"
  fi
}

make_secrets() {
  say "Secrets, random; those that exist stay"
  random_secret "$TOKEN_SECRET" 32
  random_secret "$PASSWORD_SECRET" 12
}

make_bucket() { # NAME
  there gcloud storage buckets describe "gs://$1" "${in_project[@]}" ||
    run gcloud storage buckets create "gs://$1" "${in_project[@]}" --location "$REGION" \
      --uniform-bucket-level-access --public-access-prevention
}

make_role() { # ID
  if there gcloud iam roles describe "$1" "${in_project[@]}"; then
    run gcloud iam roles update "$1" "${in_project[@]}" --file "deploy/roles/$1.yaml" --quiet
  else
    run gcloud iam roles create "$1" "${in_project[@]}" --file "deploy/roles/$1.yaml" --quiet
  fi
}

may_on_project() { # ACCOUNT ROLE
  patiently gcloud projects add-iam-policy-binding "$PROJECT_ID" --member "serviceAccount:$1" --role "$2" \
    --condition None --quiet
}

may_on_bucket() { # BUCKET ACCOUNT ROLE
  patiently gcloud storage buckets add-iam-policy-binding "gs://$1" "${in_project[@]}" \
    --member "serviceAccount:$2" --role "$3"
}

may_read_secret() { # SECRET ACCOUNT
  patiently gcloud secrets add-iam-policy-binding "$1" "${in_project[@]}" \
    --member "serviceAccount:$2" --role roles/secretmanager.secretAccessor
}

may_act_as() { # ACCOUNT WHO
  patiently gcloud iam service-accounts add-iam-policy-binding "$1" "${in_project[@]}" \
    --member "serviceAccount:$2" --role roles/iam.serviceAccountUser
}

grant_roles() {
  local own=projects/$PROJECT_ID/roles
  say "Roles of ours, for permissions that no given role has alone"
  make_role slideshowFollower
  make_role slideshowBucketRules
  say "What the backend may: its bucket, its secrets, and to see operations end"
  may_on_bucket "$BUCKET" "$BACKEND_ACCOUNT" roles/storage.objectUser
  may_on_bucket "$BUCKET" "$BACKEND_ACCOUNT" "$own/slideshowBucketRules"
  may_read_secret "$TOKEN_SECRET" "$BACKEND_ACCOUNT"
  may_read_secret "$PASSWORD_SECRET" "$BACKEND_ACCOUNT"
  may_on_project "$BACKEND_ACCOUNT" "$own/slideshowFollower"
  say "What a task may: the same bucket, and the token"
  may_on_bucket "$BUCKET" "$PROCESSOR_ACCOUNT" roles/storage.objectUser
  may_read_secret "$TOKEN_SECRET" "$PROCESSOR_ACCOUNT"
  say "What a build may: push images, and deploy them as the two accounts"
  may_on_project "$BUILD_ACCOUNT" roles/run.developer
  may_on_project "$BUILD_ACCOUNT" roles/logging.logWriter
  may_on_bucket "$STAGING" "$BUILD_ACCOUNT" roles/storage.objectViewer
  patiently gcloud artifacts repositories add-iam-policy-binding "$REPOSITORY" "${in_project[@]}" \
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
  say "The job: built, pushed and deployed"
  build processor "_JOB_NAME=$JOB,_GCS_BUCKET_NAME=$BUCKET,_BACKEND_API_URL=$BACKEND_URL,\
_BACKEND_AUTH_SECRET=$TOKEN_SECRET,_SERVICE_ACCOUNT=$PROCESSOR_ACCOUNT"
  say "The backend may start this job with its own name for the execution, and see how it ends"
  local role
  for role in roles/run.jobsExecutorWithOverrides roles/run.viewer; do
    patiently gcloud run jobs add-iam-policy-binding "$JOB" "${in_region[@]}" \
      --member "serviceAccount:$BACKEND_ACCOUNT" --role "$role"
  done
}

deploy_service() {
  say "The service and its check: built, pushed and deployed"
  build backend "_SERVICE_NAME=$SERVICE,_DOCTOR_NAME=$DOCTOR,_JOB_NAME=$JOB,_GCS_BUCKET_NAME=$BUCKET,\
_BACKEND_API_URL=$BACKEND_URL,_BACKEND_AUTH_SECRET=$TOKEN_SECRET,_ADMIN_PASSWORD_SECRET=$PASSWORD_SECRET,\
_DEVICE_AUTH=$DEVICE_AUTH,_SCHEDULER_ACCOUNT=$SCHEDULER_ACCOUNT,_SERVICE_ACCOUNT=$BACKEND_ACCOUNT"
  say "Everybody may reach it: frames and people send no token of Google's. It checks its own"
  patiently gcloud run services add-iam-policy-binding "$SERVICE" "${in_region[@]}" \
    --member allUsers --role roles/run.invoker
}

schedule_ticks() {
  say "The timed work, each minute; the scheduler proves who it is with a token of Google's, so it holds no secret"
  local verb=create
  there gcloud scheduler jobs describe "$TICK" "${in_project[@]}" --location "$REGION" && verb=update
  patiently gcloud scheduler jobs "$verb" http "$TICK" "${in_project[@]}" --location "$REGION" --schedule "* * * * *" \
    --uri "$BACKEND_URL/internal/tick" --http-method POST --attempt-deadline 300s --max-retry-attempts 0 \
    --oidc-service-account-email "$SCHEDULER_ACCOUNT" --oidc-token-audience "$BACKEND_URL"
}

make_metric() { # NAME
  local verb=create
  there gcloud logging metrics describe "$1" "${in_project[@]}" && verb=update
  run gcloud logging metrics "$verb" "$1" "${in_project[@]}" --config-from-file "deploy/metrics/$1.yaml"
}

make_alert() { # FILE
  local title found
  title=$(sed -n 's/^displayName: *"\(.*\)"$/\1/p' "$1")
  local look=(gcloud monitoring policies list "${in_project[@]}" --filter "displayName=\"$title\"" '--format=value(name)')
  local channel=()
  [[ -z $CHANNEL ]] || channel=(--notification-channels "$CHANNEL")
  if [[ $DRY_RUN == yes ]]; then shown "${look[@]}"; found=; else found=$("${look[@]}" | head -n 1); fi
  if [[ -n $found ]]; then
    [[ -z $CHANNEL ]] || channel=(--set-notification-channels "$CHANNEL")
    run gcloud monitoring policies update "$found" "${in_project[@]}" --policy-from-file "$1" "${channel[@]}"
  else
    patiently gcloud monitoring policies create "${in_project[@]}" --policy-from-file "$1" "${channel[@]}"
  fi
}

make_alerts() {
  say "Metrics of named log lines, and the alerts on them"
  local file
  for file in deploy/metrics/*.yaml; do make_metric "$(basename "$file" .yaml)"; done
  for file in deploy/alerts/*.yaml; do make_alert "$file"; done
}

find_backend_url
enable_apis
make_repository
make_accounts
make_secrets
say "The bucket of the photos, and one for the sources of builds"
make_bucket "$BUCKET"
make_bucket "$STAGING"
grant_roles
deploy_job
deploy_service
schedule_ticks
make_alerts
say "Done. The backend answers at $BACKEND_URL"
say "Is it well?   gcloud run jobs execute $DOCTOR ${in_region[*]} --wait"
say "The password: gcloud secrets versions access latest --secret $PASSWORD_SECRET ${in_project[*]}"
