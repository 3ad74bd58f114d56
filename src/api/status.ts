/** The state of this server, in our own words. */
import { z } from 'zod'
import { ok, type Route, route } from './route.ts'

/** For people and for `lakelet status`, and not part of the contract: it may grow. */
const serverStatus = z
  .looseObject({ version: z.string() })
  .meta({ id: 'ServerStatus', description: 'What runs here. Further fields come and go.' })

export const statusRoutes = (status: () => Promise<Record<string, unknown>>): readonly Route[] => [
  route({
    method: 'GET',
    path: '/api/lakelet/v1/status',
    summary: 'State of the server',
    operationId: 'getServerStatus',
    tag: 'Server',
    reply: { 200: serverStatus },
    access: 'identity',
    handle: async () => ok(await status()),
  }),
]
