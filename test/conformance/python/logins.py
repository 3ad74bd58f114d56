"""OAuth as programs use it: a service principal with its secret, and a person at a browser."""

import glob
import json
import os
import secrets
import shlex
import socket
import time

from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config
from rows import NotRun, check, row

HOST = os.environ["DATABRICKS_HOST"]


def without_environment() -> None:
    """What is left of the caller would be a second way to log in."""
    for key in [key for key in os.environ if key.startswith("DATABRICKS_")]:
        del os.environ[key]


def machine(client: WorkspaceClient) -> None:
    made: dict[str, str] = {}

    def secret() -> None:
        principal = client.service_principals.create(display_name="python-m2m", active=True)
        secret = client.service_principal_secrets_proxy.create(principal.id)
        made.update(id=principal.id, client_id=principal.application_id, secret=secret.secret)
        listed = list(client.service_principal_secrets_proxy.list(principal.id))
        check([each.id for each in listed] == [secret.id], listed)

    def login() -> None:
        other = WorkspaceClient(
            host=HOST, client_id=made["client_id"], client_secret=made["secret"], auth_type="oauth-m2m"
        )
        check(other.current_user.me().user_name == made["client_id"])
        list(other.postgres.list_projects())

    def wrong() -> None:
        try:
            other = WorkspaceClient(
                host=HOST, client_id=made["client_id"], client_secret="wrong", auth_type="oauth-m2m"
            )
            other.current_user.me()
        except Exception as error:
            check("invalid_client" in str(error), error)
            return
        raise AssertionError("a wrong secret logs in")

    row("service_principal_secrets_proxy.create and list", secret)
    row("oauth-m2m", login)
    row("oauth-m2m, a wrong secret is invalid_client", wrong)


def wait_for_port(port: int) -> None:
    """The SDK listens on one port only, and another program may be at its own login just now."""
    for _ in range(60):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return
            except OSError:
                time.sleep(1)
    raise AssertionError(f"port {port} is taken")


def person(client: WorkspaceClient) -> None:
    """The SDK opens what BROWSER names; ours goes through the pages as a person would."""
    login, work = "python.person@example.com", os.environ["WORK_DIR"]

    def invite() -> None:
        client.users.create(user_name=login)
        link = client.api_client.do("POST", "/api/lakelet/v1/setup-links", body={"user_name": login})
        os.environ["SETUP_LINK"] = link["url"]

    def sign_in() -> None:
        if reason := os.environ.get("NO_BROWSER"):
            raise NotRun(reason)
        command = [os.environ["NODE"], os.environ["LOGIN_BROWSER"]]
        os.environ["BROWSER"] = f"{shlex.join(command)} %s &"
        os.environ["LOGIN"] = login
        os.environ["PASSWORD"] = secrets.token_urlsafe(24)
        os.environ["HOME"] = work  # the SDK keeps the tokens of a person there
        wait_for_port(8020)
        person = WorkspaceClient(host=HOST, auth_type="external-browser")
        check(person.current_user.me().user_name == login)

    def refresh() -> None:
        if reason := os.environ.get("NO_BROWSER"):
            raise NotRun(reason)
        [file] = glob.glob(f"{work}/.config/databricks-sdk-py/oauth/*.json")
        with open(file, encoding="utf-8") as kept:
            tokens = json.load(kept)
        before = tokens["token"]["access_token"]
        tokens["token"]["expiry"] = "2000-01-01T00:00:00.000000"
        with open(file, "w", encoding="utf-8") as kept:
            json.dump(tokens, kept)
        os.environ["BROWSER"] = "false &"  # a second login at a browser would hang
        config = Config(host=HOST, auth_type="external-browser")
        after = config.authenticate()["Authorization"]
        check(after != f"Bearer {before}", "another access token")
        check(WorkspaceClient(config=config).current_user.me().user_name == login)

    row("external-browser: a link to set a password", invite)
    without_environment()
    row("external-browser: code and PKCE through a real browser", sign_in)
    row("external-browser: the refresh token of the last login", refresh)
