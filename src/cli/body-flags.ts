/** The body of a write: what `--json` holds, as it is, with the few flags that fill single fields. */

import type { Body } from '../client/transport.ts'
import { humanDurationForms, parseHumanDuration, toWireDuration } from '../lib/human-duration.ts'
import { readJsonArgument } from './json-argument.ts'
import { Refusal } from './refusal.ts'
import type { CliIo } from './terminal.ts'

/** Fields that flags add, on top of the body and inside its `spec`. */
export interface AddedFields {
  readonly fields?: Readonly<Record<string, unknown>>
  readonly spec?: Readonly<Record<string, unknown>>
}

export async function requestBody(
  { json, name }: { readonly json?: string; readonly name?: string },
  added: AddedFields | undefined,
  io: CliIo,
): Promise<Body> {
  const text = json === undefined ? '{}' : await readJsonArgument(json, io)
  const fields = { ...added?.fields, ...(name === undefined ? {} : { name }) }
  const spec = added?.spec ?? {}
  if (Object.keys(fields).length === 0 && Object.keys(spec).length === 0) return text
  const body = objectIn(JSON.parse(text), 'the body')
  const whole = { ...body, ...fields }
  return Object.keys(spec).length === 0
    ? whole
    : { ...whole, spec: { ...objectIn(body.spec ?? {}, '"spec"'), ...spec } }
}

function objectIn(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Readonly<Record<string, unknown>>
  }
  throw new Refusal(`--json: ${what} must be a JSON object when flags add to it`)
}

/** `--ttl` and `--no-expiry` of create-branch; `expiry` is false when the latter was given. */
export function expirationField({
  ttl,
  expiry,
}: {
  readonly ttl?: string
  readonly expiry?: boolean
}): AddedFields | undefined {
  if (ttl !== undefined && expiry === false) {
    throw new Refusal('--ttl and --no-expiry exclude each other', 'Leave one of them out.')
  }
  if (ttl !== undefined) return { spec: { ttl: wireDuration('--ttl', ttl) } }
  return expiry === false ? { spec: { no_expiry: true } } : undefined
}

export function wireDuration(flag: string, text: string): string {
  const length = parseHumanDuration(text)
  if (length === undefined) {
    throw new Refusal(`${flag}: ${JSON.stringify(text)} is not ${humanDurationForms}`)
  }
  return toWireDuration(length)
}
