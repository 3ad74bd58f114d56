/**
 * A sink for the telemetry of command-line clients: they wait for its answer after every command,
 * and a smaller count than they sent costs their user seconds. Nothing is kept.
 */
import { z } from 'zod'
import { ok, type Route, route } from './route.ts'

const received = z.strictObject({ errors: z.array(z.never()), numProtoSuccess: z.int().min(0) })

export const telemetryRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/telemetry-ext',
    summary: 'Accept and forget telemetry',
    operationId: 'sendTelemetry',
    tag: 'Neighbours',
    reply: { 200: received },
    access: 'public',
    body: { schema: z.object({ protoLogs: z.unknown().optional() }), isLenient: true },
    handle: ({ body: { protoLogs } }) =>
      ok({ errors: [], numProtoSuccess: Array.isArray(protoLogs) ? protoLogs.length : 0 }),
  }),
]
