/** Where things are in a state directory. Pure: paths only. */
import { join } from 'node:path'

export interface Layout {
  readonly root: string
  /** PGDATA of the embedded catalog. */
  readonly catalog: string
  /** CA, certificates, signing keys; 0700. */
  readonly keys: string
  /** One directory a compute with its socket and configuration; 0700, the service user's. */
  readonly run: string
  /** The copy-on-write pool: `<project>/<branch>/volume`, `templates/<name>/volume`, `tmp`, `trash`. */
  readonly pool: string
  /** WAL on the ordinary file system: `<project>/<branch>/live`, `trash`. */
  readonly wal: string
  /** What imports have fetched and not yet loaded; one directory an operation, the service user's. */
  readonly imports: string
  readonly log: string
  /** Private copies of Postgres installations, one directory a major. */
  readonly toolchains: string
  /** The sparse image of a pool that Lakelet made itself. */
  readonly poolImage: string
  /** Chosen storage driver and pool identity. */
  readonly storageFile: string
  /** What a running server tells the CLI: pid, ports, CA. */
  readonly serverFile: string
  /** The owner's personal access token; 0600. */
  readonly tokenFile: string
}

export function layoutOf(root: string): Layout {
  return {
    root,
    catalog: join(root, 'catalog'),
    keys: join(root, 'keys'),
    run: join(root, 'run'),
    pool: join(root, 'pool'),
    wal: join(root, 'wal'),
    imports: join(root, 'imports'),
    log: join(root, 'log'),
    toolchains: join(root, 'toolchains'),
    poolImage: join(root, 'pool.img'),
    storageFile: join(root, 'storage.json'),
    serverFile: join(root, 'server.json'),
    tokenFile: join(root, 'owner-token'),
  }
}
