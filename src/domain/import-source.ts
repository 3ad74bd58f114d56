/**
 * Where an import reads from: a Postgres URL taken apart by us, so that nothing in it reaches a program
 * but what is named here. Above all no paths: `passfile`, `sslkey` and their like would read files of the
 * server for whoever may import.
 */
import { Fault } from './faults.ts'

export interface ImportSource {
  /** A name, an address, or the directory of a Unix socket. */
  readonly host: string
  readonly port: number
  readonly user: string
  /** `undefined`: none is sent. */
  readonly password: string | undefined
  readonly database: string
  /** Other parameters of libpq. */
  readonly parameters: Readonly<Record<string, string>>
}

export const isSocketDirectory = (host: string): boolean => host.startsWith('/')

/** Of libpq's parameters, those that name nothing of the server's machine. */
const allowed: ReadonlySet<string> = new Set([
  'application_name',
  'channel_binding',
  'client_encoding',
  'connect_timeout',
  'gssencmode',
  'keepalives',
  'keepalives_idle',
  'options',
  'sslmode',
  'target_session_attrs',
])

const URL_FORM =
  /^postgres(?:ql)?:\/\/(?:(?<userinfo>[^/?#]*)@)?(?<place>[^/?#@]*)(?:\/(?<path>[^?#]*))?(?:\?(?<query>[^#]*))?$/

export function parseImportSource(text: string): ImportSource {
  if (text.length > 4096) refuse('it has more than 4096 characters')
  if (/[\u0000-\u0020\u007f]/.test(text)) refuse('it holds a blank or a control character')
  const parts = URL_FORM.exec(text)?.groups
  if (parts === undefined) refuse('it is not a URL of the scheme postgres')
  const { userinfo = '', place = '', path = '', query = '' } = parts ?? {}
  const colon = userinfo.indexOf(':')
  const given: Record<string, string> = {}
  for (const pair of query.split('&').filter(Boolean)) {
    const equals = pair.indexOf('=')
    if (equals < 1) refuse('a parameter after the question mark has no value')
    const name = decode(pair.slice(0, equals))
    if (name in given) refuse(`the parameter ${safe(name)} is there twice`)
    given[name] = decode(pair.slice(equals + 1))
  }
  const take = (name: string): string | undefined => {
    const value = given[name]
    delete given[name]
    return value
  }
  const { host: placeHost, port: placePort } = parsePlace(place)
  const host = take('host') ?? placeHost
  const port = take('port') ?? placePort ?? '5432'
  const user = take('user') ?? decode(colon === -1 ? userinfo : userinfo.slice(0, colon))
  const password =
    take('password') ?? (colon === -1 ? undefined : decode(userinfo.slice(colon + 1)))
  const database = (take('dbname') ?? decode(path)) || user
  if (host === '') refuse('it names no host')
  if (host.includes(',')) refuse('it names several hosts, and one is read')
  if (!/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65_535) {
    refuse('its port is not a number from 1 to 65535')
  }
  if (user === '') refuse('it names no user')
  const unknown = Object.keys(given).find((name) => !allowed.has(name))
  if (unknown !== undefined) {
    refuse(`the parameter ${safe(unknown)} is not taken; these are: ${[...allowed].join(', ')}`)
  }
  return {
    host,
    port: Number(port),
    user,
    password: password === '' ? undefined : password,
    database,
    parameters: given,
  }
}

function parsePlace(place: string): { readonly host: string; readonly port: string | undefined } {
  const bracketed = /^\[([0-9a-fA-F:.]+)\](?::(.*))?$/.exec(place)
  if (bracketed !== null) return { host: bracketed[1] ?? '', port: bracketed[2] }
  const [host = '', port, more] = place.split(':')
  if (more !== undefined) refuse('its host holds a colon: write IPv6 addresses in brackets')
  return { host: decode(host), port: port === '' ? undefined : port }
}

function decode(text: string): string {
  let plain: string
  try {
    plain = decodeURIComponent(text)
  } catch {
    return refuse('it is not percent-encoded right')
  }
  return plain.includes('\0') ? refuse('it holds a NUL byte') : plain
}

/** A part of what was sent, as a refusal may show it. */
const safe = (text: string): string => text.replace(/[^\w.-]/g, '?').slice(0, 40)

/** Never with the address: a password is in it. */
function refuse(problem: string): never {
  throw new Fault('SOURCE_UNREADABLE', { problem })
}

/** Keyword and value pairs as libpq reads them, without the password, which has no place in arguments. */
export function connectionText(
  source: Pick<ImportSource, 'host' | 'user' | 'database'> & Partial<ImportSource>,
): string {
  const { host, port = 5432, user, database, parameters = {} } = source
  const pairs = { connect_timeout: '10', ...parameters, host, port, user, dbname: database }
  return Object.entries(pairs)
    .map(([name, value]) => `${name}='${String(value).replace(/['\\]/g, '\\$&')}'`)
    .join(' ')
}

/** What a Postgres program said, as a client may read it: no address, no password, one line. */
export function sayProblem(text: string, secret: string | undefined): string {
  const lines = text.split('\n').map((line) => line.trim())
  const telling = lines.filter((line) => /(error|FATAL|PANIC):|^(DETAIL|HINT):/i.test(line))
  const told = telling.length > 0 ? telling : lines.filter((line) => line !== '').slice(-1)
  const each = new Set(told.map(withoutAddress))
  const plain = [...each].slice(0, 2).join('. ')
  const shown = secret === undefined || secret.length < 3 ? plain : plain.replaceAll(secret, '***')
  return shown.slice(0, 400) || 'no reason was given'
}

const withoutAddress = (line: string): string =>
  line
    .replace(/\b(psql|pg_dump|pg_restore): (\[[^\]]*\] )?(error: )?/g, '')
    .replace(/connection to server (at|on socket) "[^"]*"( \([^)]*\))?(, port \d+)? failed: /g, '')
    .replace(/could not translate host name "[^"]*" to address/g, 'its host name is unknown')
    .replace(/\s+/g, ' ')
    .replace(/[.:;\s]+$/, '')
