/** Size, suspension and group of an endpoint: the same fields in endpoints and in project defaults. */
import { z } from 'zod'
import type { EndpointDefaultsSpec, Suspension } from '../actions/actions.ts'
import { Fault } from '../domain/faults.ts'
import type { Millis } from '../lib/time.ts'
import { anyDuration, computeUnits, defined, flag, integer } from './fields.ts'

/** Whether size and time are within the limits, the action finds out: an operator may have moved them. */
export const sizing = {
  autoscaling_limit_min_cu: computeUnits.optional().describe('Compute units of about 2 GB.'),
  autoscaling_limit_max_cu: computeUnits
    .optional()
    .describe('Not below the minimum, and at most 16 above it, unless the server allows more.'),
  no_suspension: flag.optional().describe('Only true: its compute is never stopped for idleness.'),
  suspend_timeout_duration: anyDuration('300s')
    .optional()
    .describe(
      '60s to 604800s, unless the server says otherwise: idle for so long, its compute is stopped.',
    ),
} as const

/** Known so that it can be refused in words: an endpoint here is one compute on one machine. */
export const group = z.object({
  min: integer(0, 1000).optional(),
  max: integer(0, 1000).optional(),
  enable_readable_secondaries: flag.optional(),
})

interface SizingFields {
  readonly autoscaling_limit_min_cu?: number | undefined
  readonly autoscaling_limit_max_cu?: number | undefined
  readonly no_suspension?: boolean | undefined
  readonly suspend_timeout_duration?: Millis | undefined
}

/** `at` is where the fields stand in the body, for what is said of them. */
export function readSizing(
  fields: SizingFields,
  at: string,
): Pick<EndpointDefaultsSpec, 'minCu' | 'maxCu' | 'suspension'> {
  const { autoscaling_limit_min_cu: minCu, autoscaling_limit_max_cu: maxCu } = fields
  return defined({ minCu, maxCu, suspension: readSuspension(fields, at) })
}

function readSuspension(fields: SizingFields, at: string): Suspension | undefined {
  const { no_suspension: never, suspend_timeout_duration: timeout } = fields
  if (never === true && timeout !== undefined) {
    throw new Fault('FIELD_INVALID', {
      field: `${at}.no_suspension`,
      problem: 'only one of no_suspension and suspend_timeout_duration may be set',
    })
  }
  if (timeout !== undefined) return { kind: 'after', timeout }
  if (never === true) return { kind: 'never' }
  if (never === undefined) return undefined
  throw new Fault('FIELD_INVALID', {
    field: `${at}.no_suspension`,
    problem: 'it may only be true; to let the compute suspend, send suspend_timeout_duration',
  })
}

export function checkGroup(fields: z.output<typeof group> | undefined, at: string): void {
  for (const bound of ['min', 'max'] as const) {
    const size = fields?.[bound]
    if (size !== undefined && size !== 1) {
      throw new Fault('FIELD_INVALID', { field: `${at}.group.${bound}`, problem: oneCompute })
    }
  }
  if (fields?.enable_readable_secondaries === true) {
    const field = `${at}.group.enable_readable_secondaries`
    throw new Fault('FIELD_INVALID', { field, problem: oneCompute })
  }
}

const oneCompute =
  'an endpoint is served by one compute on one machine here, so min and max are 1 and there are no secondaries; groups of computes come with the Kubernetes engine'
