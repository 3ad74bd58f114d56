#!/usr/bin/env bash
# Gives this checkout a database branch of its own and writes its address and a fresh credential to
# .env. Run it again at any time: an existing branch is kept, only the credential is renewed.
#
#   who am I -> branch name -> get or create the branch (with an end) -> endpoint -> credential -> .env
#
# It calls `lakelet`, or with LAKEBASE_CLI=databricks another command with the same grammar.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/lakebase-branch.sh [options]

Options:
  --project ID      project (default: store, or LAKEBASE_PROJECT)
  --source BRANCH   branch to begin from (default: production, or LAKEBASE_SOURCE)
  --ttl SECONDS     life of a new branch (default: 21600 = 6 hours, or TTL_SECONDS)
  --force           delete the branch and make it anew from its source
  --form FORM       how the end is written in the request: string (default), object, no-expiry
  --env-file FILE   file to write (default: .env beside scripts/)
  --print-name      print the branch name and stop
  -h, --help        this text

Environment:
  LAKEBASE_CLI      command to call instead of lakelet, for example `databricks --profile dev`
  PGPORT            Postgres port (default 5432)
  PGSSLROOTCERT     CA certificate of the server; written to the file when set

Name of the branch: USER-LABEL-HASH, at most 63 characters.
  USER   the part of your login before the @ (a service principal: sp- and 8 digits of its id)
  LABEL  the git branch; in a detached worktree the worktree's name; in a detached main checkout
         at-COMMIT; outside git the directory's name
  HASH   6 digits over login and label, so that feature/a and feature-a do not share a branch
Letters are lowercased, and everything but letters and digits becomes a hyphen.
TEXT
}

fail() {
  printf 'lakebase-branch: %s\n' "$*" >&2
  exit 1
}

say() { printf '%s\n' "$*" >&2; }

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
app=$(dirname "$here")

project=${LAKEBASE_PROJECT:-store}
source_branch=${LAKEBASE_SOURCE:-production}
ttl=${TTL_SECONDS:-21600}
form=string
force=false
print_name=false
env_file=$app/.env

while [ $# -gt 0 ]; do
  case $1 in
    --project | --source | --ttl | --form | --env-file)
      [ $# -ge 2 ] || fail "$1 needs a value (see --help)"
      case $1 in
        --project) project=$2 ;;
        --source) source_branch=$2 ;;
        --ttl) ttl=$2 ;;
        --form) form=$2 ;;
        --env-file) env_file=$2 ;;
      esac
      shift 2
      ;;
    --force) force=true && shift ;;
    --print-name) print_name=true && shift ;;
    -h | --help) usage && exit 0 ;;
    *) fail "unknown option: $1 (see --help)" ;;
  esac
done

case $ttl in
  '' | *[!0-9]*) fail "the ttl is a number of seconds, not: $ttl" ;;
esac
[ "$ttl" -gt 0 ] || fail "the ttl must be more than 0 seconds"
case $form in
  string | object | no-expiry) ;;
  *) fail "--form is string, object or no-expiry, not: $form" ;;
