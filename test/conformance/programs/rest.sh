#!/usr/bin/env bash
# The wire itself, by curl: every method, its status, the keys of its body (which are absent, which are
# there although they are false or 0), its headers. Each is one row in ROWS_FILE.
set -uo pipefail

host=$DATABRICKS_HOST
base=/api/2.0/postgres
project=rest
body=$WORK_DIR/body head=$WORK_DIR/head
status=

row() { # row WHAT RESULT [REASON]
  jq -cn --arg what "$1" --arg result "$2" --arg reason "${3-}" \
    '{what: $what, result: $result} + if $reason == "" then {} else {reason: $reason} end' >>"$ROWS_FILE"
}

call() { # call METHOD PATH [BODY]: sets status, fills $body and $head
  local args=(-sS -o "$body" -D "$head" -w '%{http_code}' -X "$1" -H "Authorization: Bearer ${TOKEN-$DATABRICKS_TOKEN}")
  if (($# > 2)); then args+=(-H 'Content-Type: application/json' --data-binary "$3"); fi
  : >"$body"
  status=$(curl "${args[@]}" "$host$2")
}

seen() {
  printf '%s %s' "$status" "$(jq -c 'if has("error_code") then [.error_code, .message] else . end' "$body" 2>&1 | head -c 700)"
}

is() { jq -e "$1" "$body" >/dev/null 2>&1; }

expect() { # expect WHAT STATUS FILTER METHOD PATH [BODY]
  local what=$1 wanted=$2 filter=$3
  shift 3
  call "$@"
  if [[ $status == "$wanted" ]] && is "$filter"; then
    row "$what" pass
  else
    row "$what" fail "wanted $wanted and $filter, got $(seen)"
  fi
}

finish() { # finish WHAT KIND FILTER METHOD PATH [BODY]: a write, its operation, and what it ends in
  local what=$1 kind=$2 filter=$3 name tries
  shift 3
  call "$@"
  local type="type.googleapis.com/databricks.postgres.v1.${kind}OperationMetadata"
  if [[ $status != 200 ]] || ! is "(.done | type) == \"boolean\" and .metadata[\"@type\"] == \"$type\" and (.name | test(\"/operations/\"))"; then
    row "$what" fail "no operation of $kind: $(seen)"
    return
  fi
  name=$(jq -r .name "$body")
  for ((tries = 0; tries < 600; tries++)); do
    call GET "$base/$name"
    if [[ $status != 200 ]] || is '.done'; then break; fi
    sleep 0.1
  done
  if is ".done and (has(\"error\") | not) and .response != null and (.response | $filter)"; then
    row "$what" pass
  else
    row "$what" fail "wanted $filter, got $(seen)"
  fi
}

header() { # header WHAT NAME PATTERN: of the last answer
  local value
  value=$(grep -i "^$2:" "$head" | head -n 1 | cut -d: -f2- | tr -d '\r' | sed 's/^ *//')
  if [[ $value =~ $3 ]]; then row "$1" pass; else row "$1" fail "$2 is '$value', not $3"; fi
}

refusal='(keys - ["details", "error_code", "message"]) == [] and (.message | type) == "string"'
error() { printf '.error_code == "%s" and (.message | test("%s")) and %s' "$1" "$2" "$refusal"; }
only() { printf '(keys - %s) == [] and (%s - keys) == []' "$1" "$1"; } # exactly these keys
empty='.["@type"] == "type.googleapis.com/google.protobuf.Empty"'

# ---- before the first token
TOKEN='' expect 'GET databricks-config, without a token' 200 \
  '(.oidc_endpoint | endswith("/oidc")) and (.workspace_id | test("^[0-9]+$")) and (has("account_id") | not)' \
  GET /.well-known/databricks-config
TOKEN='' expect 'GET the OIDC document' 200 \
  '(.authorization_endpoint | endswith("/oidc/v1/authorize")) and (.token_endpoint | endswith("/oidc/v1/token"))' \
  GET /oidc/.well-known/oauth-authorization-server
TOKEN=wrong expect '401 UNAUTHENTICATED as JSON' 401 "$(error UNAUTHENTICATED .)" GET $base/projects
header '401 names the scheme in WWW-Authenticate' www-authenticate '^Bearer'
expect 'GET Me' 200 '(.userName | type) == "string" and (.id | type) == "string" and .active == true' \
  GET /api/2.0/preview/scim/v2/Me
header 'GET Me, X-Databricks-Org-Id is a number' x-databricks-org-id '^[0-9]+$'
header 'every answer is JSON' content-type '^application/json'
me=$(jq -r .userName "$body")
expect 'an unknown path is ENDPOINT_NOT_FOUND' 404 "$(error ENDPOINT_NOT_FOUND "No API found for 'GET /postgres/nothing'")" \
  GET $base/nothing
expect 'GET database/instances' 200 'type == "object"' GET /api/2.0/database/instances
expect 'POST telemetry-ext' 200 '.numProtoSuccess == 2 and .errors == []' \
  POST /telemetry-ext '{"uploadTime":1,"items":[],"protoLogs":["a","b"]}'
expect 'a body that is no JSON is MALFORMED_REQUEST' 400 "$(error MALFORMED_REQUEST .)" \
  POST "$base/projects?project_id=$project" '{'

# ---- projects
project_keys='["create_time","name","project_id","status","uid","update_time"]'
project_status='["branch_logical_size_limit_bytes","default_branch","default_endpoint_settings","display_name","enable_pg_native_login","history_retention_duration","owner","pg_version","project_id","synthetic_storage_size_bytes"]'
finish 'CreateProject' Project "$(only "$project_keys")" POST "$base/projects?project_id=$project" '{"spec":{"display_name":"Rest"}}'
expect 'GetProject, explicit false and 0, no spec, no other key' 200 \
  "$(only "$project_keys") and (.status | (keys - [\"compute_last_active_time\"]) == $project_status) and .status.enable_pg_native_login == false and .status.synthetic_storage_size_bytes == 0 and .status.branch_logical_size_limit_bytes == 8796093022208" \
  GET $base/projects/$project
expect 'GetProject, defaults made explicit' 200 \
  '.status | .pg_version == 17 and .history_retention_duration == "604800s" and .default_endpoint_settings == {autoscaling_limit_min_cu: 1, autoscaling_limit_max_cu: 1, suspend_timeout_duration: "86400s"}' \
  GET $base/projects/$project
expect 'CreateProject, an empty id' 400 "$(error INVALID_PARAMETER_VALUE "Field 'project_id' is required, expected non-default value")" POST $base/projects '{}'
expect 'CreateProject, a taken id' 409 "$(error ALREADY_EXISTS 'project with such id already exists in the workspace')" \
  POST "$base/projects?project_id=$project" '{}'
expect 'GetProject, absent' 404 "$(error NOT_FOUND '^project id not found .TraceId: [0-9a-f]+.$') and (.details | any(.\"@type\" == \"type.googleapis.com/google.rpc.RequestInfo\"))" \
  GET $base/projects/absent
expect 'ListProjects' 200 '(.projects | any(.project_id == "rest")) and (has("next_page_token") | not)' GET $base/projects
expect 'ListProjects, pages' 200 '(.projects | length) == 1 and (.next_page_token | type) == "string"' GET "$base/projects?page_size=1"
expect 'ListProjects, an unknown token' 400 "$(error INVALID_PARAMETER_VALUE .)" GET "$base/projects?page_token=nothing"
expect 'ListProjects, a negative page_size' 400 "$(error INVALID_PARAMETER_VALUE .)" GET "$base/projects?page_size=-1"
finish 'UpdateProject, a leaf mask with the whole spec in the body' Project \
  '.status.display_name == "Renamed" and .status.history_retention_duration == "604800s"' \
  PATCH "$base/projects/$project?update_mask=spec.display_name" \
  '{"name":"projects/rest","spec":{"display_name":"Renamed","history_retention_duration":"172800s"}}'
expect 'UpdateProject, an unknown path' 400 "$(error INVALID_PARAMETER_VALUE 'Unknown field path in update_mask')" \
  PATCH "$base/projects/$project?update_mask=spec.nothing" '{"spec":{}}'
finish 'a bare question mark is nothing; CreateProject with the id again elsewhere' Project '.project_id == "rest-2"' \
  POST "$base/projects?project_id=rest-2" '{}'
expect 'GET with a bare question mark' 200 '.project_id == "rest-2"' GET "$base/projects/rest-2?"
finish 'DeleteProject' Project "$empty" DELETE $base/projects/rest-2
expect 'GetProject, softly deleted' 404 "$(error NOT_FOUND 'project id not found')" GET $base/projects/rest-2
expect 'ListProjects, show_deleted has delete_time and purge_time' 200 \
  '.projects[] | select(.project_id == "rest-2") | has("delete_time") and has("purge_time")' GET "$base/projects?show_deleted=true"
finish 'UndeleteProject' Project '.project_id == "rest-2" and (has("delete_time") | not)' POST $base/projects/rest-2/undelete '{}'
finish 'DeleteProject, purge' Project "$empty" DELETE "$base/projects/rest-2?purge=true"

# ---- branches
branches=$base/projects/$project/branches
dev=$branches/dev
branch_keys='["branch_id","create_time","name","parent","status","uid","update_time"]'
root_status='["branch_id","current_state","default","durability","is_protected","logical_size_bytes","state_change_time"]'
made_status='["branch_id","current_state","default","durability","expire_time","is_protected","logical_size_bytes","source_branch","source_branch_lsn","source_branch_time","state_change_time"]'
expect 'GetBranch, the root: explicit false and 0, no source_*' 200 \
  "$(only "$branch_keys") and (.status | del(.history) | $(only "$root_status")) and .status.default == true and .status.is_protected == false and (.uid | test(\"^br-\"))" \
  GET $branches/production
finish 'CreateBranch, ttl' Branch \
  "$(only "$branch_keys") and (.status | del(.history) | $(only "$made_status")) and .status.default == false and .status.is_protected == false and (.status.source_branch_lsn | test(\"^[0-9A-F]+/[0-9A-F]+$\"))" \
  POST "$branches?branch_id=dev" '{"spec":{"ttl":"21600s"}}'
finish 'CreateBranch, replace_existing' Branch '.status | has("expire_time") | not' \
  POST "$branches?branch_id=dev&replace_existing=true" '{"spec":{"no_expiry":true}}'
expect 'CreateBranch, no expiration' 400 "$(error INVALID_PARAMETER_VALUE 'Expiration must be specified when creating a branch')" \
  POST "$branches?branch_id=none" '{"spec":{}}'
expect 'CreateBranch, no_expiry false' 400 "$(error INVALID_PARAMETER_VALUE .)" POST "$branches?branch_id=none" '{"spec":{"no_expiry":false}}'
expect 'CreateBranch, two expirations' 400 "$(error INVALID_PARAMETER_VALUE .)" \
  POST "$branches?branch_id=none" '{"spec":{"no_expiry":true,"ttl":"3600s"}}'
expect 'CreateBranch, too far' 400 "$(error INVALID_PARAMETER_VALUE 'expiration time exceeds the maximum expiration time .TraceId: ')" \
  POST "$branches?branch_id=none" '{"spec":{"ttl":"31536000s"}}'
expect 'CreateBranch, a taken id' 409 "$(error ALREADY_EXISTS 'branch with such id already exists')" \
  POST "$branches?branch_id=dev" '{"spec":{"no_expiry":true}}'
expect 'CreateBranch, an empty id' 400 "$(error INVALID_PARAMETER_VALUE "Field 'branch_id' is required")" \
  POST "$branches" '{"spec":{"no_expiry":true}}'
expect 'GetBranch, parents are looked at first' 404 "$(error NOT_FOUND '^project id not found')" GET $base/projects/absent/branches/absent
expect 'GetBranch, absent' 404 "$(error NOT_FOUND '^branch id not found')" GET $branches/absent
expect 'GetBranch, a uid is no name' 404 "$(error NOT_FOUND '^branch id not found')" GET $branches/br-calm-lake-a1b2c3d4
expect 'ListBranches' 200 '[.branches[].branch_id] == ["dev","production"]' GET $branches
finish 'UpdateBranch, spec.expiration' Branch '.status | has("expire_time")' \
  PATCH "$dev?update_mask=spec.expiration" '{"spec":{"ttl":"86400s"}}'
finish 'UpdateBranch, spec.no_expiry as Bundles mask it' Branch '.status | has("expire_time") | not' \
  PATCH "$dev?update_mask=spec.no_expiry" '{"spec":{"no_expiry":true}}'
finish 'UpdateBranch, spec.is_protected' Branch '.status.is_protected' PATCH "$dev?update_mask=spec.is_protected" '{"spec":{"is_protected":true}}'
expect 'DeleteBranch, protected' 400 "$(error BAD_REQUEST 'cannot delete protected branch')" DELETE $dev
finish 'UpdateBranch, an explicit false' Branch '.status.is_protected == false' \
  PATCH "$dev?update_mask=spec.is_protected" '{"spec":{"is_protected":false}}'
expect 'DeleteBranch, the root is MANAGED_BY_PARENT' 400 \
  "$(error BAD_REQUEST .) and (.details | any(.reason == \"RESOURCE_CONFLICT\" and .domain == \"databricks.com\" and .metadata.declarative_context == \"MANAGED_BY_PARENT\"))" \
  DELETE $branches/production
finish 'CreateBranch, from a named source' Branch '.status.source_branch == "projects/rest/branches/production"' \
  POST "$branches?branch_id=gone" '{"spec":{"source_branch":"projects/rest/branches/production","ttl":"3600s"}}'
finish 'DeleteBranch' Branch "$empty" DELETE $branches/gone
expect 'ListBranches, show_deleted' 200 \
  '.branches[] | select(.branch_id == "gone").status | .current_state == "DELETED" and has("delete_time") and has("purge_time")' \
  GET "$branches?show_deleted=true"
finish 'UndeleteBranch' Branch '.branch_id == "gone" and .status.current_state == "READY"' POST $branches/gone/undelete '{}'
finish 'DeleteBranch, purge' Branch "$empty" DELETE "$branches/gone?purge=true"
finish 'DeleteBranch, allow_missing' Branch "$empty" DELETE "$branches/gone?allow_missing=true"

# ---- endpoints
primary=$dev/endpoints/primary
endpoint_keys='["create_time","endpoint_id","name","parent","status","uid","update_time"]'
expect 'GetEndpoint, explicit falses, settings and group' 200 \
  "$(only "$endpoint_keys") and (.status | .disabled == false and has(\"settings\") and .group == {min: 1, max: 1, enable_readable_secondaries: false} and .endpoint_type == \"ENDPOINT_TYPE_READ_WRITE\" and (.hosts.host | length) > 0) and (.uid | test(\"^ep-\"))" \
  GET $primary
finish 'CreateEndpoint, read-only' Endpoint \
  '.status | .endpoint_type == "ENDPOINT_TYPE_READ_ONLY" and .hosts.read_only_host == .hosts.host and .suspend_timeout_duration == "300s"' \
  POST "$dev/endpoints?endpoint_id=reader" \
  '{"spec":{"endpoint_type":"ENDPOINT_TYPE_READ_ONLY","autoscaling_limit_min_cu":0.5,"autoscaling_limit_max_cu":1,"suspend_timeout_duration":"300s"}}'
expect 'CreateEndpoint, a second read-write one' 409 "$(error ALREADY_EXISTS 'read_write endpoint already exists')" \
  POST "$dev/endpoints?endpoint_id=second" '{"spec":{"endpoint_type":"ENDPOINT_TYPE_READ_WRITE"}}'
finish 'CreateEndpoint, replace_existing' Endpoint '.endpoint_id == "primary" and .status.autoscaling_limit_max_cu == 2' \
  POST "$dev/endpoints?endpoint_id=primary&replace_existing=true" \
  '{"spec":{"endpoint_type":"ENDPOINT_TYPE_READ_WRITE","autoscaling_limit_min_cu":0.5,"autoscaling_limit_max_cu":2}}'
expect 'ListEndpoints' 200 '[.endpoints[].endpoint_id] == ["primary","reader"]' GET $dev/endpoints
expect 'GetEndpoint, absent' 404 "$(error NOT_FOUND '^endpoint id not found')" GET $dev/endpoints/absent
finish 'UpdateEndpoint' Endpoint '.status.suspend_timeout_duration == "1800s"' \
  PATCH "$primary?update_mask=spec.suspension" '{"spec":{"endpoint_type":"ENDPOINT_TYPE_READ_WRITE","suspend_timeout_duration":"1800s"}}'
finish 'UpdateEndpoint, no_suspension shows as an absent timeout' Endpoint '.status | has("suspend_timeout_duration") | not' \
  PATCH "$primary?update_mask=spec.no_suspension" '{"spec":{"no_suspension":true}}'
finish 'DeleteEndpoint' Endpoint "$empty" DELETE $dev/endpoints/reader
expect 'DeleteEndpoint, the read-write one is MANAGED_BY_PARENT' 400 \
  "$(error BAD_REQUEST 'Read-write endpoints cannot be deleted') and (.details | any(.metadata.declarative_context? == \"MANAGED_BY_PARENT\"))" \
  DELETE $primary

# ---- roles and databases
role_keys='["create_time","name","parent","role_id","status","update_time"]'
role_status='["attributes","auth_method","identity_type","postgres_role","role_id"]'
finish 'CreateRole, attributes are explicit falses' Role \
  "$(only "$role_keys") and (.status | $(only "$role_status")) and .status.attributes == {createdb: false, createrole: false, bypassrls: false} and .status.identity_type == \"IDENTITY_TYPE_UNSPECIFIED\" and .status.auth_method == \"PG_PASSWORD_SCRAM_SHA_256\"" \
  POST "$dev/roles?role_id=app-owner" '{"spec":{"postgres_role":"app_owner"}}'
expect 'CreateRole, taken' 400 "$(error BAD_REQUEST 'role with that name already exists')" \
  POST "$dev/roles?role_id=app-owner" '{"spec":{"postgres_role":"app_owner"}}'
finish 'CreateRole, replace_existing' Role '.status.membership_roles == ["DATABRICKS_SUPERUSER"]' \
  POST "$dev/roles?role_id=app-owner&replace_existing=true" '{"spec":{"postgres_role":"app_owner","membership_roles":["DATABRICKS_SUPERUSER"]}}'
expect 'GetRole' 200 "$(only "$role_keys")" GET $dev/roles/app-owner
expect 'GetRole, absent' 404 "$(error NOT_FOUND '^role id not found')" GET $dev/roles/absent
expect 'ListRoles, the implicit owner is a user with OAuth' 200 \
  "[.roles[] | select(.status.postgres_role == \"$me\").status | .identity_type, .auth_method] == [\"USER\",\"LAKEBASE_OAUTH_V1\"]" GET $dev/roles
finish 'UpdateRole' Role '.status.attributes == {createdb: true, createrole: false, bypassrls: false}' \
  PATCH "$dev/roles/app-owner?update_mask=spec.attributes.createdb" \
  '{"spec":{"postgres_role":"app_owner","attributes":{"createdb":true,"createrole":true}}}'
expect 'UpdateRole, an immutable path' 400 "$(error INVALID_PARAMETER_VALUE 'Unknown field path in update_mask')" \
  PATCH "$dev/roles/app-owner?update_mask=spec.auth_method" '{"spec":{"auth_method":"NO_LOGIN"}}'
database_keys='["create_time","database_id","name","parent","status","update_time"]'
owner=projects/rest/branches/dev/roles/app-owner
finish 'CreateDatabase' Database \
  "$(only "$database_keys") and .status == {database_id: \"my-database\", postgres_database: \"app_db\", role: \"$owner\"}" \
  POST "$dev/databases?database_id=my-database" "{\"spec\":{\"postgres_database\":\"app_db\",\"role\":\"$owner\"}}"
expect 'CreateDatabase, a bad id' 400 "$(error INVALID_PARAMETER_VALUE 'Field database_id must match pattern')" \
  POST "$dev/databases?database_id=Invalid_DB_ID" "{\"spec\":{\"postgres_database\":\"x\",\"role\":\"$owner\"}}"
expect 'CreateDatabase, no owner' 400 "$(error INVALID_PARAMETER_VALUE 'database.spec.role')" \
  POST "$dev/databases?database_id=x" '{"spec":{"postgres_database":"x"}}'
expect 'CreateDatabase, an unknown owner' 404 "$(error NOT_FOUND '^role not found; role_id:.does-not-exist. .TraceId: ')" \
  POST "$dev/databases?database_id=x" '{"spec":{"postgres_database":"x","role":"projects/rest/branches/dev/roles/does-not-exist"}}'
expect 'CreateDatabase, taken' 400 "$(error BAD_REQUEST 'database with that name already exists')" \
  POST "$dev/databases?database_id=my-database" "{\"spec\":{\"postgres_database\":\"app_db\",\"role\":\"$owner\"}}"
finish 'CreateDatabase, replace_existing without a role keeps the owner' Database ".status.role == \"$owner\"" \
  POST "$dev/databases?database_id=my-database&replace_existing=true" '{"spec":{"postgres_database":"app_db"}}'
expect 'GetDatabase' 200 "$(only "$database_keys")" GET $dev/databases/my-database
expect 'GetDatabase, absent' 404 "$(error NOT_FOUND '^database id not found')" GET $dev/databases/absent
expect 'ListDatabases' 200 '[.databases[].database_id] == ["databricks-postgres","my-database"]' GET $dev/databases
finish 'UpdateDatabase' Database '.status.postgres_database == "renamed_db"' \
  PATCH "$dev/databases/my-database?update_mask=spec.postgres_database" '{"spec":{"postgres_database":"renamed_db"}}'
finish 'CreateRole, an heir' Role '.role_id == "heir"' POST "$dev/roles?role_id=heir" '{"spec":{"postgres_role":"heir"}}'
finish 'DeleteRole, reassign_owned_to' Role "$empty" DELETE "$dev/roles/app-owner?reassign_owned_to=projects/rest/branches/dev/roles/heir"
finish 'DeleteDatabase' Database "$empty" DELETE $dev/databases/my-database

# ---- credentials and operations
expect 'GenerateDatabaseCredential' 200 "$(only '["expire_time","token"]')" \
  POST $base/credentials '{"endpoint":"projects/rest/branches/dev/endpoints/primary"}'
expect 'GenerateDatabaseCredential, ttl out of range' 400 "$(error INVALID_PARAMETER_VALUE .)" \
  POST $base/credentials '{"endpoint":"projects/rest/branches/dev/endpoints/primary","ttl":"60s"}'
expect 'GenerateDatabaseCredential, absent' 404 "$(error NOT_FOUND '^endpoint id not found')" \
  POST $base/credentials '{"endpoint":"projects/rest/branches/dev/endpoints/absent"}'
expect 'GetOperation, absent' 404 "$(error NOT_FOUND '^operation id not found')" GET $dev/operations/absent

# ---- what ties Lakebase to Unity Catalog
database=$dev/databases/databricks-postgres
unserved() { expect "$1 is 501 NOT_IMPLEMENTED" 501 "$(error NOT_IMPLEMENTED .)" "${@:2}"; }
unserved CreateCatalog POST "$base/catalogs?catalog_id=c" '{"spec":{"postgres_database":"d"}}'
unserved GetCatalog GET $base/catalogs/c
unserved DeleteCatalog DELETE $base/catalogs/c
unserved CreateSyncedTable POST "$base/synced_tables?synced_table_id=c.s.t" '{"spec":{}}'
unserved GetSyncedTable GET $base/synced_tables/c.s.t
unserved DeleteSyncedTable DELETE $base/synced_tables/c.s.t
unserved CreateDataApi POST $database/data-api '{"spec":{"db_schemas":["public"]}}'
unserved GetDataApi GET $database/data-api
unserved UpdateDataApi PATCH "$database/data-api?update_mask=spec" '{"spec":{"db_max_rows":10}}'
unserved DeleteDataApi DELETE $database/data-api
unserved CreateCdfConfig POST "$database/cdf-configs?cdf_config_id=k" '{"catalog":"c","schema":"s","postgres_schema":"public"}'
unserved GetCdfConfig GET $database/cdf-configs/k
unserved ListCdfConfigs GET $database/cdf-configs
unserved DeleteCdfConfig DELETE "$database/cdf-configs/k?force=true"
unserved GetCdfStatus GET $database/cdf-configs/k/cdf-statuses/t
unserved ListCdfStatuses GET $database/cdf-configs/k/cdf-statuses

# ---- permissions and tokens
acl=/api/2.0/permissions/database-projects/$project
permissions='.object_id == "/database-projects/rest" and .object_type == "database-projects"'
mine="{\"access_control_list\":[{\"user_name\":\"$me\",\"permission_level\":\"CAN_MANAGE\"}]}"
expect 'GET permissions' 200 \
  "$permissions and ([.access_control_list[] | select(.user_name == \"$me\").all_permissions[0]] == [{permission_level: \"CAN_MANAGE\", inherited: false}])" GET $acl
expect 'PATCH permissions' 200 "$permissions" PATCH $acl "$mine"
expect 'PUT permissions' 200 "$permissions and ([.access_control_list[] | select(has(\"user_name\")).user_name] == [\"$me\"])" PUT $acl "$mine"
expect 'POST token/create' 200 '(.token_value | type) == "string" and (.token_info.token_id | type) == "string"' \
  POST /api/2.0/token/create '{"comment":"rest","lifetime_seconds":600}'
id=$(jq -r .token_info.token_id "$body")
expect 'GET token/list' 200 ".token_infos | any(.token_id == \"$id\")" GET /api/2.0/token/list
expect 'POST token/delete' 200 'type == "object"' POST /api/2.0/token/delete "{\"token_id\":\"$id\"}"

finish 'DeleteProject, with all that is in it; its operation is read after it' Project "$empty" DELETE "$base/projects/$project?purge=true"
