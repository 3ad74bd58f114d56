/**
 * Fields of requests as schemas: each reads what clients send, says what is wrong in a sentence, and
 * carries the JSON Schema of its contract form for the API document.
 */
import { z } from 'zod'
import { smallestCu } from '../domain/cu.ts'
import { parseTolerantDuration, sayDuration } from '../domain/duration.ts'
import { Fault } from '../domain/faults.ts'
import { type Lsn, parseLsn } from '../domain/lsn.ts'
import { CHILD_ID_PATTERN, ID_PATTERN } from '../domain/names.ts'
import { parseTimestamp, parseTimestampMicros } from '../domain/timestamp.ts'
import type { EpochMicros, EpochMs, Millis } from '../lib/time.ts'

/** What a reader answers in place of a value. */
class Wrong {
  readonly problem: string

  constructor(problem: string) {
    this.problem = problem
  }
}
const wrong = (problem: string): Wrong => new Wrong(problem)

/** A schema whose reading is ours and whose document is `shape`. */
function field<T>(shape: z.core.JSONSchema.BaseSchema, read: (value: unknown) => T | Wrong) {
  return z
    .unknown()
    .transform((value, context): T => {
      const result = read(value)
      if (!(result instanceof Wrong)) return result
      context.addIssue({ code: 'custom', message: result.problem })
      return z.NEVER
    })
    .meta({ ...shape })
}

const hasControl = (text: string): boolean => /[\u0000-\u001f\u007f]/.test(text)

/** A single line of text; its length is counted in characters, not in UTF-16 units. */
export const line = (min: number, max: number) =>
  field({ type: 'string', minLength: min, maxLength: max }, (value) => {
    if (typeof value !== 'string') return wrong('it must be a string')
    const length = [...value.slice(0, max * 2 + 2)].length
    if (length < min || length > max) return wrong(`it must have ${min} to ${max} characters`)
    return hasControl(value) ? wrong('it holds a control character') : value
  })

/** A line of a form that a pattern tells; `problem` says it in words. */
export const lineLike = (max: number, pattern: string, problem: string) => {
  const form = new RegExp(pattern)
  return field({ type: 'string', pattern, maxLength: max }, (value) => {
    if (typeof value !== 'string' || !form.test(value)) return wrong(problem)
    if (value.length > max) return wrong(`it must have at most ${max} characters`)
    return hasControl(value) ? wrong('it holds a control character') : value
  })
}

export const flag = field({ type: 'boolean' }, (value) =>
  typeof value === 'boolean' ? value : wrong('it must be true or false'),
)

/** A JSON number, or its digits in quotes as protobuf's JSON writes 64-bit ones. */
export const integer = (min: number, max: number) =>
  field({ type: 'integer', minimum: min, maximum: max }, (value) => {
    const number = typeof value === 'string' && /^-?\d{1,15}$/.test(value) ? Number(value) : value
    if (typeof number !== 'number' || !Number.isSafeInteger(number)) {
      return wrong('it must be a whole number')
    }
    return number < min || number > max ? wrong(`it must be ${min} to ${max}`) : number
  })

export const computeUnits = field(
  { type: 'number', minimum: smallestCu }, // the largest is a setting
  (value) => {
    if (typeof value !== 'number' || !Number.isFinite(value)) return wrong('it must be a number')
    return value < smallestCu ? wrong(`it must be at least ${smallestCu}`) : value
  },
)

/** `format: duration` would mean ISO 8601 (`PT6H`), so the pattern says what it is. */
export const durationShape = {
  type: 'string',
  pattern: '^[0-9]{1,12}([.][0-9]{1,9})?s$',
  description: 'Decimal seconds with an `s`, as in JSON of google.protobuf.Duration.',
} as const

export const duration = (min: Millis, max: Millis, example: string) =>
  field<Millis>({ ...durationShape, examples: [example] }, (value) => {
    const length = parseTolerantDuration(value)
    if (length === undefined) return wrong(`it must be a duration in seconds, such as "${example}"`)
    return length < min || length > max
      ? wrong(
          `it must be ${min / 1000}s (${sayDuration(min)}) to ${max / 1000}s (${sayDuration(max)})`,
        )
      : length
  })

/** Any duration: its range is judged elsewhere. */
export const anyDuration = (example: string) =>
  field<Millis>({ ...durationShape, examples: [example] }, (value) => {
    const length = parseTolerantDuration(value)
    return length ?? wrong(`it must be a duration in seconds, such as "${example}"`)
  })

export const timestamp = field<EpochMs>({ type: 'string', format: 'date-time' }, (value) => {
  const moment = typeof value === 'string' ? parseTimestamp(value) : undefined
  return moment ?? wrong('it must be a time in RFC 3339, such as "2030-01-31T12:00:00Z"')
})

/** The same to the microsecond, as Postgres stamps commits; what is finer is rounded down. */
export const preciseTimestamp = field<EpochMicros>(
  { type: 'string', format: 'date-time', examples: ['2030-01-31T12:00:00.123456Z'] },
  (value) => {
    const moment = typeof value === 'string' ? parseTimestampMicros(value) : undefined
    return moment ?? wrong('it must be a time in RFC 3339, such as "2030-01-31T12:00:00.123456Z"')
  },
)

