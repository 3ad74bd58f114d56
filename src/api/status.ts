/** The state of this server, in our own words. */
import { ok, type Route, route } from './route.ts'

export const statusRoutes = (status: () => Promise<Record<string, unknown>>): readonly Route[] => [
  route({
    method: 'GET',
    path: '/api/lakelet/v1/status',
    summary: 'State of the server',
    access: 'identity',
    handle: async () => ok(await status()),
  }),
]
