/** Flyway, whose `clean` and whose wish for an empty schema `public` are the strictest of all. */
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createLog } from '../../src/lib/log.ts'
import { run } from '../../src/lib/subprocess.ts'
import { minutes, systemClock } from '../../src/lib/time.ts'
import { openRoles } from '../../src/roles/open-roles.ts'
import {
  type ThrowawayPostgres,
  throwawayPostgres,
} from '../../src/roles/throwaway-cluster.fixture.ts'

// Maven fetches Flyway itself, so this proof is run on request: LAKELET_TEST_FLYWAY=1.
const isWanted = process.env.LAKELET_TEST_FLYWAY !== undefined

/** JDBC speaks TCP only: a loopback port that leads to the Unix socket. */
async function bridge(socketPath: string): Promise<{ readonly port: number; close(): void }> {
  const server = createServer((client) => {
    const upstream = connect(socketPath)
    client.pipe(upstream).pipe(client)
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      one.on('error', () => other.destroy())
      one.on('close', () => other.destroy())
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return { port: address.port, close: () => server.close() }
}

describe.skipIf(!isWanted)('Flyway', () => {
  const roles = openRoles({ clock: systemClock, log: createLog('test') })
  let postgres: ThrowawayPostgres
  let tcp: Awaited<ReturnType<typeof bridge>>

  const flyway = (goal: string, user: string, target = '') =>
    run(
      'mvn',
      [
        ...['-B', '-q', `org.flywaydb:flyway-maven-plugin:10.22.0:${goal}`],
        `-Dflyway.url=jdbc:postgresql://127.0.0.1:${tcp.port}/databricks_postgres`,
        `-Dflyway.user=${user}`,
        '-Dflyway.password=unused',
        ...(target === '' ? [] : [`-Dflyway.target=${target}`]),
      ],
      { cwd: join(import.meta.dirname, 'flyway'), patience: minutes(5) },
    )

  beforeAll(async () => {
    postgres = await throwawayPostgres(17)
    const { socketDirectory } = await postgres.create()
    await roles.prepareCluster(socketDirectory)
    for (const loginName of ['a@x.example', 'b@x.example']) {
      await roles.ensureManager(socketDirectory, { loginName, kind: 'USER' })
    }
    tcp = await bridge(join(socketDirectory, '.s.PGSQL.5432'))
  })
  afterAll(async () => {
    tcp?.close()
    await postgres?.remove()
  })

  test('one member migrates, another goes on and cleans', async () => {
    await flyway('migrate', 'a@x.example', '1')
    await flyway('migrate', 'b@x.example')
    expect(await flyway('info', 'a@x.example', '2')).not.toContain('Pending')
    await flyway('validate', 'a@x.example')
    await flyway('clean', 'a@x.example')
    await flyway('migrate', 'b@x.example')
  }, 600_000)
})
