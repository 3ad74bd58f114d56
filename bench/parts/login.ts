/** Part 10: what the gateway adds to a login. */
import type { Part } from '../bench.ts'
import { freshId } from '../create-timing.ts'
import { connect, connectToSocket, prepareLogin, socketOf, timeFirstRow, wake } from '../login.ts'
import { timingColumns, timingRow } from '../tables.ts'

export const login: Part = {
  name: 'login',
  title: 'Login on an awake endpoint: connect → first row',
  async run(bench) {
    const { server, sources } = await bench.main()
    const source = await sources.ofSize(bench.options.source)
    const { name } = await server.createBranch('projects/store', freshId(), source.name)
    await wake(server, name)
    const prepared = await prepareLogin(server, name)
    const socket = await socketOf(server, name)
    const rounds = await bench.repeat(
      async () => ({
        gateway: await timeFirstRow(() => connect(prepared)),
        socket: await timeFirstRow(() => connectToSocket(socket)),
      }),
      bench.options.runs * 5,
    )
    await server.purge(name)
    return {
      tables: [
        {
          columns: timingColumns,
          rows: [
            timingRow(
              'Through the gateway: TLS, credential',
              rounds.map(({ gateway }) => gateway),
            ),
            timingRow(
              'Straight to the Unix socket: no TLS, no password',
              rounds.map(({ socket: direct }) => direct),
            ),
          ],
        },
      ],
      explain: ['The same client (Node, pg) and the same SELECT; in turns.'],
    }
  },
}
