/**
 * Methods of the contract that belong to a lakehouse, or to more than one machine. They answer 501 with what
 * serves the purpose here, so that nobody looks for a mistake in the request.
 */
import { Fault } from '../domain/faults.ts'
import { base } from './base-path.ts'
import { type Method, type Route, route } from './route.ts'

interface NotServed {
  readonly what: string
  readonly instead: string
  readonly methods: readonly (readonly [method: Method, path: string])[]
}

const project = '/projects/{project}'
const branch = `${project}/branches/{branch}`
const database = `${branch}/databases/{database}`
const cdf = `${database}/cdf-configs`
const recovery = `${project}/preview/recovery-branches`
const replication = `${project}/preview/replication-groups`

export const notServed: readonly NotServed[] = [
  {
    what: 'Registering a database in Unity Catalog',
    instead: 'Databases of a branch are reached over the Postgres protocol alone.',
    methods: [
      ['POST', '/catalogs'],
      ['GET', '/catalogs/{catalog}'],
      ['DELETE', '/catalogs/{catalog}'],
    ],
  },
  {
    what: 'Syncing a Unity Catalog table into a branch',
    instead:
      'Load the table with COPY … FROM STDIN, or with a pipeline of your own that writes to Postgres.',
    methods: [
      ['POST', '/synced_tables'],
      ['GET', '/synced_tables/{table}'],
      ['DELETE', '/synced_tables/{table}'],
    ],
  },
  {
    what: 'Managing tables over the API',
    instead: 'Use SQL on the branch: CREATE TABLE, DROP TABLE, and pg_catalog to look.',
    methods: [
      ['POST', '/tables'],
      ['GET', '/tables/{table}'],
      ['DELETE', '/tables/{table}'],
    ],
  },
  {
    what: 'The Data API (HTTP access to tables)',
    instead:
      'Connect over the Postgres protocol, or run PostgREST beside the server with a credential.',
    methods: (['POST', 'GET', 'PATCH', 'DELETE'] as const).map(
      (method) => [method, `${database}/data-api`] as const,
    ),
  },
  {
    what: 'A change data feed into Unity Catalog',
    instead:
      'Keep changes in a table by a trigger, and read that; logical decoding is not available here.',
    methods: [
      ['POST', cdf],
      ['GET', cdf],
      ['GET', `${cdf}/{config}`],
      ['DELETE', `${cdf}/{config}`],
      ['GET', `${cdf}/{config}/cdf-statuses`],
      ['GET', `${cdf}/{config}/cdf-statuses/{status}`],
    ],
  },
  {
    what: 'Forward ETL',
    instead:
      'Read the branch with a READ_ONLY credential, and write what you need where you need it.',
    methods: [
      ['GET', `${branch}/forward-etl`],
      ['DELETE', `${branch}/forward-etl`],
      ['GET', `${branch}/forward-etl/metadata`],
      ['DELETE', `${branch}/forward-etl/configuration`],
    ],
  },
  {
    what: 'A replication group',
    instead:
      'This server is one machine. Take snapshots, and back the state directory up elsewhere.',
    methods: [
      ['POST', replication],
      ['GET', replication],
      ['GET', `${replication}/{group}`],
      ['PATCH', `${replication}/{group}`],
      ['DELETE', `${replication}/{group}`],
      ['POST', `${replication}/{group}/failover`],
      ['POST', `${replication}/{group}/switchover`],
    ],
  },
  {
    what: 'A recovery branch',
    instead:
      'It is what a failover leaves behind, and there is none on one machine. Branch from a snapshot: spec.source_snapshot.',
    methods: [
      ['GET', recovery],
      ['GET', `${recovery}/{recovery}`],
      ['DELETE', `${recovery}/{recovery}`],
      ['POST', `${recovery}/{recovery}/inspect`],
    ],
  },
]

export const notServedRoutes: readonly Route[] = notServed.flatMap(({ what, instead, methods }) =>
  methods.map(([method, path]) =>
    route({
      method,
      path: `${base}${path}`,
      summary: `Not available: ${what}`,
      access: 'identity',
      handle() {
        throw new Fault('NOT_IMPLEMENTED', { what, instead })
      },
    }),
  ),
)
