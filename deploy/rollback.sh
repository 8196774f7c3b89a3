#!/usr/bin/env bash
# To a backend that renders by itself, and back to the job. Nothing is built; the images lie in the repository.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'TEXT'
deploy/rollback.sh to-workers|to-jobs --project ID [options]

to-workers   the service takes the image with workers and renders photos itself: no job is started any more.
             Executions that run end in order; what they hold stays theirs until then.
to-jobs      the other way round, to what deploy.sh had made.

  --project ID       the project; or PROJECT_ID
  --region REGION    or REGION (us-central1)
  --tag TAG          of the images (that of the image which the service runs now)
  --dry-run          print every command and change nothing. Commands that only look are run, if they can be
TEXT
}

DRY_RUN=no
PROJECT_ID=${PROJECT_ID:-}
REGION=${REGION:-us-central1}
TAG=
WHERE=
while [[ $# -gt 0 ]]; do
  case $1 in
    to-workers | to-jobs) WHERE=$1 ;;
    --dry-run) DRY_RUN=yes ;;
    -h | --help) usage; exit 0 ;;
    --project | --region | --tag)
      [[ $# -ge 2 ]] || { usage >&2; exit 2; }
      case $1 in
        --project) PROJECT_ID=$2 ;;
        --region) REGION=$2 ;;
        --tag) TAG=$2 ;;
      esac
      shift ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done
[[ -n $WHERE ]] || { usage >&2; exit 2; }

# shellcheck source=deploy/lib.sh
source deploy/lib.sh
name_everything
find_backend_url
if [[ -z $TAG ]]; then
  running=
  ask running "$IMAGES/backend:TAG" gcloud run services describe "$SERVICE" --project "$PROJECT_ID" \
    --region "$REGION" '--format=value(spec.template.spec.containers[0].image)'
  TAG=${running##*:}
fi
check_name --tag "$TAG" '[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}'

case $WHERE in
  to-workers)
    say "The image with workers: its CPU is always there, its tasks are processes beside it and call it directly"
    run gcloud run services update "$SERVICE" --project "$PROJECT_ID" --region "$REGION" \
      --image "$IMAGES/backend-with-workers:$TAG" --cpu 2 --memory 1536Mi --no-cpu-throttling --min-instances 1 \
      --remove-env-vars GCP_PROJECT_ID,BACKEND_API_URL --update-env-vars TICK_SECONDS=1,LOCAL_TASKS=1,MEMORY_LIMIT_MIB=1024
    ;;
  to-jobs)
    say "The image without workers: the job renders, the scheduler ticks, and there is CPU only while it answers"
    run gcloud run services update "$SERVICE" --project "$PROJECT_ID" --region "$REGION" \
      --image "$IMAGES/backend:$TAG" --cpu 1 --memory 512Mi --cpu-throttling --min-instances 0 \
      --remove-env-vars LOCAL_TASKS,MEMORY_LIMIT_MIB \
      --update-env-vars "GCP_PROJECT_ID=$PROJECT_ID,BACKEND_API_URL=$BACKEND_URL,TICK_SECONDS=0"
    ;;
esac
say "Done: $WHERE, images of $TAG. \"slideshow status --url $BACKEND_URL\" shows the queue go on"
