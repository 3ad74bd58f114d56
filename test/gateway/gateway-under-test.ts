/** The gateway with a server played in-process, in front of a real Postgres. */
import { spawn } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { connect as connectTcp, type Socket } from 'node:net'
import { join } from 'node:path'
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls'
import { pino } from 'pino'
import type {
  Challenge,
  GatewayLink,
  SessionAnswer,
  SessionAsk,
  SessionGrant,
  SessionRequest,
} from '../../src/actions/session.ts'
import { Fault, toRecord } from '../../src/domain/faults.ts'
import { layoutOf } from '../../src/domain/layout.ts'
import type { EndpointUid, IdentityUid } from '../../src/domain/names.ts'
import { type Gateway, startGateway } from '../../src/gateway/gateway.ts'
import type { GatewayLimits } from '../../src/gateway/limits.ts'
import { systemClock } from '../../src/lib/time.ts'
import type { CertificateAuthority } from '../../src/ports/tokens.ts'
import { openCertificateAuthority } from '../../src/tokens/certificate-authority.ts'
import { ByteQueue } from '../../src/wire/byte-queue.ts'
import { parseServerMessage, type ServerMessage } from '../../src/wire/server-message.ts'
import { printStartPacket, type Startup } from '../../src/wire/start-packet.ts'
import { takeTypedMessage } from '../../src/wire/typed-message.ts'
import type { RealPostgres } from './real-postgres.ts'

export const endpoint = 'ep-green-field' as EndpointUid
export const host = `${endpoint}.localhost`
export const token = 'a-token-that-is-good'
export const user = 'ada@example.com'
/** An endpoint's own loopback address. */
export const ownAddress = '127.88.7.1'

/** Plays the server: one endpoint, one token, password roles as Postgres knows them. */
export class TestServer implements GatewayLink {
  readonly asks: SessionAsk[] = []
  readonly requests: SessionRequest[] = []
  readonly closedEndpoints: string[] = []
  /** What the gateway judged by itself. */
  readonly refusedProofs: string[] = []
  granted = 0
  certificates = 0
  /** What `open` waits for, as for a compute that wakes. */
  wake: () => Promise<void> = async () => undefined
  socketPath: string

  readonly #postgres: RealPostgres
  readonly #authority: CertificateAuthority

  constructor(postgres: RealPostgres, authority: CertificateAuthority) {
    this.#postgres = postgres
    this.#authority = authority
    this.socketPath = postgres.socketPath
  }

  async challenge(ask: SessionAsk): Promise<Challenge> {
    this.asks.push(ask)
    const [found] = await this.#postgres.query(
      'select rolpassword from pg_authid where rolname = $1 and rolpassword is not null',
      [ask.user],
    )
    const parts = /^SCRAM-SHA-256\$(\d+):([^$]+)\$([^:]+):(.+)$/.exec(String(found?.rolpassword))
    if (parts === null) return { kind: 'password' }
    const [, iterations, salt = '', storedKey = '', serverKey = ''] = parts
    const verifier = { iterations: Number(iterations), salt, storedKey, serverKey }
    return { kind: 'scram', endpoint, verifier }
  }

  /** Every session is held by an identity whose uid is its role's name. */
  #grantTo(role: string, socketPath: string): SessionGrant {
    const holder = { identity: role as IdentityUid, group: undefined, right: 'manager' } as const
    return { id: `session-${this.granted}`, holder, endpoint, socketPath, role }
  }

  async open(request: SessionRequest): Promise<SessionAnswer> {
    this.requests.push(request)
    if (request.proof.kind === 'password' && request.proof.password !== token) {
      const fault = new Fault('LOGIN_FAILED', { user: request.user })
      return { kind: 'refused', fault: toRecord(fault) }
    }
    await this.wake()
    this.granted += 1
    const { socketPath } = this
    return { kind: 'granted', grant: this.#grantTo(request.user, socketPath) }
  }

  async certificate(serverName: string | undefined) {
    this.certificates += 1
    const names = ['localhost', host, ...(serverName === undefined ? [] : [serverName])]
    return this.#authority.leaf(names, ['127.0.0.1', ownAddress])
  }

  refused({ user: name }: { readonly user: string }, reason: string): void {
    this.refusedProofs.push(`${name}: ${reason}`)
  }

  closed(closed: EndpointUid): void {
    this.closedEndpoints.push(closed)
  }

  /** Each grant was followed by exactly one `closed`. */
  get isEven(): boolean {
    return this.granted === this.closedEndpoints.length
  }
}

export interface UnderTest {
  readonly gateway: Gateway
  readonly server: TestServer
  readonly postgres: RealPostgres
  readonly ca: string
  readonly caFile: string
  readonly errors: string[]
}

export async function startUnderTest(
  postgres: RealPostgres,
  limits: Partial<GatewayLimits> = {},
): Promise<UnderTest> {
  const layout = layoutOf(join(postgres.directory, 'state'))
  await mkdir(layout.root, { recursive: true })
  const authority = await openCertificateAuthority({ layout, clock: systemClock })
  const caFile = join(postgres.directory, 'ca.crt')
  await writeFile(caFile, authority.certificate)
  const server = new TestServer(postgres, authority)
  const errors: string[] = []
  // An error line means that a human must look: a test that makes one has found something.
  const log = pino({ level: 'error' }, { write: (line: string) => void errors.push(line) })
  const gateway = await startGateway({ link: server, port: 0, log, clock: systemClock, limits })
  return { gateway, server, postgres, ca: authority.certificate, caFile, errors }
}

