/** Branches for a coding agent: its worktree's own without asking; others only where a person allowed it. */
import { z } from 'zod'
import type { Branch } from '../../client/resources.ts'
import { labelOf } from '../../worktree/git-worktree.ts'
import { expirationField } from '../body-flags.ts'
import { giveDatabase } from '../give-database.ts'
import { awaitOperation } from '../operation-output.ts'
import { findBranch, findProject, readTarget } from '../psql-target.ts'
import { Refusal } from '../refusal.ts'
import { ownRenewal, renew } from '../renew-branch.ts'
import { findMigrations } from '../run-migrations.ts'
import type { CliIo } from '../terminal.ts'
import { findOrMakeBranch, findPlace, type Place, placeIfAny } from '../worktree-branch.ts'
import { branchInput } from './sql-tools.ts'
import { chosenBranch, refuseProtected, type Session, tool } from './tool.ts'

const ttl = z
  .string()
  .max(30)
  .describe('How long it lives: 6h, 7d, 1h30m, or "none" for one without an end.')
const named = branchInput.unwrap().describe('PROJECT/BRANCH, or its full name.')
const mostListed = 200

export const statusTool = tool({
  name: 'status',
  title: 'Where am I',
  describe:
    'Who you are to Lakelet, which branch this git worktree uses and when it ends, and what this server was allowed to do. Call it first.',
  effect: 'reads',
  input: z.strictObject({}),
  run: async (_, session) => {
    const { connection, login, allowed, io } = session
    const facts = { server: connection.host, identity: login, allowed: ['read', ...allowed] }
    const { worktree, file } = await findPlace(io)
    const own = await chosenBranch(undefined, session).catch((error: unknown) => {
      if (error instanceof Refusal) return undefined
      throw error
    })
    return {
      facts: {
        ...facts,
        worktree: worktree.root,
        git_branch: labelOf(worktree).text,
        env_file: file.env_file,
        branch: own === undefined ? 'none yet: call the tool dev' : shown(own),
      },
    }
  },
})

export const listBranchesTool = tool({
  name: 'list_branches',
  title: 'List branches',
  describe:
    "The branches of a project, with their sources and ends. Left out: this worktree's project.",
  effect: 'reads',
  input: z.strictObject({ project: z.string().min(1).max(63).optional().describe('Its id.') }),
  run: async ({ project: id }, { client, io }) => {
    const place = id === undefined ? await placeIfAny(io) : undefined
    const project = await findProject(client, id ?? place?.file.project)
    const branches: unknown[] = []
    for await (const branch of client.branches.list(project)) {
      if (branches.length === mostListed) {
        return { facts: { branches, note: `There are more than these ${mostListed}.` } }
      }
      branches.push(shown(branch))
    }
    return { facts: { branches } }
  },
})

export const devTool = tool({
  name: 'dev',
  title: 'Give this worktree its branch',
  describe:
    "Make this git worktree's own branch if there is none yet, and write where it is, with a fresh credential, into the worktree's env file. The password is in that file alone: do not read it out. Call it again when a password has expired. Migrations are not run.",
  effect: 'adds',
  input: z.strictObject({}),
  run: async (_, session) => {
    const { client, io } = session
    const place = await findPlace(io)
    const { found, access, values, env } = await giveDatabase(
      place,
      session,
      async (login) => {
        const project = await findProject(client, place.file.project)
        const wanted = { project, source: undefined, expiry: undefined }
        return findOrMakeBranch(client, place.worktree, place.file, login, wanted, io)
      },
      io,
    )
    return {
      facts: {
        branch: shown(found.branch),
        is_new: found.isNew,
        env_file: env.path,
        variables: Object.keys(values),
        host: access.host,
        port: Number(access.port),
        database: access.database,
        user: access.user,
        credential_expire_time: access.credential_expire_time,
        ...(await nextOf(place, io)),
      },
    }
  },
})

