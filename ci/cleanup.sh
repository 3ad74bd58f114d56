#!/bin/sh
# The end of a CI job's branch. One that is gone is no failure. It can be brought back for seven days.
#
# LAKELET_PROJECT and LAKELET_BRANCH: ids.
set -eu

: "${LAKELET_PROJECT:?is the id of the project}" "${LAKELET_BRANCH:?is the id of the branch}"
branch=projects/$LAKELET_PROJECT/branches/$LAKELET_BRANCH
said=$(mktemp)
trap 'rm -f "$said"' EXIT

if lakelet postgres delete-branch "$branch" >/dev/null 2>"$said"; then
  echo "Deleted $branch"
elif grep -q '^HTTP Status: 404' "$said"; then
  echo "$branch was gone"
else
  cat "$said" >&2
  exit 1
fi
