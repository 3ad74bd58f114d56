/**
 * A database out of the pool. To connect to the pool's socket is to claim, and the claim lasts as long as the connection: when this
 * process ends, in whatever way, the database goes. The pool writes lines of JSON: the access, and again whenever the credential
 * in it is renewed.
 */
import { connect, type Socket } from 'node:net'
import { TestPoolProblem } from './test-pool-problem.ts'

/** What the pool writes; variables are named as `lakelet.toml` says. */
export interface Access {
  readonly url: string
  readonly host: string
  readonly port: string
  readonly database: string
  readonly user: string
  readonly password: string
  readonly sslrootcert: string
  readonly branch: string
  readonly variables: Readonly<Record<string, string>>
}

export class TestDatabase {
  readonly #socket: Socket
  readonly #newest: () => Access

  /** Of `claimDatabase` alone. */
  constructor(socket: Socket, newest: () => Access) {
    this.#socket = socket
    this.#newest = newest
  }

  /** For any client, password included: of this moment. It is renewed a quarter of an hour before it ends, so ask again. */
  get url(): string {
    return this.#newest().url
  }

  get host(): string {
    return this.#newest().host
  }

  get port(): number {
    return Number(this.#newest().port)
  }

  /** Its name inside of Postgres. */
  get database(): string {
    return this.#newest().database
  }

  get user(): string {
    return this.#newest().user
  }

  /** Of this moment, as in `url`. Give drivers a function: `password: () => database.password`. */
  get password(): string {
    return this.#newest().password
  }

  /** File of the authority that signed the server's certificate; `undefined`: one that the system trusts. */
  get caFile(): string | undefined {
    return this.#newest().sslrootcert === '' ? undefined : this.#newest().sslrootcert
  }

  /** Full name of the branch that holds it. */
  get branch(): string {
    return this.#newest().branch
  }

  /** As programs read them from their environment: DATABASE_URL, PGHOST, …, or the names of lakelet.toml. */
  get variables(): Readonly<Record<string, string>> {
    return this.#newest().variables
  }

  /** Ends its sessions and removes it, in the background. */
  async release(): Promise<void> {
    this.#socket.destroy()
  }
}

/** The variable by which the pool's owner tells workers where its socket is. */
export const poolVariable = 'LAKELET_TEST_POOL'

/**
 * A database that nobody else has, a copy of the migrated template; held until `release` or the end of this process. Waits for
 * the pool when none is ready. Rejects with TestPoolProblem.
 */
export function claimDatabase(): Promise<TestDatabase> {
  const path = process.env[poolVariable]
  if (path === undefined || path === '') {
    return Promise.reject(
      new TestPoolProblem(
        'there is no test pool to take a database from',
        'Name @lakelet/testing/setup as globalSetup of the test runner, or run the tests with: lakelet test -- CMD',
      ),
    )
  }
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    let access: Access
    let text = ''
    const ended = (cause?: unknown) =>
      reject(
        new TestPoolProblem(
          'the test pool has ended, so there are no databases any more',
          'See what lakelet test has said, and run the tests again.',
          { cause },
        ),
      )
    socket.once('error', ended)
    socket.once('close', () => ended())
    socket.setEncoding('utf8').on('data', (piece: string) => {
      text += piece
      const lines = text.split('\n')
      text = lines.pop() ?? ''
      for (const line of lines) {
        const said: Access | { readonly error: string; readonly hint?: string } = JSON.parse(line)
        if ('error' in said) return reject(new TestPoolProblem(said.error, said.hint))
        access = said
        socket.unref() // tests that forget to release it end all the same
        resolve(new TestDatabase(socket, () => access)) // of the first line; others renew it
      }
    })
  })
}