export const renewBranchTool = tool({
  name: 'renew_branch',
  title: "Let this worktree's branch live longer",
  describe: "Move the end of this worktree's own branch away from now.",
  effect: 'adds',
  input: z.strictObject({
    ttl: ttl.optional().describe('From now on: 6h, 7d. Left out: as lakelet.toml says, else 6h.'),
  }),
  run: async ({ ttl: text }, { client, login, io }) => {
    const asked = text === undefined ? undefined : { text, field: 'ttl' }
    const operation = await renew(
      client,
      await ownRenewal(client, await findPlace(io), login, asked),
    )
    return { facts: shown((await awaitOperation(client, operation, {}, 'Renewing', io)) as Branch) }
  },
})

export const createBranchTool = tool({
  name: 'create_branch',
  title: 'Create a branch',
  describe: "A branch beside this worktree's own, with all data of its source at this moment.",
  needs: ['branches'],
  effect: 'adds',
  input: z.strictObject({
    branch: named.describe('PROJECT/BRANCH: what it shall be called.'),
    source: named.optional().describe("Left out: the project's default branch."),
    ttl: ttl.default('6h'),
  }),
  run: async ({ branch, source, ttl: text }, { client, io }) => {
    const name = await findBranch(client, readTarget(branch, {}))
    const [project = '', id = ''] = name.split('/branches/')
    const of = source === undefined ? undefined : await findBranch(client, readTarget(source, {}))
    const end = expirationField(text === 'none' ? { expiry: false } : { ttl: text })
    const spec = { ...end?.spec, ...(of === undefined ? {} : { source_branch: of }) }
    const operation = await client.branches.create(project, id, { spec })
    return { facts: shown((await awaitOperation(client, operation, {}, 'Creating', io)) as Branch) }
  },
})

export const resetBranchTool = tool({
  name: 'reset_branch',
  title: 'Reset a branch to its source',
  describe:
    "Give a branch what its source branch holds now. What it held is lost to it; a snapshot keeps it for a day. Left out: this worktree's own.",
  needs: ['branches'],
  effect: 'destroys',
  input: z.strictObject({ branch: branchInput }),
  run: async ({ branch: text }, session) => {
    const { client, io } = session
    const { name } = await changeable(text, session)
    const operation = await client.act(name, 'reset')
    return {
      facts: shown((await awaitOperation(client, operation, {}, 'Resetting', io)) as Branch),
    }
  },
})

export const deleteBranchTool = tool({
  name: 'delete_branch',
  title: 'Delete a branch',
  describe: 'Delete a branch. It can be brought back for seven days, by a person.',
  needs: ['branches'],
  effect: 'destroys',
  input: z.strictObject({ branch: named }),
  run: async ({ branch: text }, session) => {
    const { client, io } = session
    const { name } = await changeable(text, session)
    await awaitOperation(client, await client.branches.delete(name), {}, 'Deleting', io)
    return { facts: { deleted: name } }
  },
})

/** What was found and cannot run is told, as it is by `lakelet dev`. */
async function nextOf(place: Place, io: CliIo): Promise<{ readonly next?: string }> {
  try {
    const migrations = await findMigrations(place, io)
    return migrations === undefined ? {} : { next: `migrations: ${migrations.line}` }
  } catch (error) {
    if (error instanceof Refusal) return { next: `${error.message}. ${error.hint ?? ''}` }
    throw error
  }
}

async function changeable(text: string | undefined, session: Session): Promise<Branch> {
  const branch = await chosenBranch(text, session)
  refuseProtected(branch, session.allowed)
  return branch
}

const shown = ({ name, status }: Branch) => ({
  branch: name,
  state: status?.current_state,
  source: status?.source_branch,
  ends: status?.expire_time ?? 'never',
  ...(status?.default === true ? { is_default: true } : {}),
  ...(status?.is_protected === true ? { is_protected: true } : {}),
})
