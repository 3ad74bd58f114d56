/**
 * `lakelet users|service-principals|groups|tokens|permissions …`: the official grammar of the parts of
 * the API that say who is who and who may do what. Each verb is a row: its request, its arguments in
 * the order of the path, and flags that fill single fields of the body.
 */
import type { Command } from 'commander'
import type { Body, Method } from '../client/transport.ts'
import { requestBody } from './body-flags.ts'
import { type CommandContext, clientOf, type FillCommand } from './command-context.ts'
import { Refusal } from './refusal.ts'
import { printJson } from './terminal.ts'

interface Flag {
  /** As on the command line, without dashes. */
  readonly name: string
  /** Field of the body, or parameter of the query. */
  readonly field: string
  readonly describe: string
  readonly isNumber?: true
}

interface Verb {
  readonly name: string
  readonly describe: string
  readonly method: Method
  /** `{ID}` is an argument. */
  readonly path: string
  /** Takes `--json`. */
  readonly hasBody?: true
  /** Without a body `--json` must be there: nothing else would be said. */
  readonly needsBody?: true
  readonly flags?: readonly Flag[]
  /** An argument that is a field of the body, such as `token_id`. */
  readonly argument?: { readonly name: string; readonly field: string }
  /** Of a list: where the items are. */
  readonly items?: string
  readonly example?: string
}

const comment: Flag = { name: 'comment', field: 'comment', describe: 'what the token is for' }
const lifetime: Flag = {
  name: 'lifetime-seconds',
  field: 'lifetime_seconds',
  describe: 'how long it is good for',
  isNumber: true,
}
const displayName: Flag = {
  name: 'display-name',
  field: 'displayName',
  describe: 'how it is shown',
}
const filter: Flag = {
  name: 'filter',
  field: 'filter',
  describe: `SCIM filter, such as 'displayName eq "x"'`,
}

function scimVerbs(collection: string, noun: string, own: readonly Flag[], example: string) {
  const path = `/api/2.0/preview/scim/v2/${collection}`
  const one = `${path}/{ID}`
  const verbs: readonly Verb[] = [
    {
      name: 'create',
      describe: `Create a ${noun}.`,
      method: 'POST',
      path,
      hasBody: true,
      flags: own,
      example,
    },
    { name: 'get', describe: `Show a ${noun}.`, method: 'GET', path: one },
    {
      name: 'list',
      describe: `List ${noun}s.`,
      method: 'GET',
      path,
      flags: [filter],
      items: 'Resources',
    },
    {
      name: 'patch',
      describe: `Change a ${noun} by SCIM operations.`,
      method: 'PATCH',
      path: one,
      hasBody: true,
      needsBody: true,
    },
    {
      name: 'update',
      describe: `Replace a ${noun}.`,
      method: 'PUT',
      path: one,
      hasBody: true,
      needsBody: true,
    },
    { name: 'delete', describe: `Delete a ${noun}.`, method: 'DELETE', path: one },
  ]
  return verbs
}

const userName: Flag = { name: 'user-name', field: 'userName', describe: 'e-mail address' }
const applicationId: Flag = {
  name: 'application-id',
  field: 'applicationId',
  describe: 'a UUID; default: a new one',
}

const secrets = '/api/2.0/accounts/servicePrincipals/{SERVICE_PRINCIPAL_ID}/credentials/secrets'
const permissions = '/api/2.0/permissions/{REQUEST_OBJECT_TYPE}/{REQUEST_OBJECT_ID}'

const groups = {
  users: scimVerbs(
    'Users',
    'user',
    [userName, displayName],
    'lakelet users create --json \'{"userName": "jane@example.com"}\'',
  ),
  servicePrincipals: scimVerbs(
    'ServicePrincipals',
    'service principal',
    [applicationId, displayName],
    'lakelet service-principals create --display-name ci',
  ),
  groups: scimVerbs(
    'Groups',
    'group',
    [displayName],
    'lakelet groups create --display-name data-team',
  ),
  servicePrincipalSecrets: [
    {
      name: 'create',
      describe: 'Make a secret; it is shown once.',
      method: 'POST',
      path: secrets,
      hasBody: true,
      flags: [{ name: 'lifetime', field: 'lifetime', describe: 'how long, such as 86400s' }],
    },
    { name: 'list', describe: 'List secrets.', method: 'GET', path: secrets, items: 'secrets' },
    {
      name: 'delete',
      describe: 'Delete a secret.',
      method: 'DELETE',
      path: `${secrets}/{SECRET_ID}`,
    },
  ],
  tokens: [
    {
      name: 'create',
      describe: 'Make a personal access token; it is shown once.',
      method: 'POST',
      path: '/api/2.0/token/create',
      hasBody: true,
      flags: [comment, lifetime],
      example: 'lakelet tokens create --comment laptop --lifetime-seconds 86400',
    },
    {
      name: 'list',
      describe: 'List your personal access tokens.',
      method: 'GET',
      path: '/api/2.0/token/list',
      items: 'token_infos',
    },
    {
      name: 'delete',
      describe: 'Revoke a personal access token.',
      method: 'POST',
      path: '/api/2.0/token/delete',
      hasBody: true,
      argument: { name: 'TOKEN_ID', field: 'token_id' },
    },
  ],
  tokenManagement: [
    {
      name: 'list',
      describe: "List everybody's personal access tokens.",
      method: 'GET',
      path: '/api/2.0/token-management/tokens',
      flags: [
        { name: 'created-by-username', field: 'created_by_username', describe: 'only by this one' },
      ],
      items: 'token_infos',
    },
    {
      name: 'get',
      describe: 'Show a personal access token.',
      method: 'GET',
      path: '/api/2.0/token-management/tokens/{TOKEN_ID}',
    },
    {
      name: 'delete',
      describe: 'Revoke a personal access token of anybody.',
      method: 'DELETE',
      path: '/api/2.0/token-management/tokens/{TOKEN_ID}',
    },
    {
      name: 'create-obo-token',
      describe: 'Make a token for a service principal; it is shown once.',
      method: 'POST',
      path: '/api/2.0/token-management/on-behalf-of/tokens',
      hasBody: true,
      argument: { name: 'APPLICATION_ID', field: 'application_id' },
      flags: [comment, lifetime],
    },
  ],
  permissions: [
    {
      name: 'get',
      describe: 'Show who may do what with an object.',
      method: 'GET',
      path: permissions,
      example: 'lakelet permissions get database-projects app',
    },
    {
      name: 'set',
      describe: 'Replace the permissions of an object.',
      method: 'PUT',
      path: permissions,
      hasBody: true,
      needsBody: true,
    },
    {
      name: 'update',
      describe: 'Add to the permissions of an object.',
      method: 'PATCH',
      path: permissions,
      hasBody: true,
      needsBody: true,
      example: `lakelet permissions update database-projects app --json '{"access_control_list": [{"group_name": "data-team", "permission_level": "CAN_MANAGE"}]}'`,
    },
    {
      name: 'get-permission-levels',
      describe: 'List the permissions that an object knows.',
      method: 'GET',
      path: `${permissions}/permissionLevels`,
    },
  ],
} as const satisfies Record<string, readonly Verb[]>

