"""The password of a service principal: a credential that ends within the hour, renewed before it does.

The SDK logs in with DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET (OAuth M2M) and renews that
token by itself; the credential for Postgres is ours to renew.
"""

from datetime import UTC, datetime, timedelta
from threading import Lock

from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config


class Credentials:
    """One for each endpoint and process; every new connection asks it."""

    def __init__(self, endpoint: str, renew_before: timedelta) -> None:
        self._endpoint = endpoint
        self._renew_before = renew_before
        self._lock = Lock()
        self._client: WorkspaceClient | None = None
        self._token = ""
        self._renew_at = datetime.min.replace(tzinfo=UTC)

    def token(self) -> str:
        with self._lock:
            if datetime.now(UTC) >= self._renew_at:
                self._renew()
            return self._token

    def _renew(self) -> None:
        if self._client is None:
            # A connection waits for this, so a server that is away is an error soon.
            self._client = WorkspaceClient(
                config=Config(auth_type="oauth-m2m", http_timeout_seconds=5, retry_timeout_seconds=15)
            )
        made = self._client.postgres.generate_database_credential(self._endpoint)
        self._token = made.token
        self._renew_at = made.expire_time.ToDatetime(tzinfo=UTC) - self._renew_before
