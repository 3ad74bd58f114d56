/**
 * Paths beside what we serve that clients call anyway: the older database product, which is empty here.
 */
import { z } from 'zod'
import { ok, type Route, route } from './route.ts'

export const neighbourRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/api/2.0/database/instances',
    summary: 'List instances of the older product: none',
    operationId: 'listDatabaseInstances',
    tag: 'Neighbours',
    reply: { 200: z.strictObject({}) },
    access: 'identity',
    handle: () => ok({}),
  }),
]
