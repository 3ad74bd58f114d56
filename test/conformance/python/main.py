"""The Databricks SDK for Python, unmodified: every method of its Postgres service, and what surrounds it."""

import identities
import logins
import previews
import resources
from databricks.sdk import WorkspaceClient
from rows import Called, check, row

client = WorkspaceClient()
api = Called(client.postgres)

login = identities.getting_in(client)
resources.projects(api)
resources.branches(api)
resources.endpoints(api)
resources.roles_and_databases(api)
resources.the_rest(api)
previews.snapshots(api)
previews.compute_instances(client)
previews.lakehouse(api)
identities.permissions(client, login)
resources.end(api)
row("every method of the service is in this table", lambda: check(not api.never(), api.never()))
identities.identities(client)
identities.tokens(client, login)
logins.machine(client)
logins.person(client)
