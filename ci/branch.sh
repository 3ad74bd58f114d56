#!/bin/sh
# A branch for a CI job: made, or renewed where it is there, and written to the env file of this checkout, so that
# "lakelet run -- CMD" finds it. Safe to run again, also by several jobs at once.
#
# LAKELET_PROJECT and LAKELET_BRANCH: ids. LAKELET_SOURCE: id of the branch to begin from, else the default one. LAKELET_TTL: how long
# it lives from now on, else 7d. LAKELET_MIGRATE=false leaves migrations out.
set -eu

: "${LAKELET_PROJECT:?is the id of the project}" "${LAKELET_BRANCH:?is the id of the branch}"
project=projects/$LAKELET_PROJECT
branch=$project/branches/$LAKELET_BRANCH
ttl=${LAKELET_TTL:-7d}
said=$(mktemp)
trap 'rm -f "$said"' EXIT

# Fails with what was said; $1: the HTTP status that is no failure here.
unless() {
  grep -q "^HTTP Status: $1" "$said" && return
  cat "$said" >&2
  exit 1
}

if ! lakelet branch renew "$branch" --ttl "$ttl" 2>"$said"; then
  unless 404
  set -- "$project" "$LAKELET_BRANCH" --ttl "$ttl"
  if [ -n "${LAKELET_SOURCE:-}" ]; then
    set -- "$@" --json "{\"spec\": {\"source_branch\": \"$project/branches/$LAKELET_SOURCE\"}}"
  fi
  if ! lakelet postgres create-branch "$@" >/dev/null 2>"$said"; then
    unless 409
    # Another job was faster, and may not be done yet.
    tries=0
    until lakelet postgres get-branch "$branch" | grep -q '"current_state": "READY"'; do
      tries=$((tries + 1))
      [ "$tries" -lt 60 ] || { echo "$branch does not become READY." >&2; exit 1; }
      sleep 1
    done
  fi
fi

if [ "${LAKELET_MIGRATE:-true}" = true ]; then
  lakelet branch use "$branch"
else
  lakelet branch use "$branch" --no-migrate
fi
