/** Roles and databases in the model: contract 1.11 and 1.12. */
import { type Branch, type Outcome, without } from './world.ts'

export type ContentsCall = { readonly branch: string } & (
  | {
      readonly do: 'create-role'
      readonly role: string
      readonly name: string
      readonly createdb: boolean
      readonly isMember: boolean
      readonly replace: boolean
    }
  | { readonly do: 'update-role'; readonly role: string; readonly createdb: boolean }
  | { readonly do: 'delete-role'; readonly role: string }
  | {
      readonly do: 'create-database'
      readonly database: string
      readonly name: string
      readonly owner: string
      readonly replace: boolean
    }
  | {
      readonly do: 'update-database'
      readonly database: string
      readonly name: string | undefined
      readonly owner: string | undefined
    }
  | { readonly do: 'delete-database'; readonly database: string }
)

export function contentsStep(branch: Branch, call: ContentsCall): readonly [Branch, Outcome] {
  return 'role' in call ? roleStep(branch, call) : databaseStep(branch, call)
}

function roleStep(
  branch: Branch,
  call: Extract<ContentsCall, { role: string }>,
): readonly [Branch, Outcome] {
  const refuse = (outcome: Outcome) => [branch, outcome] as const
  const existing = branch.roles[call.role]
  switch (call.do) {
    case 'create-role': {
      const { name, createdb, isMember } = call
      if (existing === undefined) {
        const isTaken = Object.values(branch.roles).some((role) => role.name === name)
        if (isTaken) return refuse('BAD_REQUEST')
      } else {
        if (!call.replace) return refuse('BAD_REQUEST')
        if (existing.name !== name) return refuse('INVALID_PARAMETER_VALUE')
      }
      const roles = { ...branch.roles, [call.role]: { name, createdb, isMember } }
      return [{ ...branch, roles }, 'ok']
    }
    case 'update-role': {
      if (existing === undefined) return refuse('NOT_FOUND')
      const roles = { ...branch.roles, [call.role]: { ...existing, createdb: call.createdb } }
      return [{ ...branch, roles }, 'ok']
    }
    case 'delete-role': {
      if (existing === undefined) return refuse('NOT_FOUND')
      const owns = Object.values(branch.databases).some(({ owner }) => owner === call.role)
      if (owns) return refuse('BAD_REQUEST')
      return [{ ...branch, roles: without(branch.roles, call.role) }, 'ok']
    }
  }
}

function databaseStep(
  branch: Branch,
  call: Exclude<ContentsCall, { role: string }>,
): readonly [Branch, Outcome] {
  const refuse = (outcome: Outcome) => [branch, outcome] as const
  const existing = branch.databases[call.database]
  const put = (name: string, owner: string): readonly [Branch, Outcome] => {
    if (branch.roles[owner] === undefined) return refuse('NOT_FOUND')
    const isTaken = Object.entries(branch.databases).some(
      ([id, database]) => database.name === name && id !== call.database,
    )
    if (isTaken) return refuse('BAD_REQUEST')
    const databases = { ...branch.databases, [call.database]: { name, owner } }
    return [{ ...branch, databases }, 'ok']
  }
  switch (call.do) {
    case 'create-database':
      if (existing !== undefined && !call.replace) return refuse('BAD_REQUEST')
      return put(call.name, call.owner)
    case 'update-database':
      if (existing === undefined) return refuse('NOT_FOUND')
      return put(call.name ?? existing.name, call.owner ?? existing.owner)
    case 'delete-database':
      if (existing === undefined) return refuse('NOT_FOUND')
      return [{ ...branch, databases: without(branch.databases, call.database) }, 'ok']
  }
}
