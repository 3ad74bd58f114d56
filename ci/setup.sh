#!/bin/sh
# For the steps after this one of a GitHub job: lakelet on the PATH, and where and as whom it calls. No secret is among it:
# each command exchanges the job's own token.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
command -v lakelet >/dev/null 2>&1 || echo "${here%/*}" >>"$GITHUB_PATH"
{
  echo "DATABRICKS_HOST=$DATABRICKS_HOST"
  echo "DATABRICKS_AUTH_TYPE=github-oidc"
  echo "DATABRICKS_TOKEN_AUDIENCE=$DATABRICKS_TOKEN_AUDIENCE"
  [ -z "$DATABRICKS_CLIENT_ID" ] || echo "DATABRICKS_CLIENT_ID=$DATABRICKS_CLIENT_ID"
  [ -z "$LAKELET_STATE_DIR" ] || echo "LAKELET_STATE_DIR=$LAKELET_STATE_DIR"
} >>"$GITHUB_ENV"
