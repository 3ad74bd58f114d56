"""Projects, branches, endpoints, roles, databases, operations and credentials, method by method."""

from typing import Any

from databricks.sdk.common.types.fieldmask import FieldMask
from databricks.sdk.errors import AlreadyExists, BadRequest, InvalidParameterValue, NotFound, NotImplemented
from databricks.sdk.service import postgres as pg
from google.protobuf.duration_pb2 import Duration
from rows import Called, check, refused, row

ID = "python-sdk"
PROJECT = f"projects/{ID}"
PRODUCTION = f"{PROJECT}/branches/production"
DEV = f"{PROJECT}/branches/dev"
PRIMARY = f"{DEV}/endpoints/primary"
ROLE = f"{DEV}/roles/app-owner"
DATABASE = f"{DEV}/databases/my-database"


def branch(**spec: Any) -> pg.Branch:
    return pg.Branch(spec=pg.BranchSpec(**spec))


def role(name: str, **spec: Any) -> pg.Role:
    return pg.Role(spec=pg.RoleRoleSpec(postgres_role=name, **spec))


def database(name: str, owner: str) -> pg.Database:
    return pg.Database(spec=pg.DatabaseDatabaseSpec(postgres_database=name, role=owner))


def projects(api: Called) -> None:
    def create() -> None:
        spec = pg.ProjectSpec(
            display_name="Python SDK",
            pg_version=17,
            default_endpoint_settings=pg.ProjectDefaultEndpointSettings(
                autoscaling_limit_min_cu=0.5,
                autoscaling_limit_max_cu=1,
                suspend_timeout_duration=Duration(seconds=600),
            ),
        )
        made = api.create_project(pg.Project(spec=spec), ID).wait()
        check(made.name == PROJECT and made.spec is None and made.status.pg_version == 17, made)
        check(made.status.default_branch == PRODUCTION and made.status.owner, made.status)
        settings = made.status.default_endpoint_settings
        check(settings.suspend_timeout_duration.seconds == 600, settings)

    def read() -> None:
        seen = api.get_project(PROJECT)
        check(seen.status.enable_pg_native_login is False, seen.status)
        check(seen.status.synthetic_storage_size_bytes == 0, seen.status)

    def update() -> None:
        spec = pg.ProjectSpec(display_name="Renamed", pg_version=17)
        done = api.update_project(PROJECT, pg.Project(spec=spec), FieldMask(["spec.display_name"])).wait()
        check(done.status.display_name == "Renamed", done.status)

    def delete() -> None:
        second = f"projects/{ID}-2"
        api.create_project(pg.Project(), f"{ID}-2").wait()
        api.delete_project(second).wait()
        refused(NotFound, "project id not found", lambda: api.get_project(second))
        deleted = [p for p in api.list_projects(show_deleted=True) if p.name == second]
        check(len(deleted) == 1 and deleted[0].delete_time and deleted[0].purge_time, deleted)
        check(second not in [p.name for p in api.list_projects()], "it is listed")

    def undelete() -> None:
        second = f"projects/{ID}-2"
        api.undelete_project(second).wait()
        check(api.get_project(second).delete_time is None)
        api.delete_project(second, purge=True).wait()

    row("create_project", create)
    row(
        "create_project, a taken id refused",
        lambda: refused(
            AlreadyExists,
            "project with such id already exists",
            lambda: api.create_project(pg.Project(), ID),
        ),
    )
    row("get_project", read)
    row("update_project, a leaf mask", update)
    row(
        "list_projects, over pages of one",
        lambda: check([p.name for p in api.list_projects(page_size=1)].count(PROJECT) == 1),
    )
    row("delete_project; show_deleted", delete)
    row("undelete_project; purge", undelete)


