/**
 * `lakelet postgres VERB`: the official grammar of the Postgres API, argument for argument, so that a
 * script runs by changing one word. Bodies travel as they were typed; the server is the tolerant one.
 */
import type { Command } from 'commander'
import type { LakeletClient } from '../client/lakelet-client.ts'
import type { ListOptions, ResourceCollection } from '../client/resource-collection.ts'
import type { Operation } from '../client/resources.ts'
import { type AddedFields, expirationField, requestBody, wireDuration } from './body-flags.ts'
import { type CommandContext, clientOf, type FillCommand } from './command-context.ts'
import { finishOperation, type WaitFlags, withWaitFlags } from './operation-output.ts'
import { Refusal } from './refusal.ts'
import { checkName } from './resource-name.ts'
import { fillSnapshotSchedule } from './snapshot-schedule-commands.ts'
import { printJson } from './terminal.ts'

interface Kind {
  readonly noun: 'project' | 'branch' | 'endpoint' | 'role' | 'database' | 'snapshot'
  readonly plural: 'projects' | 'branches' | 'endpoints' | 'roles' | 'databases' | 'snapshots'
  readonly form: string
  /** Form of the parent's name; `undefined` for what has none. */
  readonly parent: string | undefined
  /** Deleted softly: may be purged, undeleted and listed while deleted. */
  readonly isRestorable: boolean
  /** The server chooses an id when none is given, so it is a flag, not an argument. */
  readonly hasOwnId?: true
  /** What never changes is neither updated nor replaced. */
  readonly isFixed?: true
  readonly example: string
}

const branchForm = 'projects/PROJECT/branches/BRANCH'
const roleForm = `${branchForm}/roles/ROLE`
const operationForm = '…/operations/ID'

const kinds: readonly Kind[] = [
  {
    noun: 'project',
    plural: 'projects',
    form: 'projects/PROJECT',
    parent: undefined,
    isRestorable: true,
    example: 'lakelet postgres create-project app --json \'{"spec": {"display_name": "App"}}\'',
  },
  {
    noun: 'branch',
    plural: 'branches',
    form: branchForm,
    parent: 'projects/PROJECT',
    isRestorable: true,
    example: `lakelet postgres create-branch projects/app dev --ttl 6h
  lakelet postgres create-branch projects/app dev --json '{"spec": {"ttl": "21600s"}}'`,
  },
  {
    noun: 'endpoint',
    plural: 'endpoints',
    form: `${branchForm}/endpoints/ENDPOINT`,
    parent: branchForm,
    isRestorable: false,
    example: `lakelet postgres create-endpoint projects/app/branches/dev reader --json '{"spec": {"endpoint_type": "ENDPOINT_TYPE_READ_ONLY"}}'`,
  },
  {
    noun: 'role',
    plural: 'roles',
    form: roleForm,
    parent: branchForm,
    isRestorable: false,
    hasOwnId: true,
    example: `lakelet postgres create-role projects/app/branches/dev --json '{"spec": {"postgres_role": "app"}}'`,
  },
  {
    noun: 'database',
    plural: 'databases',
    form: `${branchForm}/databases/DATABASE`,
    parent: branchForm,
    isRestorable: false,
    hasOwnId: true,
    example: `lakelet postgres create-database projects/app/branches/dev --database-id shop --json '{"spec": {"postgres_database": "shop", "role": "projects/app/branches/dev/roles/jane-doe"}}'`,
  },
  {
    noun: 'snapshot',
    plural: 'snapshots',
    form: 'projects/PROJECT/snapshots/SNAPSHOT',
    parent: 'projects/PROJECT',
    isRestorable: false,
    isFixed: true,
    example: `lakelet postgres create-snapshot projects/app before-release --source-branch projects/app/branches/production --ttl 7d
  lakelet postgres create-branch projects/app again --ttl 6h --json '{"spec": {"source_snapshot": "projects/app/snapshots/before-release"}}'`,
  },
]

export const fillPostgres: FillCommand = (group, context) => {
  for (const kind of kinds) {
    addCreate(group, kind, context)
    addGet(group, kind, context)
    addList(group, kind, context)
    if (kind.isFixed === undefined) addUpdate(group, kind, context)
    addDelete(group, kind, context)
    if (kind.isRestorable) addUndelete(group, kind, context)
  }
  addRenewPassword(group, context)
  fillSnapshotSchedule(group, context)
  addGetOperation(group, context)
  addCredential(group, context)
}

interface BodyFlags extends WaitFlags {
  readonly json?: string
  readonly name?: string
  readonly replaceExisting?: boolean
  readonly ttl?: string
  readonly expiry?: boolean
  readonly roleId?: string
  readonly databaseId?: string
  readonly sourceBranch?: string
  readonly durability?: string
}

