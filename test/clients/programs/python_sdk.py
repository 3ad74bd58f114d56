"""The Databricks SDK for Python, unmodified: branches with its waiters, credentials, lists, errors."""

import os

from databricks.sdk import WorkspaceClient
from databricks.sdk.common.types.fieldmask import FieldMask
from databricks.sdk.errors import DatabricksError, NotFound
from databricks.sdk.service.postgres import Branch, BranchSpec, BranchStatusState, EndpointType
from google.protobuf.duration_pb2 import Duration
from proof import PRODUCTION, PROJECT, prove


class SdkApi:
    def __init__(self, client: WorkspaceClient) -> None:
        self.client = client

    def login(self) -> str:
        return self.client.current_user.me().user_name or ""

    def create_branch(self, branch_id: str, source: str, seconds: int) -> str:
        spec = BranchSpec(source_branch=source, ttl=Duration(seconds=seconds))
        branch = self.client.postgres.create_branch(PROJECT, Branch(spec=spec), branch_id).wait()
        assert branch.status.current_state == BranchStatusState.READY
        assert branch.status.source_branch == source
        assert branch.status.expire_time.seconds - branch.create_time.seconds == seconds
        return branch.name

    def delete_branch(self, name: str) -> None:
        self.client.postgres.delete_branch(name).wait()
        try:
            self.client.postgres.get_branch(name)
        except NotFound:
            return
        raise AssertionError(f"{name} is deleted, but get_branch still finds it")

    def host_and_token(self, branch: str) -> tuple[str, str]:
        endpoint = next(iter(self.client.postgres.list_endpoints(branch)))
        assert endpoint.status.endpoint_type == EndpointType.ENDPOINT_TYPE_READ_WRITE
        credential = self.client.postgres.generate_database_credential(
            endpoint.name, ttl=Duration(seconds=600)
        )
        return endpoint.status.hosts.host, credential.token


def the_rest(client: WorkspaceClient) -> None:
    """Reads, an update with a mask, and the errors that scripts look for."""
    postgres = client.postgres
    assert PROJECT in [project.name for project in postgres.list_projects()]
    assert postgres.get_project(PROJECT).status.default_branch == PRODUCTION
    assert postgres.get_branch(PRODUCTION).status.default is True

    name = postgres.create_branch(PROJECT, Branch(spec=BranchSpec(no_expiry=True)), "sdk-kept").wait().name
    assert name in [branch.name for branch in postgres.list_branches(PROJECT)]
    spec = BranchSpec(ttl=Duration(seconds=900))
    renewed = postgres.update_branch(name, Branch(spec=spec), FieldMask(["spec.expiration"])).wait()
    assert renewed.status.expire_time is not None

    def refused(what: str, word: str) -> None:
        try:
            attempts[what]()
        except DatabricksError as error:
            assert word in str(error).lower(), f"{what}: {error}"
            return
        raise AssertionError(f"{what} was not refused")

    attempts = {
        "no expiration": lambda: postgres.create_branch(PROJECT, Branch(spec=BranchSpec()), "sdk-none"),
        "twice": lambda: postgres.create_branch(PROJECT, Branch(spec=spec), "sdk-kept"),
        "absent": lambda: postgres.get_branch(f"{PROJECT}/branches/sdk-absent"),
        "root": lambda: postgres.delete_branch(PRODUCTION),
    }
    refused("no expiration", "expiration must be specified when creating a branch")
    refused("twice", "already exists")
    refused("absent", "not found")
    refused("root", "")
    postgres.delete_branch(name).wait()


owner = WorkspaceClient()
other = WorkspaceClient(token=os.environ["OTHER_TOKEN"])
prove("python-sdk", SdkApi(owner), SdkApi(other))
the_rest(owner)
