#!/bin/sh
# One run of the action for a pull request: its branch, or the end of it; and what the pull request is told.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
if [ -z "${LAKELET_BRANCH:-}" ]; then
  if [ -z "${LAKELET_PULL_REQUEST:-}" ]; then
    echo '::error::This job belongs to no pull request: let it run on pull_request, or name a branch (with: branch).' >&2
    exit 1
  fi
  LAKELET_BRANCH=pr-$LAKELET_PULL_REQUEST
fi
export LAKELET_BRANCH

if [ "${LAKELET_EVENT:-}" = closed ]; then
  sh "$here/cleanup.sh"
else
  sh "$here/branch.sh"
fi
echo "branch=projects/$LAKELET_PROJECT/branches/$LAKELET_BRANCH" >>"${GITHUB_OUTPUT:-/dev/null}"
if [ "${LAKELET_COMMENT:-true}" = true ]; then node "$here/comment.mjs"; fi