def branches(api: Called) -> None:
    def create() -> None:
        made = api.create_branch(PROJECT, branch(ttl=Duration(seconds=21600)), "dev").wait()
        check(made.status.current_state == pg.BranchStatusState.READY, made.status)
        check(made.status.source_branch == PRODUCTION and made.status.source_branch_lsn, made.status)
        check(made.status.expire_time.seconds - made.create_time.seconds == 21600, made.status)
        check(made.status.default is False and made.status.is_protected is False, made.status)

    def replace() -> None:
        before = api.get_branch(DEV)
        after = api.create_branch(PROJECT, branch(no_expiry=True), "dev", replace_existing=True).wait()
        check(after.uid == before.uid and after.status.expire_time is None, after)

    def protect() -> None:
        mask = FieldMask(["spec.is_protected"])
        api.update_branch(DEV, branch(is_protected=True), mask).wait()
        refused(BadRequest, "cannot delete protected branch", lambda: api.delete_branch(DEV))
        done = api.update_branch(DEV, branch(is_protected=False), mask).wait()
        check(done.status.is_protected is False, done.status)

    def expire() -> None:
        mask = FieldMask(["spec.expiration"])
        done = api.update_branch(DEV, branch(ttl=Duration(seconds=86400)), mask).wait()
        check(done.status.expire_time is not None, done.status)
        done = api.update_branch(DEV, branch(no_expiry=True), FieldMask(["spec.no_expiry"])).wait()
        check(done.status.expire_time is None, done.status)

    def delete() -> None:
        name = f"{PROJECT}/branches/gone"
        api.create_branch(PROJECT, branch(ttl=Duration(seconds=3600)), "gone").wait()
        api.delete_branch(name).wait()
        refused(NotFound, "branch id not found", lambda: api.get_branch(name))
        deleted = {b.name: b for b in api.list_branches(PROJECT, show_deleted=True)}[name]
        check(deleted.status.current_state == pg.BranchStatusState.DELETED, deleted.status)

    def undelete() -> None:
        name = f"{PROJECT}/branches/gone"
        api.undelete_branch(name).wait()
        check(api.get_branch(name).status.current_state == pg.BranchStatusState.READY)
        api.delete_branch(name, purge=True).wait()
        check(name not in [b.name for b in api.list_branches(PROJECT, show_deleted=True)])

    def refusals() -> None:
        text = "Expiration must be specified when creating a branch"
        refused(InvalidParameterValue, text, lambda: api.create_branch(PROJECT, branch(), "none"))
        text = "branch with such id already exists"
        again = branch(no_expiry=True)
        refused(AlreadyExists, text, lambda: api.create_branch(PROJECT, again, "dev"))

    row("create_branch, with a ttl", create)
    row("create_branch, replace_existing", replace)
    row("create_branch, no expiration and a taken id refused", refusals)
    row("get_branch", lambda: check(api.get_branch(PRODUCTION).status.default is True))
    row(
        "list_branches, over pages of one",
        lambda: check(len(list(api.list_branches(PROJECT, page_size=1))) == 2),
    )
    row("update_branch, spec.expiration and spec.no_expiry", expire)
    row("update_branch, protect, an explicit false unprotects", protect)
    row("delete_branch; show_deleted", delete)
    row("undelete_branch; purge", undelete)
    row(
        "delete_branch, the root branch refused",
        lambda: refused(BadRequest, "", lambda: api.delete_branch(PRODUCTION)),
    )


def endpoints(api: Called) -> None:
    read_only = pg.EndpointType.ENDPOINT_TYPE_READ_ONLY
    read_write = pg.EndpointType.ENDPOINT_TYPE_READ_WRITE
    reader = f"{DEV}/endpoints/reader"

    def read() -> None:
        seen = api.get_endpoint(PRIMARY)
        check(seen.status.endpoint_type == read_write and seen.status.hosts.host, seen.status)
        check(seen.status.disabled is False, seen.status)
        check(seen.status.group.enable_readable_secondaries is False, seen.status)

    def create() -> None:
        spec = pg.EndpointSpec(
            endpoint_type=read_only,
            autoscaling_limit_min_cu=0.5,
            autoscaling_limit_max_cu=1,
            suspend_timeout_duration=Duration(seconds=300),
        )
        made = api.create_endpoint(DEV, pg.Endpoint(spec=spec), "reader").wait()
        check(made.status.endpoint_type == read_only, made.status)
        check(made.status.suspend_timeout_duration.seconds == 300, made.status)

    def update() -> None:
        spec = pg.EndpointSpec(endpoint_type=read_write, autoscaling_limit_max_cu=2)
        mask = FieldMask(["spec.autoscaling_limit_max_cu"])
        done = api.update_endpoint(PRIMARY, pg.Endpoint(spec=spec), mask).wait()
        check(done.status.autoscaling_limit_max_cu == 2, done.status)

    row("get_endpoint", read)
    row("create_endpoint, read-only", create)
    row(
        "list_endpoints",
        lambda: check(len(list(api.list_endpoints(DEV, page_size=1))) == 2, "two endpoints"),
    )
    row("update_endpoint, a leaf mask", update)
    row("delete_endpoint", lambda: api.delete_endpoint(reader).wait())
    row(
        "delete_endpoint, the read-write one refused",
        lambda: refused(
            BadRequest, "Read-write endpoints cannot be deleted.", lambda: api.delete_endpoint(PRIMARY)
        ),
    )


