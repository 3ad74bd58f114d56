"""Users, groups, service principals, tokens and permissions, and who is calling."""

import os

from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotFound, Unauthenticated
from databricks.sdk.service import iam
from resources import ID
from rows import check, refused, row

PATCH = [iam.PatchSchema.URN_IETF_PARAMS_SCIM_API_MESSAGES_2_0_PATCH_OP]


def renamed(name: str) -> list[iam.Patch]:
    return [iam.Patch(op=iam.PatchOp.REPLACE, path="displayName", value=name)]


def getting_in(client: WorkspaceClient) -> str:
    def me() -> str:
        seen = client.current_user.me()
        check(seen.user_name and seen.id and seen.active, seen)
        return seen.user_name or ""

    def stranger() -> None:
        other = WorkspaceClient(host=os.environ["DATABRICKS_HOST"], token="not-a-token")
        refused(Unauthenticated, "", other.current_user.me)

    login = row("current_user.me", me)
    row("get_workspace_id", lambda: check(client.get_workspace_id() > 0))
    row("a wrong token is Unauthenticated", stranger)
    return login or ""


def users(client: WorkspaceClient) -> str:
    api, login = client.users, "python.sdk@example.com"

    def create() -> str:
        made = api.create(user_name=login, display_name="Python")
        check(made.user_name == login and made.id, made)
        return made.id or ""

    def listed() -> None:
        found = list(api.list(filter=f'userName eq "{login}"'))
        check(len(found) == 1 and found[0].id == user, found)
        check(len(list(api.list(count=1))) >= 2, "all of them")

    def patch() -> None:
        api.patch(user, operations=renamed("Pythonista"), schemas=PATCH)
        check(api.get(user).display_name == "Pythonista")

    def update() -> None:
        api.update(user, user_name=login, display_name="Whole", active=True)
        check(api.get(user).display_name == "Whole")

    user = row("users.create", create) or "0"
    row("users.get", lambda: check(api.get(user).user_name == login))
    row("users.list, filter userName eq, and to its end", listed)
    row("users.patch", patch)
    row("users.update", update)
    return user


def groups(client: WorkspaceClient, member: str) -> None:
    api = client.groups

    def create() -> str:
        made = api.create(display_name="python-team", members=[iam.ComplexValue(value=member)])
        check(made.display_name == "python-team", made)
        return made.id or ""

    def read() -> None:
        check([m.value for m in api.get(group).members or []] == [member])
        found = list(api.list(filter='displayName eq "python-team"'))
        check(len(found) == 1, found)

    def patch() -> None:
        remove = iam.Patch(op=iam.PatchOp.REMOVE, path=f'members[value eq "{member}"]')
        api.patch(group, operations=[remove], schemas=PATCH)
        check(not api.get(group).members)

    def update() -> None:
        whole = [iam.ComplexValue(value=member)]
        api.update(group, display_name="python-team", members=whole)
        check([m.value for m in api.get(group).members or []] == [member])

    def delete() -> None:
        api.delete(group)
        refused(NotFound, "", lambda: api.get(group))

    group = row("groups.create", create) or "0"
    row("groups.get and list", read)
    row("groups.patch, remove a member", patch)
    row("groups.update, replaces the members", update)
    row("groups.delete", delete)


def service_principals(client: WorkspaceClient) -> None:
    api = client.service_principals

    def create() -> str:
        made = api.create(display_name="python-app", active=True)
        check(made.application_id and made.id, made)
        return made.id or ""

    def listed() -> None:
        check(api.get(principal).display_name == "python-app")
        found = list(api.list(filter='displayName eq "python-app"'))
        check(len(found) == 1, found)

    def patch() -> None:
        api.patch(principal, operations=renamed("python-app-2"), schemas=PATCH)
        check(api.get(principal).display_name == "python-app-2")

    def delete() -> None:
        api.delete(principal)
        refused(NotFound, "", lambda: api.get(principal))

    principal = row("service_principals.create", create) or "0"
    row("service_principals.get and list", listed)
    row("service_principals.patch", patch)
    row("service_principals.delete", delete)


def identities(client: WorkspaceClient) -> None:
    user = users(client)
    groups(client, user)
    service_principals(client)

    def delete() -> None:
        client.users.delete(user)
        refused(NotFound, "", lambda: client.users.get(user))

    row("users.delete", delete)


def tokens(client: WorkspaceClient, login: str) -> None:
    def create() -> None:
        made = client.tokens.create(comment="python-sdk", lifetime_seconds=600)
        other = WorkspaceClient(host=os.environ["DATABRICKS_HOST"], token=made.token_value)
        check(other.current_user.me().user_name == login)
        check(made.token_info.token_id in [t.token_id for t in client.tokens.list()], "listed")
        client.tokens.delete(made.token_info.token_id)
        refused(Unauthenticated, "", other.current_user.me)

    row("tokens.create, list, delete", create)


def permissions(client: WorkspaceClient, login: str) -> None:
    kind, guest = "database-projects", "python.guest@example.com"

    def levels(seen: iam.ObjectPermissions) -> dict[str, str]:
        return {
            entry.user_name: entry.all_permissions[0].permission_level.value
            for entry in seen.access_control_list or []
            if entry.user_name and entry.all_permissions
        }

    def update() -> None:
        client.users.create(user_name=guest)
        entry = iam.AccessControlRequest(user_name=guest, permission_level=iam.PermissionLevel.CAN_USE)
        done = levels(client.permissions.update(kind, ID, access_control_list=[entry]))
        check(done.get(guest) == "CAN_USE" and done.get(login) == "CAN_MANAGE", done)

    def replace() -> None:
        entry = iam.AccessControlRequest(user_name=login, permission_level=iam.PermissionLevel.CAN_MANAGE)
        done = levels(client.permissions.set(kind, ID, access_control_list=[entry]))
        check(guest not in done and done.get(login) == "CAN_MANAGE", done)

    row("permissions.get", lambda: check(levels(client.permissions.get(kind, ID))[login] == "CAN_MANAGE"))
    row("permissions.update, adds", update)
    row("permissions.set, replaces", replace)
