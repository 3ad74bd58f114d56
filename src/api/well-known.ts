/**
 * What clients ask before anything else, without a token: which workspace this is and where its
 * OpenID documents are. Those are the issuer's own (`src/oauth`).
 */
import { z } from 'zod'
import { baseUrl } from '../domain/base-url.ts'
import { ok, type Route, route } from './route.ts'

export interface WellKnownOptions {
  /** Digits: Terraform needs a number. */
  readonly workspaceId: string
  /** Base URL of the API for clients that send no usable `Host`. */
  readonly apiUrl: () => string
  /** The setting `public-url`. */
  readonly publicUrl: string | undefined
}

const workspace = z
  .strictObject({
    oidc_endpoint: z.url(),
    workspace_id: z.string().regex(/^\d+$/).meta({ description: 'The same for ever.' }),
  })
  .meta({ id: 'Workspace' })

export const wellKnownRoutes = ({
  workspaceId,
  apiUrl,
  publicUrl,
}: WellKnownOptions): readonly Route[] => [
  route({
    method: 'GET',
    path: '/.well-known/databricks-config',
    summary: 'Workspace discovery',
    description:
      'Below `oidc_endpoint` is `/.well-known/oauth-authorization-server`, which names every OAuth endpoint.',
    operationId: 'getDatabricksConfig',
    tag: 'OAuth',
    reply: { 200: workspace },
    access: 'public',
    handle: ({ host }) =>
      ok({
        oidc_endpoint: `${baseUrl({ apiUrl: apiUrl(), publicUrl }, host)}/oidc`,
        workspace_id: workspaceId,
      }),
  }),
]
