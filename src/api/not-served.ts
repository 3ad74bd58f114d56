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
  readonly methods: readonly (readonly [method: Method, path: string, operationId: string])[]
}

const project = '/projects/{project}'
const branch = `${project}/branches/{branch}`
const database = `${branch}/databases/{database}`
const dataApi = `${database}/data-api`
const cdf = `${database}/cdf-configs`
const recovery = `${project}/preview/recovery-branches`
const replication = `${project}/preview/replication-groups`

export const notServed: readonly NotServed[] = [
  {
    what: 'Registering a database in Unity Catalog',
    instead: 'Databases of a branch are reached over the Postgres protocol alone.',
    methods: [
      ['POST', '/catalogs', 'createCatalog'],
      ['GET', '/catalogs/{catalog}', 'getCatalog'],
      ['DELETE', '/catalogs/{catalog}', 'deleteCatalog'],
    ],
  },
  {
    what: 'Syncing a Unity Catalog table into a branch',
    instead:
      'Load the table with COPY … FROM STDIN, or with a pipeline of your own that writes to Postgres.',
    methods: [
      ['POST', '/synced_tables', 'createSyncedTable'],
      ['GET', '/synced_tables/{table}', 'getSyncedTable'],
      ['DELETE', '/synced_tables/{table}', 'deleteSyncedTable'],
    ],
  },
  {
    what: 'Managing tables over the API',
    instead: 'Use SQL on the branch: CREATE TABLE, DROP TABLE, and pg_catalog to look.',
    methods: [
      ['POST', '/tables', 'createTable'],
      ['GET', '/tables/{table}', 'getTable'],
      ['DELETE', '/tables/{table}', 'deleteTable'],
    ],
  },
  {
    what: 'The Data API (HTTP access to tables)',
    instead:
      'Connect over the Postgres protocol, or run PostgREST beside the server with a credential.',
    methods: [
      ['POST', dataApi, 'createDataApi'],
      ['GET', dataApi, 'getDataApi'],
      ['PATCH', dataApi, 'updateDataApi'],
      ['DELETE', dataApi, 'deleteDataApi'],
    ],
  },
  {
    what: 'A change data feed into Unity Catalog',
    instead:
      'Keep changes in a table by a trigger, and read that; logical decoding is not available here.',
    methods: [
      ['POST', cdf, 'createCdfConfig'],
      ['GET', cdf, 'listCdfConfigs'],
      ['GET', `${cdf}/{config}`, 'getCdfConfig'],
      ['DELETE', `${cdf}/{config}`, 'deleteCdfConfig'],
      ['GET', `${cdf}/{config}/cdf-statuses`, 'listCdfStatuses'],
      ['GET', `${cdf}/{config}/cdf-statuses/{status}`, 'getCdfStatus'],
    ],
  },
  {
    what: 'Reading the password of a role',
    instead:
      'Passwords are kept as verifiers only. Give the role a new one, which is shown once: POST …/roles/{role}/renew-password.',
    methods: [['POST', `${branch}/roles/{role}/password`, 'revealRolePassword']],
  },
  {
    what: 'Forward ETL',
    instead:
      'Read the branch with a READ_ONLY credential, and write what you need where you need it.',
    methods: [
      ['GET', `${branch}/forward-etl`, 'getForwardEtlStatus'],
      ['DELETE', `${branch}/forward-etl`, 'disableForwardEtl'],
      ['GET', `${branch}/forward-etl/metadata`, 'getForwardEtlMetadata'],
      ['DELETE', `${branch}/forward-etl/configuration`, 'deleteForwardEtlConfiguration'],
    ],
  },
  {
    what: 'A replication group',
    instead:
      'This server is one machine. Take snapshots, and back the state directory up elsewhere.',
    methods: [
      ['POST', replication, 'createReplicationGroup'],
      ['GET', replication, 'listReplicationGroups'],
      ['GET', `${replication}/{group}`, 'getReplicationGroup'],
      ['PATCH', `${replication}/{group}`, 'updateReplicationGroup'],
      ['DELETE', `${replication}/{group}`, 'deleteReplicationGroup'],
      ['POST', `${replication}/{group}/failover`, 'failoverReplicationGroup'],
      ['POST', `${replication}/{group}/switchover`, 'switchoverReplicationGroup'],
    ],
  },
  {
    what: 'A recovery branch',
    instead:
      'It is what a failover leaves behind, and there is none on one machine. Branch from a snapshot: spec.source_snapshot.',
    methods: [
      ['GET', recovery, 'listRecoveryBranches'],
      ['GET', `${recovery}/{recovery}`, 'getRecoveryBranch'],
      ['DELETE', `${recovery}/{recovery}`, 'deleteRecoveryBranch'],
      ['POST', `${recovery}/{recovery}/inspect`, 'inspectRecoveryBranch'],
    ],
  },
]

export const notServedRoutes: readonly Route[] = notServed.flatMap(({ what, instead, methods }) =>
  methods.map(([method, path, operationId]) =>
    route({
      method,
      path: `${base}${path}`,
      summary: `Not available: ${what}`,
      operationId,
      tag: 'Neighbours',
      reply: {},
      refusals: ['NOT_IMPLEMENTED'],
      access: 'identity',
      handle() {
        throw new Fault('NOT_IMPLEMENTED', { what, instead })
      },
    }),
  ),
)