function addCreate(group: Command, kind: Kind, context: CommandContext): void {
  const { noun, parent, isFixed = false } = kind
  const command = group.command(`create-${noun}`).description(`Create ${article(noun)}.`)
  if (parent !== undefined) command.argument('<PARENT>', `where to create it: ${parent}`)
  if (kind.hasOwnId)
    command.option(`--${noun}-id <id>`, `id of the new ${noun}; chosen if left out`)
  else command.argument(`<${noun.toUpperCase()}_ID>`, `id of the new ${noun}`)
  withBody(command, noun)
  if (parent !== undefined && !isFixed) {
    command.option('--replace-existing', `update the ${noun} when it exists already`)
  }
  const hasEnd = noun === 'branch' || noun === 'snapshot'
  if (hasEnd) {
    command
      .option('--ttl <time>', `how long the ${noun} lives: 604800s, 168h, 7d, 3w`)
      .option('--no-expiry', `the ${noun} lives until it is deleted`)
  }
  if (noun === 'branch') {
    command.option(
      '--durability <word>',
      'durable, or relaxed for quicker commits (synchronous_commit off)',
    )
  }
  if (noun === 'snapshot') {
    command.option('--source-branch <name>', `what to take it of: ${branchForm}`)
  }
  command.addHelpText('after', `\nExample:\n  ${kind.example}`)
  withWaitFlags(command).action(async (...given: unknown[]) => {
    const flags = given.at(-2) as BodyFlags
    const [parentName = '', argument] = parent === undefined ? ['', ...command.args] : command.args
    const id = argument ?? flags.roleId ?? flags.databaseId ?? ''
    if (parent !== undefined) checkName('PARENT', parentName, parent)
    const body = await requestBody(flags, hasEnd ? specOf(flags) : undefined, context.io)
    const client = await clientOf(command, context)
    const { replaceExisting = false } = flags
    const operation = await pick(client, kind).create(parentName, id, body, { replaceExisting })
    await finish(
      client,
      operation,
      flags,
      { say: `Creating ${id === '' ? article(noun) : `${noun} ${id}`}` },
      context,
    )
  })
}

const specOf = (flags: BodyFlags): AddedFields => ({
  spec: {
    ...expirationField(flags)?.spec,
    ...(flags.durability === undefined ? {} : { durability: flags.durability }),
    ...(flags.sourceBranch === undefined ? {} : { source_branch: flags.sourceBranch }),
  },
})

function addGet(group: Command, kind: Kind, context: CommandContext): void {
  const command = named(group.command(`get-${kind.noun}`), kind)
  command.description(`Show ${article(kind.noun)}.`).action(async (name: string) => {
    checkName('NAME', name, kind.form)
    printJson(await pick(await clientOf(command, context), kind).get(name), context.io)
  })
}

interface ListFlags {
  readonly pageSize?: number
  readonly pageToken?: string
  readonly limit?: number
  readonly showDeleted?: boolean
}

function addList(group: Command, kind: Kind, context: CommandContext): void {
  const { plural, parent, isRestorable } = kind
  const command = group.command(`list-${plural}`).description(`List ${plural}.`)
  if (parent !== undefined) command.argument('<PARENT>', `whose ${plural}: ${parent}`)
  command
    .option('--page-size <number>', 'items that one request asks for', wholeNumber('--page-size'))
    .option('--limit <number>', 'items to show in all', wholeNumber('--limit'))
  command.addOption(command.createOption('--page-token <token>', 'where to begin').hideHelp())
  if (isRestorable) command.option('--show-deleted', `also ${plural} that may be undeleted`)
  command.action(async (...given: unknown[]) => {
    const flags = given.at(-2) as ListFlags
    const [parentName = ''] = command.args
    if (parent !== undefined) checkName('PARENT', parentName, parent)
    const collection: ResourceCollection<unknown> = pick(await clientOf(command, context), kind)
    const items: unknown[] = []
    const { limit = 0, ...options } = flags
    for await (const item of collection.list(parentName, listOptions(options, limit))) {
      items.push(item)
      if (items.length === limit) break
    }
    printJson(items, context.io)
  })
}

/** No page larger than what is asked for in all. */
function listOptions({ pageSize, ...rest }: Omit<ListFlags, 'limit'>, limit: number): ListOptions {
  const size = limit > 0 && (pageSize === undefined || pageSize > limit) ? limit : pageSize
  return { ...rest, ...(size === undefined ? {} : { pageSize: Math.min(size, 1000) }) }
}

function addUpdate(group: Command, kind: Kind, context: CommandContext): void {
  const { noun } = kind
  const command = named(group.command(`update-${noun}`), kind)
    .description(`Change ${article(noun)}.`)
    .argument('<UPDATE_MASK>', 'what to change: field paths joined by commas, such as spec.ttl')
  withBody(command, noun)
  withWaitFlags(command).action(async (name: string, mask: string, flags: BodyFlags) => {
    checkName('NAME', name, kind.form)
    const body = await requestBody(flags, undefined, context.io)
    const client = await clientOf(command, context)
    const operation = await pick(client, kind).update(name, mask, body)
    await finish(client, operation, flags, { say: `Updating ${name}` }, context)
  })
}