def roles_and_databases(api: Called) -> None:
    def create() -> None:
        attributes = pg.RoleAttributes(createdb=True)
        made = api.create_role(DEV, role("app_owner", attributes=attributes), role_id="app-owner").wait()
        check(made.name == ROLE and made.status.postgres_role == "app_owner", made)
        check(made.status.attributes.createdb is True, made.status)
        check(made.status.attributes.createrole is False, made.status)
        check(made.status.auth_method == pg.RoleAuthMethod.PG_PASSWORD_SCRAM_SHA_256, made.status)

    def update() -> None:
        attributes = pg.RoleAttributes(createdb=False, createrole=True)
        mask = FieldMask(["spec.attributes.createdb"])
        done = api.update_role(ROLE, role("app_owner", attributes=attributes), mask).wait()
        check(done.status.attributes.createdb is False, done.status)
        check(done.status.attributes.createrole is False, done.status)

    def create_database() -> None:
        made = api.create_database(DEV, database("app_db", ROLE), database_id="my-database").wait()
        check(made.name == DATABASE and made.status.postgres_database == "app_db", made)
        check(made.status.role == ROLE, made.status)

    def update_database() -> None:
        spec = database("renamed_db", ROLE)
        done = api.update_database(DATABASE, spec, FieldMask(["spec.postgres_database"])).wait()
        check(done.status.postgres_database == "renamed_db", done.status)

    def inherited() -> None:
        name = f"{PROJECT}/branches/child"
        source = branch(source_branch=DEV, ttl=Duration(seconds=3600))
        api.create_branch(PROJECT, source, "child").wait()
        check(api.get_role(f"{name}/roles/app-owner").status.postgres_role == "app_owner")
        check(api.get_database(f"{name}/databases/my-database").status.role == f"{name}/roles/app-owner")
        text = "role with that name already exists"
        refused(
            BadRequest, text, lambda: api.create_role(name, role("app_owner"), role_id="app-owner")
        )
        api.create_role(name, role("app_owner"), role_id="app-owner", replace_existing=True).wait()
        api.delete_branch(name, purge=True).wait()

    def delete_role() -> None:
        api.create_role(DEV, role("heir"), role_id="heir").wait()
        api.delete_role(ROLE, reassign_owned_to=f"{DEV}/roles/heir").wait()
        refused(NotFound, "role id not found", lambda: api.get_role(ROLE))

    row("create_role", create)
    row("get_role", lambda: check(api.get_role(ROLE).role_id == "app-owner"))
    row("list_roles", lambda: check(ROLE in [r.name for r in api.list_roles(DEV, page_size=1)]))
    row("update_role, an attribute leaves its siblings", update)
    row("create_database", create_database)
    row("get_database", lambda: check(api.get_database(DATABASE).status.role == ROLE))
    row(
        "list_databases",
        lambda: check(DATABASE in [d.name for d in api.list_databases(DEV, page_size=1)]),
    )
    row("update_database, another name", update_database)
    row("roles and databases of a child are its source's", inherited)
    row("delete_role, reassign_owned_to", delete_role)
    row("delete_database", lambda: api.delete_database(DATABASE).wait())


def the_rest(api: Called) -> None:
    def credential() -> None:
        made = api.generate_database_credential(PRIMARY, ttl=Duration(seconds=900))
        check(made.token and made.expire_time, made)

    def operation() -> None:
        begun = api.update_branch(DEV, branch(no_expiry=True), FieldMask(["spec.expiration"]))
        begun.wait()
        seen = api.get_operation(begun.name())
        check(seen.done and seen.response and seen.error is None, seen)

    def password() -> None:
        name = api.create_role(DEV, role("reporter"), role_id="reporter").wait().name
        try:
            refused(NotImplemented, "renew-password", lambda: api.reveal_role_password(name))
        finally:
            api.delete_role(name).wait()

    row("generate_database_credential", credential)
    row("get_operation", operation)
    row("reveal_role_password, 501 NotImplemented with a text", password)


def end(api: Called) -> None:
    row("delete_project, purge, with all that is in it", lambda: api.delete_project(PROJECT, purge=True).wait())
