#!/usr/bin/env bash
# One step of Cloud Build: resolve the base image to its digest, build on it, push, and save the digest of the push.
# The deploy step reads it as a file of gcloud flags, so it deploys exactly the image that this step has pushed.
#   build_image.sh NAME IMAGE:TAG BASE [arguments of docker build]...
set -euo pipefail

name=$1 image=$2 base=$3
shift 3
repository=${image%:*}
folder=${WORKSPACE:-/workspace} # Cloud Build mounts it in every step

# digest_of IMAGE [REPOSITORY]: prints the digest under which a registry has the image, or nothing.
digest_of() {
  docker inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$1" | sed -n "s|^${2:-.*}@\(sha256:.*\)|\1|p" | head -n 1
}

docker pull "$base"
base_digest=$(digest_of "$base")
[[ -n $base_digest ]] || { echo "the base image $base has no digest; use an image of a registry" >&2; exit 1; }
echo "base: $base is $base_digest"
# A name with tag and digest: the digest counts. The labels are those of the OCI image specification.
docker build --build-arg "BASE=${base%@*}@$base_digest" \
  --label "org.opencontainers.image.base.name=$base" --label "org.opencontainers.image.base.digest=$base_digest" \
  --label "org.opencontainers.image.version=${image##*:}" --tag "$image" "$@" .
docker push "$image"
digest=$(digest_of "$image" "$repository")
[[ -n $digest ]] || { echo "the push of $image returned no digest" >&2; exit 1; }
printf -- '--image: %s@%s\n' "$repository" "$digest" >"$folder/$name.yaml"
echo "pushed: $repository@$digest"
