#!/usr/bin/env bash
# psql and curl alone: what a shell script can do. The same proof as proof.mjs.
set -euo pipefail

production=projects/$PROJECT/branches/production
export PGDATABASE=databricks_postgres PGSSLMODE=verify-full

fail() {
  echo "not so: $*" >&2
  exit 1
}

# api TOKEN METHOD PATH [BODY]
api() {
  local body=()
  [ $# -lt 4 ] || body=(--data "$4")
  curl --silent --show-error --fail-with-body --request "$2" \
    --header "Authorization: Bearer $1" --header 'Content-Type: application/json' \
    ${body[@]+"${body[@]}"} "$DATABRICKS_HOST$3"
}

# field PATH < JSON
field() {
  python3 -c '
import json, sys
value = json.load(sys.stdin)
for key in sys.argv[1].split("."):
    value = value.get(key) if isinstance(value, dict) else None
print("" if value is None else str(value).lower() if isinstance(value, bool) else value)
' "$1"
}

# finish TOKEN < operation
finish() {
  local name seen tries
  name=$(field name)
  for ((tries = 0; tries < 600; tries++)); do
    seen=$(api "$1" GET "/api/2.0/postgres/$name")
    if [ "$(field 'done' <<<"$seen")" = true ]; then
      [ -n "$(field response <<<"$seen")" ] || fail "$name ended in $seen"
      return
    fi
    sleep 0.1
  done
  fail "$name did not finish within a minute"
}

# login TOKEN BRANCH: sets what psql reads
login() {
  local endpoint
  PGUSER=$(api "$1" GET /api/2.0/preview/scim/v2/Me | field userName)
  endpoint=$(api "$1" GET "/api/2.0/postgres/$2/endpoints/primary")
  PGHOST=$(field status.hosts.host <<<"$endpoint")
  PGPASSWORD=$(api "$1" POST /api/2.0/postgres/credentials "{\"endpoint\": \"$2/endpoints/primary\"}" | field token)
  export PGUSER PGHOST PGPASSWORD
}

sql() { psql --no-psqlrc --quiet --no-align --tuples-only --set ON_ERROR_STOP=1 --command "$1"; }

is_absent() { [ "$(sql "SELECT to_regclass('public.proof_psql') IS NULL")" = t ]; }

branch=projects/$PROJECT/branches/psql
fork=projects/$PROJECT/branches/psql-fork

api "$DATABRICKS_TOKEN" POST "/api/2.0/postgres/projects/$PROJECT/branches?branch_id=psql" \
  "{\"spec\": {\"source_branch\": \"$production\", \"ttl\": \"600s\"}}" | finish "$DATABRICKS_TOKEN"
[ -n "$(api "$DATABRICKS_TOKEN" GET "/api/2.0/postgres/$branch" | field status.expire_time)" ] ||
  fail "the branch has an end"

login "$DATABRICKS_TOKEN" "$branch"
sql "CREATE TABLE proof_psql (id integer PRIMARY KEY, note text)"
sql "INSERT INTO proof_psql SELECT n, 'note ' || n FROM generate_series(1, 3) AS n"
printf '4\tby copy\n' | psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --command 'COPY proof_psql FROM STDIN'
if PGSSLMODE=disable sql 'SELECT 1' 2>/dev/null; then fail "a connection without TLS is refused"; fi
if PGPASSWORD=wrong sql 'SELECT 1' 2>/dev/null; then fail "a wrong password is refused"; fi

api "$OTHER_TOKEN" POST "/api/2.0/postgres/projects/$PROJECT/branches?branch_id=psql-fork" \
  "{\"spec\": {\"source_branch\": \"$branch\", \"ttl\": \"300s\"}}" | finish "$OTHER_TOKEN"
login "$OTHER_TOKEN" "$fork"
[ "$(sql 'SELECT current_user')" = "$PGUSER" ] || fail "the session is $PGUSER's own"
[ "$(sql 'SELECT count(*) FROM proof_psql')" = 4 ] || fail "the fork has the rows of its source"
sql 'ALTER TABLE proof_psql ADD COLUMN forked integer'
sql 'DROP TABLE proof_psql'
is_absent || fail "the table is gone on the fork"

login "$DATABRICKS_TOKEN" "$branch"
[ "$(sql 'SELECT * FROM proof_psql WHERE id = 4')" = '4|by copy' ] || fail "the branch keeps its table as it was"
login "$DATABRICKS_TOKEN" "$production"
is_absent || fail "the parent has never seen the table"

api "$OTHER_TOKEN" DELETE "/api/2.0/postgres/$fork" | finish "$OTHER_TOKEN"
api "$DATABRICKS_TOKEN" DELETE "/api/2.0/postgres/$branch" | finish "$DATABRICKS_TOKEN"