export const logPosition = field<Lsn>({ type: 'string', examples: ['16/B374D848'] }, (value) => {
  const position = typeof value === 'string' ? parseLsn(value) : undefined
  return position ?? wrong('it must be a log position, such as "16/B374D848"')
})

/** A name of a resource as it stands; who uses it parses it. */
export const reference = (example: string) =>
  field({ type: 'string', examples: [example] }, (value) => {
    if (typeof value !== 'string') return wrong('it must be a string')
    return value.length > 400 || hasControl(value)
      ? wrong(`it must be a name such as "${example}"`)
      : value
  })

/** A name in Postgres as it stands; which ones may be, the action decides. */
export const sqlName = (example: string) =>
  field<string>({ type: 'string', maxLength: 63, examples: [example] }, (value) =>
    typeof value === 'string' ? value : wrong('it must be a string'),
  )
/** The id that a create gives to what it makes: required, and judged before the body. */
export const newId = <Id>(what: string, example: string, parse: (text: string | undefined) => Id) =>
  z
    .unknown()
    .transform((value) => parse(typeof value === 'string' ? value : undefined))
    .meta({
      type: 'string',
      pattern: ID_PATTERN,
      description: `Id of the new ${what}.`,
      examples: [example],
    })

/** The same for a role or database: the server chooses when there is none. */
export const newChildId = <Id>(
  what: string,
  example: string,
  parse: (text: string | undefined) => Id,
) =>
  z
    .unknown()
    .transform((value) => (typeof value === 'string' && value !== '' ? parse(value) : undefined))
    .meta({ type: 'string', pattern: CHILD_ID_PATTERN, examples: [example] })
    .optional()
    .describe(`Id of the new ${what}. Default: taken from its name in Postgres.`)

/** Nobody sets these: without them not even what was acknowledged long ago outlives a crash. */
const alwaysOn: ReadonlySet<string> = new Set(['fsync', 'full_page_writes'])

const SETTING_NAME = /^[a-z_][a-z0-9_.]{0,127}$/

export const pgSettings = field<Readonly<Record<string, string>>>(
  { type: 'object', additionalProperties: { type: 'string' } },
  (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      return wrong('it must be an object of setting names and values')
    }
    const entries = Object.entries(value)
    if (entries.length > 500) return wrong('it must hold at most 500 settings')
    for (const [name, setting] of entries) {
      if (!SETTING_NAME.test(name) || name === '__proto__') {
        return wrong(`'${name.slice(0, 64)}' is not the name of a setting, in lower case`)
      }
      if (typeof setting !== 'string') {
        return wrong(`the value of ${name} must be a string, such as "64MB", "10" or "on"`)
      }
      if (alwaysOn.has(name) && !/^(on|true|yes|1)$/i.test(setting)) {
        return wrong(
          `${name} stays on; for quicker commits set durability of the branch to relaxed`,
        )
      }
      if (setting.length > 1000 || hasControl(setting)) {
        return wrong(`the value of ${name} must be one line of at most 1000 characters`)
      }
    }
    return value as Readonly<Record<string, string>>
  },
)

/** Which fields an update changes; the API document lists the paths of the route's mask. */
export const maskQuery = z.object({ update_mask: z.string().optional() })

/** One of these words, in lower or upper case. */
export const word = <const Words extends readonly string[]>(words: Words) =>
  field<Words[number]>({ type: 'string', pattern: inAnyCase(words) }, (value) => {
    const known = words.find((one) => typeof value === 'string' && one === value.toLowerCase())
    return known ?? wrong(`it must be one of ${words.join(', ')}`)
  })

const inAnyCase = (words: readonly string[]): string =>
  `^(${words.map((one) => one.replace(/[a-z]/g, (c) => `[${c}${c.toUpperCase()}]`)).join('|')})$`

/** A boolean in a query: `true` or `false`, nothing else. */
export const queryFlag = field({ type: 'boolean' }, (value) => {
  if (value === 'true') return true
  return value === 'false' ? false : wrong('it must be true or false')
})

/** Reads a whole; the first problem becomes the refusal, named by its path. */
export function readWith<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  const path = issue?.path ?? []
  const name = path.map(String).join('.') || 'body'
  if (isAbsent(value, path)) throw new Fault('FIELD_REQUIRED', { field: name })
  throw new Fault('FIELD_INVALID', { field: name, problem: sayIssue(issue) })
}

function isAbsent(value: unknown, path: readonly PropertyKey[]): boolean {
  let at = value
  for (const key of path) {
    if (typeof at !== 'object' || at === null) return false
    at = (at as Record<PropertyKey, unknown>)[key]
  }
  return at === undefined
}

function sayIssue(issue: z.core.$ZodIssue | undefined): string {
  switch (issue?.code) {
    case 'invalid_type':
      return `it must be ${articled(issue.expected)}`
    case 'invalid_value':
      return `it must be one of ${issue.values.map(String).join(', ')}`
    case 'too_big':
      return `it must have at most ${issue.maximum} entries`
    default:
      return issue?.message ?? 'it cannot be read'
  }
}

const articled = (type: string): string =>
  type === 'array' ? 'a list' : `${/^[aeiou]/.test(type) ? 'an' : 'a'} ${type}`

/** Drops what is `undefined`: an absent field means "leave it alone", and is never passed on. */
export const defined = <T extends object>(
  fields: T,
): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