esac
project=${project#projects/}
source_branch=${source_branch##*/}
# The interpreter itself: a version manager's wrapper costs more than all that it is asked for here.
python=$(python3 -c 'import sys; print(sys.executable)') || fail "python3 is needed (to read JSON)"

# ---- the command ---------------------------------------------------------------------------------

# The lakelet of the main checkout comes before the one of this worktree: it is the one that is set up.
find_cli() {
  local common candidate
  if [ -n "${LAKEBASE_CLI:-}" ]; then
    if [ -x "$LAKEBASE_CLI" ]; then
      cli=("$LAKEBASE_CLI")
    else
      read -r -a cli <<<"$LAKEBASE_CLI"
    fi
    command -v "${cli[0]}" >/dev/null || fail "LAKEBASE_CLI: ${cli[0]} is not a command here"
    return
  fi
  if command -v lakelet >/dev/null; then
    cli=(lakelet)
    return
  fi
  common=$(git -C "$app" rev-parse --path-format=absolute --git-common-dir 2>/dev/null || true)
  for candidate in "${common:+$(dirname "$common")/lakelet}" "$app/../../lakelet"; do
    if [ -n "$candidate" ] && [ -f "$candidate" ] && [ -x "$candidate" ]; then
      cli=("$candidate")
      return
    fi
  done
  fail "lakelet is neither on PATH nor in this clone; put it there or set LAKEBASE_CLI"
}

scratch=$(mktemp -d)
draft=
cleanup() {
  rm -rf "$scratch"
  [ -z "$draft" ] || rm -f "$draft"
}
trap cleanup EXIT

# Answers on stdout, complaints in $scratch/err, so that the caller can tell "absent" from "failed".
call() { "${cli[@]}" "$@" -o json 2>"$scratch/err" </dev/null; }

complain() { fail "$1: $(tr '\n' ' ' <"$scratch/err" | sed 's/ *$//')"; }

# field PATH: a value of the JSON on stdin, nothing when it is absent. PATH as in status.hosts.host.
field() {
  "$python" -IS -c '
import json, sys
value = json.load(sys.stdin)
for key in sys.argv[1].split("."):
    value = value.get(key) if isinstance(value, dict) else None
print("" if value is None else value)
' "$1"
}

# ---- the name ------------------------------------------------------------------------------------

label() {
  local git_dir common_dir branch
  if ! git -C "$app" rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    printf '%s\n' "directory $app" "$(basename "$app")"
    return
  fi
  branch=$(git -C "$app" symbolic-ref --quiet --short HEAD || true)
  if [ -n "$branch" ]; then
    printf '%s\n' "branch $branch" "$branch"
    return
  fi
  git_dir=$(git -C "$app" rev-parse --path-format=absolute --git-dir)
  common_dir=$(git -C "$app" rev-parse --path-format=absolute --git-common-dir)
  if [ "$git_dir" != "$common_dir" ]; then
    # By its place, not its commit: an agent that commits keeps its database.
    printf '%s\n' "worktree $git_dir" "$(basename "$git_dir")"
    return
  fi
  branch=$(git -C "$app" rev-parse --short=12 HEAD 2>/dev/null) || fail "this repository has no commit yet"
  printf '%s\n' "commit $branch" "at-$branch"
}

branch_name() {
  "$python" -IS -c '
import hashlib, re, sys

login, identity, label = sys.argv[1:]

def slug(text, longest):
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return plain[:longest].strip("-")

if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", login.lower()):
    user = "sp-" + login[:8].lower()
else:
    user = slug(login.split("@")[0], 20)
if not user or not user[0].isalpha():
    user = ("u-" + user).strip("-")
digest = hashlib.sha256(f"{login}\0{identity}".encode(errors="surrogateescape")).hexdigest()[:6]
print("-".join(part for part in (user, slug(label, 32), digest) if part))
' "$1" "$2" "$3"
}

# ---- the branch ----------------------------------------------------------------------------------

request_body() {
  "$python" -IS -c '
import json, sys

form, project, source, ttl = sys.argv[1:]
spec = {
    "string": {"source_branch": f"projects/{project}/branches/{source}", "ttl": f"{ttl}s"},
    # What was sent before the contract was known, and the way round it: both still work on Lakelet.
    "object": {"source_branch_id": source, "ttl": {"seconds": int(ttl)}},
    "no-expiry": {"source_branch_id": source, "no_expiry": True},
}[form]
print(json.dumps({"spec": spec}))
' "$form" "$project" "$source_branch" "$ttl"
}

# Sets $found to the branch's JSON, or to nothing when there is none. Another failure ends the script:
# taking "the server did not answer" for "there is no branch" would make a second one.
look_up() {
  if found=$(call postgres get-branch "$branch"); then return; fi
  grep -qiE 'not found|does not exist' "$scratch/err" || complain "cannot look up $branch"
  found=
}

create() {
  say "Creating $branch from $source_branch ($([ "$form" = no-expiry ] && echo 'no end' || echo "ends in $ttl s"))"
  if call postgres create-branch "projects/$project" "$id" --json "$(request_body)" >/dev/null; then return; fi
  # Another run of this script was faster; its branch is ours as well.
  grep -qiE 'already exists' "$scratch/err" || complain "cannot create $branch"
}

# ---- the endpoint --------------------------------------------------------------------------------

pick_endpoint() {
  "$python" -IS -c '
import json, sys

answer = json.load(sys.stdin)
endpoints = answer.get("endpoints", []) if isinstance(answer, dict) else answer
for endpoint in endpoints:
    status = endpoint.get("status", {})
    if status.get("endpoint_type", "").endswith("READ_WRITE"):
        host = status.get("hosts", {}).get("host", "")
        if host and status.get("current_state") in ("ACTIVE", "IDLE"):
            print(endpoint["name"], host)
        break
'
}

wait_for_endpoint() {
  local tries answer picked
  for ((tries = 0; tries < 120; tries++)); do
    answer=$(call postgres list-endpoints "$branch") || complain "cannot list the endpoints of $branch"
    picked=$(pick_endpoint <<<"$answer")
    if [ -n "$picked" ]; then
      read -r endpoint host <<<"$picked"
      return
    fi
    sleep 0.5
  done
  fail "the read-write endpoint of $branch did not become ready within a minute"
}

# ---- the file ------------------------------------------------------------------------------------

# Replaces our block and keeps every other line. The values come in on the environment, not as
# arguments, which other users of the machine could read.
write_env() {
  local directory
  directory=$(dirname "$env_file")
  [ -d "$directory" ] || fail "no such directory: $directory"
  draft=$(umask 077 && mktemp "$directory/.env.XXXXXX")
  "$python" -IS - "$env_file" "$draft" <<'PYTHON'
import os, re, sys

FIRST = "# >>> lakebase-branch: written by scripts/lakebase-branch.sh, changes in here are lost"
LAST = "# <<< lakebase-branch"
KEYS = (
    "LAKEBASE_BRANCH", "LAKEBASE_BRANCH_EXPIRE_TIME", "LAKEBASE_ENDPOINT", "LAKEBASE_CREDENTIAL_EXPIRE_TIME",
    "PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD", "PGSSLMODE", "PGSSLROOTCERT",
)


def quote(value):
    """For a shell and for dotenv readers alike."""
    if re.fullmatch(r"[A-Za-z0-9._~/:@%+,=-]*", value):
        return value
    if "'" not in value and "\\" not in value:
        return f"'{value}'"
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


path, draft = sys.argv[1:]
kept, inside = [], False
if os.path.exists(path):
    with open(path, encoding="utf-8") as old:
        for line in old.read().splitlines():
            if line.startswith("# >>> lakebase-branch"):
                inside = True
            elif inside and line.startswith(LAST):
                inside = False
            elif not inside:
                kept.append(line)
while kept and not kept[-1].strip():
    kept.pop()
block = [f"{key}={quote(os.environ['OUT_' + key])}" for key in KEYS if os.environ.get("OUT_" + key)]
lines = (kept + [""] if kept else []) + [FIRST, *block, LAST]
with open(draft, "w", encoding="utf-8") as new:
    new.write("\n".join(lines) + "\n")
PYTHON
  chmod 0600 "$draft"
  mv -f "$draft" "$env_file"
  draft=
}

# ---- all of it -----------------------------------------------------------------------------------

find_cli
me=$(call current-user me) || complain "cannot ask who I am (is the server up, and are DATABRICKS_HOST and DATABRICKS_TOKEN set?)"
login=$(field userName <<<"$me")
[ -n "$login" ] || fail "the server does not say who I am"

parts=$(label)
{ read -r identity && read -r text; } <<<"$parts"
id=$(branch_name "$login" "$identity" "$text")
branch=projects/$project/branches/$id
if $print_name; then
  printf '%s\n' "$id"
  exit 0
fi
[ "$id" != "$source_branch" ] || fail "a branch cannot be its own source: $id"

look_up
if [ -n "$found" ] && $force; then
  say "Deleting $branch"
  call postgres delete-branch "$branch" >/dev/null || complain "cannot delete $branch"
  found=
fi
if [ -z "$found" ]; then
  create
  found=$(call postgres get-branch "$branch") || complain "cannot read $branch"
else
  say "Keeping $branch, renewing its credential"
fi
ends=$(field status.expire_time <<<"$found")

wait_for_endpoint
credential=$(call postgres generate-database-credential "$endpoint") || complain "cannot get a credential"
token=$(field token <<<"$credential")
[ -n "$token" ] || fail "the credential has no token"

OUT_LAKEBASE_BRANCH=$branch \
  OUT_LAKEBASE_BRANCH_EXPIRE_TIME=$ends \
  OUT_LAKEBASE_ENDPOINT=$endpoint \
  OUT_LAKEBASE_CREDENTIAL_EXPIRE_TIME=$(field expire_time <<<"$credential") \
  OUT_PGHOST=$host \
  OUT_PGPORT=${PGPORT:-5432} \
  OUT_PGDATABASE=databricks_postgres \
  OUT_PGUSER=$login \
  OUT_PGPASSWORD=$token \
  OUT_PGSSLMODE=require \
  OUT_PGSSLROOTCERT=${PGSSLROOTCERT:-} \
  write_env

say "Branch $id ends $([ -n "$ends" ] && echo "at $ends" || echo never); wrote $env_file"
