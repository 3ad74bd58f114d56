/**
 * The API document: OpenAPI 3.1, made from the route declarations, so that it says what the server
 * does. Requests are described in the one form of the contract; what else is read, the texts say.
 */
import { z } from 'zod'
import { type Reason, reasons } from '../domain/faults.ts'
import { ID_PATTERN } from '../domain/names.ts'
import { type JsonSchema, SchemaCollection } from './document-schemas.ts'
import { errorBody } from './error-body.ts'
import { refusalsOf, statusOfReason } from './refusals.ts'
import type { BodyDeclaration, ReplyBody, Route } from './route.ts'
import { tags } from './tags.ts'

export interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query'
  readonly required: boolean
  readonly description?: string
  readonly schema: JsonSchema
}

export interface Content {
  readonly [type: string]: { readonly schema: JsonSchema; readonly example?: unknown }
}

export interface DocumentedReply {
  readonly description: string
  readonly headers?: Readonly<Record<string, unknown>>
  readonly content?: Content
}

interface Reference {
  readonly $ref: string
}

export interface DocumentedOperation {
  readonly operationId: string
  readonly summary: string
  readonly description?: string
  readonly tags: readonly string[]
  readonly security?: readonly Readonly<Record<string, readonly string[]>>[]
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: { readonly required: boolean; readonly content: Content }
  readonly responses: Readonly<Record<string, DocumentedReply | Reference>>
}

export interface ApiDocument {
  readonly openapi: '3.1.1'
  readonly info: Readonly<Record<string, unknown>> & {
    readonly title: string
    readonly version: string
    readonly description: string
  }
  readonly servers: readonly { readonly url: string; readonly description: string }[]
  readonly tags: readonly { readonly name: string; readonly description: string }[]
  readonly security: readonly Readonly<Record<string, readonly string[]>>[]
  readonly paths: Readonly<Record<string, Readonly<Record<string, DocumentedOperation>>>>
  readonly components: {
    readonly schemas: Readonly<Record<string, JsonSchema>>
    readonly responses: Readonly<Record<string, DocumentedReply>>
    readonly headers: Readonly<Record<string, unknown>>
    readonly securitySchemes: Readonly<Record<string, unknown>>
  }
}

const description = `A self-hosted Postgres platform that speaks the Databricks Lakebase (Autoscaling) Postgres API.

Every write answers with an operation, which is polled until it is \`done\`. Bodies are the bare resource, ids are in the query; \`spec\` goes in and \`status\` comes out. In requests unknown fields are ignored, \`null\` is the same as absent, and a body may repeat output-only fields.

Beside the forms described here, a server that is not set to \`contract: strict\` also reads: camelCase names, the resource wrapped in its own name (\`{"branch": {…}}\`), \`source_branch_id\` for \`source_branch\`. Every server reads durations as \`{"seconds": 21600}\`, \`21600\`, \`"6h"\` or \`"7d"\` and integers in quotes.`

const tokenUrl = '/oidc/v1/token'
const scopes = {
  'all-apis': 'Everything that the identity may do.',
  offline_access: 'A refresh token beside the access token.',
} as const

/** OAuth 2.0 of RFC 6749 with PKCE (RFC 7636); the addresses are the metadata's own. */
const oauth = {
  type: 'oauth2',
  description: 'An access token of this server.',
  flows: {
    authorizationCode: {
      authorizationUrl: '/oidc/v1/authorize',
      tokenUrl,
      refreshUrl: tokenUrl,
      scopes,
    },
    clientCredentials: { tokenUrl, scopes: { 'all-apis': scopes['all-apis'] } },
  },
} as const

/** The reply that stands for a reference. */
export function replyOf(
  document: ApiDocument,
  reply: DocumentedReply | Reference,
): DocumentedReply {
  if (!('$ref' in reply)) return reply
  const found = document.components.responses[reply.$ref.split('/').at(-1) ?? '']
  if (found === undefined) throw new Error(`${reply.$ref} leads nowhere`)
  return found
}