export async function prepareRoles(postgres: RealPostgres): Promise<void> {
  await postgres.query(`create role "${user}" login superuser`)
  await postgres.query(`create role scram_role login password 'pencil ünïcode'`)
  await postgres.query('create database databricks_postgres')
}

export interface CommandResult {
  readonly code: number | null
  readonly stdout: Buffer
  readonly stderr: string
}

/** psql, with everything about the connection in `conninfo`. */
export function psql(
  conninfo: string,
  args: readonly string[],
  {
    password = token,
    stdin,
    env = {},
    onStart,
  }: {
    password?: string
    stdin?: Buffer
    env?: Readonly<Record<string, string>>
    onStart?: (interrupt: () => void) => void
  } = {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn('psql', ['-X', '-q', '-A', '-t', '-d', conninfo, ...args], {
      env: { PATH: process.env.PATH ?? '', PGPASSWORD: password, PGCONNECT_TIMEOUT: '20', ...env },
    })
    const stdout: Buffer[] = []
    let stderr = ''
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString()
    })
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, stdout: Buffer.concat(stdout), stderr }))
    child.stdin.on('error', () => undefined)
    child.stdin.end(stdin)
    onStart?.(() => void child.kill('SIGINT'))
  })
}

export const conninfo = ({ gateway }: UnderTest, more = ''): string =>
  `host=127.0.0.1 port=${gateway.port} user=${user} dbname=postgres sslmode=require ${more}`

/** A client that speaks the protocol byte by byte. */
export class RawClient {
  readonly socket: Socket
  readonly received: ServerMessage[] = []
  readonly closed: Promise<void>
  readonly #queue = new ByteQueue()
  readonly #tcp: Socket
  #wakers: (() => void)[] = []
  #raw: Buffer = Buffer.alloc(0)
  #isProtocol = false

  constructor(socket: Socket, isProtocol: boolean, tcp = socket) {
    this.socket = socket
    this.#tcp = tcp
    this.#isProtocol = isProtocol
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => {
      if (this.#isProtocol) this.#take(chunk)
      else this.#raw = Buffer.concat([this.#raw, chunk])
      this.#wake()
    })
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()))
    void this.closed.then(() => this.#wake())
  }

  static async plain({ gateway }: UnderTest): Promise<RawClient> {
    const socket = connectTcp(gateway.port, '127.0.0.1')
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    return new RawClient(socket, false)
  }

  /** Through SSLRequest, or at once. */
  static async secure(
    under: UnderTest,
    options: ConnectionOptions & { readonly isDirect?: boolean } = {},
  ): Promise<RawClient> {
    const plain = await RawClient.plain(under)
    if (options.isDirect !== true) {
      plain.socket.write(printStartPacket({ kind: 'ssl-request' }))
      await plain.bytes(1)
    }
    plain.socket.removeAllListeners('data')
    const socket: TLSSocket = connectTls({
      socket: plain.socket,
      ca: under.ca,
      servername: host,
      ...options,
    })
    const client = new RawClient(socket, true, plain.socket)
    await new Promise<void>((resolve, reject) => {
      socket.once('secureConnect', resolve).once('error', reject)
      socket.once('close', () => reject(new Error('closed')))
    })
    return client
  }

  /** Everything after this is read as messages: a refusal in the clear. */
  expectProtocol(): void {
    this.#isProtocol = true
  }

  /** Cuts the connection off, as a crash of the client's machine does. */
  reset(): void {
    this.#tcp.resetAndDestroy()
  }

  startup(parameters: Startup['parameters'], minor = 0): void {
    this.socket.write(
      printStartPacket({ kind: 'startup', startup: { major: 3, minor, parameters } }),
    )
  }

  /** The first message of a kind, waited for until the connection closes. */
  async message<K extends ServerMessage['kind']>(
    kind: K,
  ): Promise<Extract<ServerMessage, { kind: K }>> {
    for (;;) {
      const found = this.received.find(
        (message): message is Extract<ServerMessage, { kind: K }> => message.kind === kind,
      )
      if (found !== undefined) return found
      if (this.socket.closed) throw new Error(`closed without ${kind}`)
      await new Promise<void>((resolve) => this.#wakers.push(resolve))
    }
  }

  async sqlstate(): Promise<string | undefined> {
    return (await this.message('error-response')).fields.get('C')
  }

  async bytes(count: number): Promise<Buffer> {
    while (this.#raw.length < count && !this.socket.closed) {
      await new Promise<void>((resolve) => this.#wakers.push(resolve))
    }
    return this.#raw
  }

  #take(chunk: Buffer): void {
    this.#queue.push(chunk)
    for (;;) {
      const message = takeTypedMessage(this.#queue, 1 << 24)
      if (message === undefined) return
      try {
        this.received.push(parseServerMessage(message))
      } catch {
        // a message of a session, which these tests count on psql to read
      }
    }
  }

  #wake(): void {
    const wakers = this.#wakers
    this.#wakers = []
    for (const wake of wakers) wake()
  }
}
