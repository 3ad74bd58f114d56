"""What only this SDK has: snapshots and their schedule; and what ties Lakebase to Unity Catalog."""

from databricks.sdk import WorkspaceClient
from databricks.sdk.common.types.fieldmask import FieldMask
from databricks.sdk.errors import NotFound, NotImplemented
from databricks.sdk.service import postgres as pg
from google.protobuf.duration_pb2 import Duration
from resources import DEV, PRIMARY, PROJECT, branch
from rows import Called, check, refused, row

SNAPSHOT = f"{PROJECT}/snapshots/before"
SCHEDULE = f"{DEV}/snapshot-schedule"
IMPLICIT = f"{DEV}/databases/databricks-postgres"
CDF = f"{IMPLICIT}/cdf-configs/c"


def snapshots(api: Called) -> None:
    def create() -> None:
        spec = pg.SnapshotSpec(source_branch=DEV, ttl=Duration(seconds=86400))
        made = api.create_snapshot(PROJECT, pg.Snapshot(spec=spec), "before").wait()
        check(made.name == SNAPSHOT and made.status.source_branch == DEV, made)
        check(made.status.expire_time is not None, made.status)

    def restore() -> None:
        spec = branch(source_snapshot=SNAPSHOT, ttl=Duration(seconds=3600))
        made = api.create_branch(PROJECT, spec, "restored").wait()
        check(made.status.source_snapshot == SNAPSHOT, made.status)
        api.delete_branch(made.name, purge=True).wait()

    def schedule() -> None:
        cadence = pg.ScheduleCadence(
            retention=Duration(seconds=86400), daily_schedule=pg.DailySchedule(hour=3)
        )
        wanted = pg.SnapshotSchedule(name=SCHEDULE, schedule=[cadence])
        done = api.update_snapshot_schedule(SCHEDULE, wanted, FieldMask(["schedule"])).wait()
        check(len(done.schedule) == 1 and done.schedule[0].retention.seconds == 86400, done)
        seen = api.get_snapshot_schedule(SCHEDULE)
        check(seen.name == SCHEDULE and len(seen.schedule) == 1, seen)

    def no_schedule() -> None:
        # The SDK leaves an empty list out of the body; the mask alone clears the schedule.
        empty = pg.SnapshotSchedule(name=SCHEDULE, schedule=[])
        api.update_snapshot_schedule(SCHEDULE, empty, FieldMask(["schedule"])).wait()
        check(not api.get_snapshot_schedule(SCHEDULE).schedule)

    def delete() -> None:
        api.delete_snapshot(SNAPSHOT).wait()
        refused(NotFound, "", lambda: api.get_snapshot(SNAPSHOT))

    row("create_snapshot", create)
    row("get_snapshot", lambda: check(api.get_snapshot(SNAPSHOT).status.source_branch == DEV))
    row(
        "list_snapshots",
        lambda: check(SNAPSHOT in [s.name for s in api.list_snapshots(PROJECT, page_size=1)]),
    )
    row("create_branch, from a snapshot", restore)
    row("update_snapshot_schedule", schedule)
    row("update_snapshot_schedule, none", no_schedule)
    row(
        "get_snapshot_schedule",
        lambda: check(api.get_snapshot_schedule(SCHEDULE).name == SCHEDULE),
    )
    row("delete_snapshot", delete)


def compute_instances(client: WorkspaceClient) -> None:
    """This version of the SDK has no method for it; programs of earlier ones send this request."""

    def listed() -> None:
        answer = client.api_client.do("GET", f"/api/2.0/postgres/{PRIMARY}/compute-instances")
        check(isinstance(answer, dict), answer)

    row("GET compute-instances", listed)


def lakehouse(api: Called) -> None:
    catalog = pg.Catalog(spec=pg.CatalogCatalogSpec(postgres_database="databricks_postgres", branch=DEV))
    config = pg.CdfConfig(catalog="c", schema="s", postgres_schema="public")
    data_api = pg.DataApi(spec=pg.DataApiDataApiSpec(db_schemas=["public"]))
    table = "synced_tables/c.s.t"
    calls = {
        "create_catalog": lambda: api.create_catalog(catalog, "c"),
        "get_catalog": lambda: api.get_catalog("catalogs/c"),
        "delete_catalog": lambda: api.delete_catalog("catalogs/c"),
        "create_synced_table": lambda: api.create_synced_table(pg.SyncedTable(), "c.s.t"),
        "get_synced_table": lambda: api.get_synced_table(table),
        "delete_synced_table": lambda: api.delete_synced_table(table),
        "create_data_api": lambda: api.create_data_api(IMPLICIT, data_api),
        "get_data_api": lambda: api.get_data_api(f"{IMPLICIT}/data-api"),
        "update_data_api": lambda: api.update_data_api(
            f"{IMPLICIT}/data-api", data_api, FieldMask(["spec.db_schemas"])
        ),
        "delete_data_api": lambda: api.delete_data_api(f"{IMPLICIT}/data-api"),
        "create_cdf_config": lambda: api.create_cdf_config(IMPLICIT, config, cdf_config_id="c"),
        "get_cdf_config": lambda: api.get_cdf_config(CDF),
        "list_cdf_configs": lambda: list(api.list_cdf_configs(IMPLICIT)),
        "delete_cdf_config": lambda: api.delete_cdf_config(CDF, force=True),
        "get_cdf_status": lambda: api.get_cdf_status(f"{CDF}/cdf-statuses/t"),
        "list_cdf_statuses": lambda: list(api.list_cdf_statuses(CDF)),
    }
    for name, call in calls.items():
        row(f"{name}, 501 NotImplemented with a text", lambda call=call: refused(NotImplemented, " ", call))