export function describeApi(routes: readonly Route[], version: string): ApiDocument {
  const schemas = new SchemaCollection()
  const refusals = new Map<string, DocumentedReply>()
  const paths: Record<string, Record<string, DocumentedOperation>> = {}
  for (const route of routes) {
    const path = route.path.replaceAll('{+', '{')
    const operations = paths[path] ?? {}
    paths[path] = operations
    operations[route.method.toLowerCase()] = describeRoute(route, schemas, refusals)
  }
  // The issuer answers below /oidc itself; a route there says that there is none.
  const issuesTokens = routes.every(({ path }) => path !== tokenUrl)
  const used = new Set(routes.map(({ tag }) => tag))
  return {
    openapi: '3.1.1',
    info: {
      title: 'Lakelet',
      version,
      description,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/', description: 'The server that serves this document.' }],
    tags: Object.entries(tags)
      .filter(([name]) => used.has(name as keyof typeof tags))
      .map(([name, say]) => ({ name, description: say })),
    security: [{ accessToken: [] }, ...(issuesTokens ? [{ oauth: ['all-apis'] }] : [])],
    paths,
    components: {
      schemas: schemas.components(),
      responses: Object.fromEntries([...refusals].sort(([one], [other]) => (one < other ? -1 : 1))),
      headers: {
        'x-request-id': {
          description: "Stands in the server's log.",
          schema: { type: 'string', format: 'uuid' },
        },
      },
      securitySchemes: {
        accessToken: {
          type: 'http',
          scheme: 'bearer',
          description: 'A personal access token; `lakelet env` prints one.',
        },
        ...(issuesTokens ? { oauth } : {}),
      },
    },
  }
}

type Refusals = Map<string, DocumentedReply>

function describeRoute(
  route: Route,
  schemas: SchemaCollection,
  refusals: Refusals,
): DocumentedOperation {
  const parameters = [...pathParameters(route.path), ...queryParameters(route, schemas)]
  return {
    operationId: route.operationId,
    summary: route.summary,
    ...(route.description === undefined ? {} : { description: route.description }),
    tags: [route.tag],
    ...(route.access === 'public' ? { security: [] } : {}),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(route.body === undefined ? {} : { requestBody: requestBody(route.body, schemas) }),
    responses: {
      ...describeReplies(route, schemas),
      ...describeRefusals(route, schemas, refusals),
    },
  }
}

const callerChosen = (what: string, example: string) => ({
  description: `Id of the ${what}.`,
  schema: { type: 'string', pattern: ID_PATTERN, examples: [example] } satisfies JsonSchema,
})

/** What is known of ids in paths; the others are any text. */
const knownIds: Readonly<Record<string, Pick<Parameter, 'description' | 'schema'>>> = {
  project: callerChosen('project', 'app'),
  branch: callerChosen('branch', 'dev'),
  endpoint: callerChosen('endpoint', 'primary'),
  operation: {
    description: 'Id of the operation: what follows `/operations/` in its name.',
    schema: { type: 'string', maxLength: 200 },
  },
}

const pathParameters = (path: string): readonly Parameter[] =>
  [...path.matchAll(/\{\+?(\w+)\}/g)].map(([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    ...(knownIds[name] ?? { schema: { type: 'string' } }),
  }))

function queryParameters({ query, body }: Route, schemas: SchemaCollection): readonly Parameter[] {
  if (query === undefined) return []
  const { properties = {}, required = [] } = schemas.add(query, 'input')
  return Object.entries(properties).map(([name, property]) => {
    const { description: say, ...schema } = property as JsonSchema
    const text = name === 'update_mask' ? sayMask(body) : say
    return {
      name,
      in: 'query',
      required: required.includes(name),
      ...(text === undefined ? {} : { description: text }),
      schema,
    }
  })
}

/** A group stands for its members. */
function sayMask(body: BodyDeclaration | undefined): string {
  const { leaves = [], groups = {} } = body?.mask ?? {}
  const members = new Set(Object.values(groups).flat())
  const paths = [...leaves.filter((leaf) => !members.has(leaf)), ...Object.keys(groups)]
  return `Which fields to change, joined by commas; absent, \`spec\` or \`*\`: those that the body holds. Paths: ${paths
    .map((path) => `\`${path}\``)
    .join(', ')}.`
}

function requestBody(
  { schema, example }: BodyDeclaration,
  schemas: SchemaCollection,
): NonNullable<DocumentedOperation['requestBody']> {
  const described = schemas.add(schema, 'input')
  return {
    required: !schema.safeParse({}).success,
    content: {
      'application/json': { schema: described, ...(example === undefined ? {} : { example }) },
    },
  }
}

const requestId = { 'x-request-id': { $ref: '#/components/headers/x-request-id' } } as const

const titles: Readonly<Record<string, string>> = {
  200: 'Done, or accepted as an operation.',
  201: 'Created.',
  204: 'Done.',
}

const describeReplies = (route: Route, schemas: SchemaCollection) =>
  Object.fromEntries(
    Object.entries(route.reply).map(([status, body]): [string, DocumentedReply] => [
      status,
      {
        description: titles[status] ?? 'Refused.',
        headers: requestId,
        ...replyContent(body, schemas),
      },
    ]),
  )

function replyContent(body: ReplyBody, schemas: SchemaCollection): { content?: Content } {
  if (body instanceof z.ZodType) {
    return { content: { 'application/json': { schema: schemas.add(body, 'output') } } }
  }
  if (body.kind === 'none') return {}
  const schema: JsonSchema = {
    type: 'string',
    ...(body.kind === 'chunks' ? { format: 'binary' } : {}),
  }
  return { content: { [body.contentType]: { schema } } }
}

/** A status with one reason is the same wherever it is: a component with the name of that reason. */
function describeRefusals(route: Route, schemas: SchemaCollection, refusals: Refusals) {
  const byStatus = new Map<number, Reason[]>()
  for (const reason of refusalsOf(route)) {
    const status = statusOfReason(reason)
    byStatus.set(status, [...(byStatus.get(status) ?? []), reason])
  }
  const schema = schemas.add(errorBody, 'output')
  return Object.fromEntries(
    [...byStatus]
      .filter(([status]) => !(status in route.reply))
      .map(([status, found]): [string, DocumentedReply | Reference] => {
        const reply: DocumentedReply = {
          description: found.map(sayReason).join('\n'),
          headers: requestId,
          content: { 'application/json': { schema } },
        }
        const [only, ...others] = found
        if (only === undefined || others.length > 0) return [String(status), reply]
        const name = pascalCase(only)
        refusals.set(name, reply)
        return [String(status), { $ref: `#/components/responses/${name}` }]
      }),
  )
}

/** `BRANCH_NOT_FOUND` → `BranchNotFound`. */
const pascalCase = (reason: Reason): string =>
  reason
    .split('_')
    .map((word) => word.slice(0, 1) + word.slice(1).toLowerCase())
    .join('')

const sayReason = (reason: Reason): string =>
  `- \`${reasons[reason].code}\`: ${reasons[reason].say}`
