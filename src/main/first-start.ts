/**
 * What the first start makes: the owner, the owner's access token, and a first project. Each part is
 * looked at again at every start, so a start that was cut short is completed by the next one.
 */
import { readFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { authenticate, issueAccessToken } from '../actions/access-tokens.ts'
import type { Actions, Caller } from '../actions/actions.ts'
import { bySystem } from '../actions/audit-entry.ts'
import { audited } from '../actions/audited.ts'
import { insertIdentity } from '../actions/identities.ts'
import type { Services } from '../actions/services.ts'
import { Fault } from '../domain/faults.ts'
import type { Identity } from '../domain/identity.ts'
import type { Layout } from '../domain/layout.ts'
import type { OperationUid, ProjectId } from '../domain/names.ts'
import { writeDurableFile } from '../lib/durable-file.ts'
import { Secret } from '../lib/secret.ts'
import { run } from '../lib/subprocess.ts'
import { minutes, seconds } from '../lib/time.ts'

const firstProject = 'store' as ProjectId

/** The owner, with a token that works in `layout.tokenFile`. */
export async function ensureOwner(services: Services, layout: Layout): Promise<Identity> {
  const { catalog, clock } = services
  const uid = await catalog.notes.get('owner')
  const known =
    uid === undefined ? undefined : await catalog.identities.byUid(uid as Identity['uid'])
  const owner = known ?? (await makeOwner(services))
  const token = await readToken(layout)
  const holder = token && (await holderOf(services, token))
  if (holder?.uid !== owner.uid) {
    const about = { resource: 'access-tokens', details: { for: owner.loginName } }
    const { token: fresh } = await audited(
      services,
      {
        begun: bySystem('create-access-token', about, clock.now()),
        told: (made) => ({ resourceUid: (made as { readonly tokenId: string }).tokenId }),
      },
      (own) => issueAccessToken(own, owner, { comment: 'made at start for the owner' }),
    )
    await writeDurableFile(layout.tokenFile, `${fresh.reveal()}\n`)
  }
  return owner
}

async function makeOwner(services: Services): Promise<Identity> {
  const loginName = await ownerName()
  const existing = await services.catalog.identities.byLoginName(loginName)
  const owner =
    existing ??
    (await audited(
      services,
      {
        begun: bySystem(
          'create-identity',
          { resource: `identities/${loginName}`, details: { kind: 'USER', is_admin: true } },
          services.clock.now(),
        ),
        told: (made) => ({ resourceUid: (made as Identity).uid }),
      },
      (own) =>
        insertIdentity(own, {
          kind: 'USER',
          loginName,
          displayName: loginName.split('@')[0] ?? loginName,
          isAdmin: true,
        }),
    ))
  await services.catalog.notes.set('owner', owner.uid)
  return owner
}

/** `git config user.email`, else `<user>@localhost`. */
async function ownerName(): Promise<string> {
  try {
    const email = (await run('git', ['config', 'user.email'], { patience: seconds(5) })).trim()
    // It becomes the name of a Postgres role; some are reserved.
    const isReserved = /^(pg_|databricks_|lakelet_)/i.test(email)
    if (email !== '' && Buffer.byteLength(email) <= 63 && !isReserved) return email
  } catch {
    // No git, or no e-mail set: the account's name will do.
  }
  return `${userInfo().username}@localhost`
}

async function readToken({ tokenFile }: Layout): Promise<Secret | undefined> {
  try {
    return new Secret((await readFile(tokenFile, 'utf8')).trim())
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

async function holderOf(services: Services, token: Secret): Promise<Identity | undefined> {
  try {
    return await authenticate(services, token)
  } catch (error) {
    if (error instanceof Fault) return undefined
    throw error
  }
}

/** Makes the first project once in the life of a catalog. */
export async function ensureFirstProject(
  services: Services,
  actions: Actions,
  owner: Identity,
): Promise<void> {
  const { catalog, clock, log } = services
  if ((await catalog.notes.get('first_project')) !== undefined) return
  const caller: Caller = { identity: owner, userAgent: 'lakelet', requestId: 'first-start' }
  try {
    const { name } = await actions.createProject(caller, {
      projectId: firstProject,
      spec: { displayName: 'Store' },
      initialBranch: {},
      initialEndpoint: {},
    })
    const uid = name.split('/').at(-1) as OperationUid
    const end = clock.monotonic() + minutes(3)
    for (;;) {
      const operation = await actions.getOperation(caller, `projects/${firstProject}`, uid)
      if (operation.done) {
        if (operation.error !== undefined) throw new Error(operation.error.message)
        break
      }
      if (clock.monotonic() > end) throw new Error('the first project is not ready after 3 minutes')
    }
  } catch (error) {
    if (!(error instanceof Fault && error.reason === 'PROJECT_EXISTS')) {
      log.error({ err: error }, 'cannot make the first project')
      throw error
    }
  }
  await catalog.notes.set('first_project', firstProject)
}