const fillWith =
  (verbs: readonly Verb[]): FillCommand =>
  (group, context) => {
    for (const verb of verbs) addVerb(group, verb, context)
  }

export const fillUsers = fillWith(groups.users)
export const fillServicePrincipals = fillWith(groups.servicePrincipals)
export const fillGroups = fillWith(groups.groups)
export const fillServicePrincipalSecrets = fillWith(groups.servicePrincipalSecrets)
export const fillTokens = fillWith(groups.tokens)
export const fillTokenManagement = fillWith(groups.tokenManagement)
export const fillPermissions = fillWith(groups.permissions)

function addVerb(group: Command, verb: Verb, context: CommandContext): void {
  const { path, flags = [], argument, hasBody, needsBody, example } = verb
  const command = group.command(verb.name).description(verb.describe)
  const places = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '')
  for (const place of places) command.argument(`<${place}>`)
  if (argument !== undefined) command.argument(`<${argument.name}>`)
  if (hasBody) command.option('--json <body>', 'request body: JSON, @FILE or @- for stdin')
  for (const { name, describe } of flags) command.option(`--${name} <${placeOf(name)}>`, describe)
  if (example !== undefined) command.addHelpText('after', `\nExample:\n  ${example}`)
  command.action(async () => {
    const given = command.opts<Record<string, string>>()
    if (needsBody && given.json === undefined) {
      throw new Refusal('--json is missing', 'It holds what is to be changed; @FILE reads a file.')
    }
    const fields: Record<string, unknown> = {}
    for (const flag of flags) {
      const value = given[camel(flag.name)]
      if (value !== undefined) fields[flag.field] = flag.isNumber ? numberIn(flag, value) : value
    }
    if (argument !== undefined) fields[argument.field] = command.args[places.length]
    const filled = fillPath(path, places, command.args)
    const target = hasBody ? filled : withQuery(filled, fields)
    const body: Body | undefined = hasBody
      ? await requestBody(given, { fields }, context.io)
      : undefined
    const client = await clientOf(command, context)
    const reply = await client.send({
      method: verb.method,
      path: target,
      ...(body === undefined ? {} : { body }),
    })
    if (verb.method === 'DELETE' || verb.name === 'delete') return
    const shown = verb.items === undefined ? reply.json : itemsIn(reply.json, verb.items)
    if (shown !== undefined) printJson(shown, context.io)
  })
}

/** One segment each: an argument with a slash must not mean another resource. */
function fillPath(path: string, places: readonly string[], args: readonly string[]): string {
  return places.reduce((filled, place, at) => {
    const value = args[at] ?? ''
    if (value === '') throw new Refusal(`${place} is empty`)
    return filled.replace(`{${place}}`, encodeURIComponent(value))
  }, path)
}

function withQuery(path: string, fields: Readonly<Record<string, unknown>>): string {
  const query = new URLSearchParams(
    Object.entries(fields).map(([key, value]): [string, string] => [key, String(value)]),
  ).toString()
  return query === '' ? path : `${path}?${query}`
}

const itemsIn = (reply: unknown, key: string): unknown =>
  (reply as Readonly<Record<string, unknown>> | undefined)?.[key] ?? []

function numberIn({ name }: Flag, text: string): number {
  if (!/^\d{1,12}$/.test(text)) throw new Refusal(`--${name}: ${text} is not a whole number`)
  return Number(text)
}

const camel = (name: string): string =>
  name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())

const placeOf = (name: string): string => name.split('-').at(-1) ?? 'value'