function addDelete(group: Command, kind: Kind, context: CommandContext): void {
  const { noun, isRestorable } = kind
  const command = named(group.command(`delete-${noun}`), kind).description(
    `Delete ${article(noun)}.`,
  )
  if (isRestorable) command.option('--purge', 'for good: it cannot be undeleted')
  if (noun === 'role') {
    command.option('--reassign-owned-to <role>', `who owns from then on what it owned: ${roleForm}`)
  }
  withWaitFlags(command).action(
    async (
      name: string,
      flags: WaitFlags & { readonly purge?: boolean; readonly reassignOwnedTo?: string },
    ) => {
      checkName('NAME', name, kind.form)
      const client = await clientOf(command, context)
      const { purge = false, reassignOwnedTo } = flags
      const operation = await pick(client, kind).delete(name, { purge, reassignOwnedTo })
      await finish(client, operation, flags, { say: `Deleting ${name}`, isSilent: true }, context)
    },
  )
}

function addUndelete(group: Command, kind: Kind, context: CommandContext): void {
  const command = named(group.command(`undelete-${kind.noun}`), kind).description(
    `Bring back a deleted ${kind.noun}.`,
  )
  withWaitFlags(command).action(async (name: string, flags: WaitFlags) => {
    checkName('NAME', name, kind.form)
    const client = await clientOf(command, context)
    const operation = await pick(client, kind).undelete(name)
    await finish(client, operation, flags, { say: `Undeleting ${name}` }, context)
  })
}

/** Ours beside the official verbs, which have no way to a role's password. */
function addRenewPassword(group: Command, context: CommandContext): void {
  const command = group
    .command('renew-role-password')
    .description('Give a role a new password, which is shown this once.')
    .argument('<NAME>', roleForm)
  command.action(async (name: string) => {
    checkName('NAME', name, roleForm)
    printJson(await (await clientOf(command, context)).renewRolePassword(name), context.io)
  })
}

function addGetOperation(group: Command, context: CommandContext): void {
  const command = group
    .command('get-operation')
    .description('Show an operation.')
    .argument('<NAME>', `name that the write returned: ${operationForm}`)
  command.action(async (name: string) => {
    checkName('NAME', name, operationForm)
    printJson(await (await clientOf(command, context)).getOperation(name), context.io)
  })
}

interface CredentialFlags {
  readonly json?: string
  readonly ttl?: string
  readonly expireTime?: string
}

function addCredential(group: Command, context: CommandContext): void {
  const command = group
    .command('generate-database-credential')
    .description('Make a password for an endpoint: a token that is good for a while.')
    .argument('[ENDPOINT]', `${branchForm}/endpoints/ENDPOINT`)
    .option('--json <body>', 'request body: JSON, @FILE or @- for stdin')
    .option('--ttl <time>', 'how long it is good for, such as 900s')
    .option('--expire-time <time>', 'when it ends, such as 2030-01-01T12:00:00Z')
  command.action(async (endpoint: string | undefined, flags: CredentialFlags) => {
    if (endpoint === undefined && flags.json === undefined) {
      throw new Refusal('ENDPOINT is missing', `It looks like ${branchForm}/endpoints/ENDPOINT.`)
    }
    const fields = {
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(flags.ttl === undefined ? {} : { ttl: wireDuration('--ttl', flags.ttl) }),
      ...(flags.expireTime === undefined ? {} : { expire_time: flags.expireTime }),
    }
    const body = await requestBody(flags, { fields }, context.io)
    const client = await clientOf(command, context)
    printJson(await client.generateDatabaseCredential(body), context.io)
  })
}

const pick = (client: LakeletClient, { plural }: Kind): ResourceCollection<unknown> =>
  client[plural]

const article = (noun: string): string => `${noun.startsWith('e') ? 'an' : 'a'} ${noun}`

const named = (command: Command, { form }: Kind): Command => command.argument('<NAME>', form)

const withBody = (command: Command, noun: string): Command =>
  command
    .option('--json <body>', `the ${noun}: JSON, @FILE or @- for stdin`)
    .addOption(command.createOption('--name <name>', `the ${noun}'s name in the body`).hideHelp())

const finish = (
  client: LakeletClient,
  operation: Operation,
  flags: WaitFlags,
  how: { readonly say: string; readonly isSilent?: boolean },
  { io }: CommandContext,
): Promise<void> => finishOperation(client, operation, flags, how, io)

const wholeNumber =
  (flag: string) =>
  (text: string): number => {
    if (!/^\d{1,9}$/.test(text)) throw new Refusal(`${flag}: ${text} is not a whole number`)
    return Number(text)
  }
