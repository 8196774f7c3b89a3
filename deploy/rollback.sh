#!/usr/bin/env bash
# Switch to a backend that renders by itself, or back to the job. Nothing is built; the images are in the repository.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'TEXT'
deploy/rollback.sh to-workers|to-jobs --project ID [options]

to-workers   use the image with workers: the service renders photos itself and starts no job.
             Active executions end normally and keep their photos until then.
to-jobs      restore the state that deploy.sh created.

  --project ID       project; default: PROJECT_ID
  --region REGION    region; default: REGION, or us-central1
  --tag TAG          tag of the images; default: the tag of the image that the service runs now

Variables and secrets that an operator added to the service stay. deploy.sh returns to the job as well, so run to-workers
again after it.
  --dry-run          print every command and change nothing; read-only commands are tried
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
set_names
find_backend_url
in_service=(--project "$PROJECT_ID" --region "$REGION")
if [[ -z $TAG ]]; then
  running=
  capture running "$IMAGES/backend:TAG" gcloud run services describe "$SERVICE" "${in_service[@]}" \
    '--format=value(spec.template.spec.containers[0].image)'
  if [[ $running == *@sha256:* ]]; then # deploy.sh deploys digests, which have the tag of their build
    capture TAG TAG gcloud artifacts docker tags list "${running%@*}" --project "$PROJECT_ID" \
      --filter "version~${running##*@}\$" --limit 1 '--format=value(tag.basename())'
  else
    TAG=${running##*:}
  fi
fi
check_name --tag "$TAG" '[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}'

# image_of NAME: sets `image` to an image of this release by its digest, so that a tag that moves changes nothing.
image_of() {
  local digest
  capture digest sha256:DIGEST gcloud artifacts docker images describe "$IMAGES/$1:$TAG" --project "$PROJECT_ID" \
    '--format=value(image_summary.digest)'
  image=$IMAGES/$1@$digest
}

case $WHERE in
  to-workers)
    say "Switching to the image with workers: its CPU is always allocated, and tasks are local processes"
    image_of backend-with-workers
    run gcloud run services update "$SERVICE" "${in_service[@]}" --image "$image" --cpu 2 --memory 2Gi --no-cpu-throttling --min-instances 1 \
      --remove-env-vars GCP_PROJECT_ID,BACKEND_API_URL,CLOUD_TASKS_QUEUE --update-env-vars TICK_SECONDS=1,LOCAL_TASKS=1,MEMORY_LIMIT_MIB=1024
    ;;
  to-jobs)
    say "Switching to the image without workers: the job renders, and CPU is allocated during requests only"
    image_of backend
    run gcloud run services update "$SERVICE" "${in_service[@]}" --image "$image" --cpu 1 --memory 1Gi --cpu-throttling --min-instances 0 \
      --remove-env-vars LOCAL_TASKS,MEMORY_LIMIT_MIB \
      --update-env-vars "GCP_PROJECT_ID=$PROJECT_ID,BACKEND_API_URL=$BACKEND_URL,TICK_SECONDS=0,CLOUD_TASKS_QUEUE=$QUEUE"
    ;;
esac
say "Done: $WHERE with images of $TAG. Check the queue: slideshow status --url $BACKEND_URL"
