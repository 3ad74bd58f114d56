/**
 * Takes rights away where they are in use: sessions whose identity may not log in any more, or is less
 * than it was at login, end; roles in awake branches that are managers but should not be cease to
 * be. Looks when somebody's access was lowered, and now and then in any case: a login may have been
 * granted while the change was made.
 */
import type { Prepared } from '../actions/fleet.ts'
import type { Services } from '../actions/services.ts'
import type { HeldSession } from '../actions/session.ts'
import { type SessionRight, sessionPrincipal, sessionRight } from '../actions/session-rights.ts'
import { isLive } from '../domain/branch.ts'
import { isReader } from '../domain/endpoint.ts'
import { Fault, toRecord } from '../domain/faults.ts'
import type { EndpointUid } from '../domain/names.ts'
import { adminsGroup } from '../domain/principal.ts'
import { after, type EpochMs, epochMs, seconds } from '../lib/time.ts'
import type { EndpointContext } from '../ports/catalog.ts'

/** A compute that just woke is busy with whoever woke it. */
const afterWake = seconds(3)

export interface AccessGuard {
  /** Somebody may do less than before. */
  lowered(): void
  run(): Promise<EpochMs | undefined>
}

export function accessGuard(services: Services, prepared: Prepared): AccessGuard {
  const { catalog, computes, clock, log } = services
  /** Awake endpoints whose managers are to be looked at, and from when on. */
  const due = new Map<EndpointUid, EpochMs>()
  let isEverywhere = true
  computes.onChange((uid, { kind }) => {
    if (kind === 'ready') due.set(uid, after(clock.now(), afterWake))
    else due.delete(uid)
  })

  const lookEverywhere = async () => {
    isEverywhere = false
    for (const { endpoint } of await catalog.endpoints.everyContext()) {
      if (computes.state(endpoint.uid).kind === 'ready') due.set(endpoint.uid, clock.now())
    }
  }

  return {
    lowered() {
      isEverywhere = true
    },
    async run() {
      await endSessions(services)
      if (isEverywhere) await lookEverywhere()
      for (const [uid, at] of [...due]) {
        if (at > clock.now()) continue
        due.delete(uid)
        try {
          await endManagers(services, prepared, uid)
        } catch (error) {
          log.warn({ err: error, endpoint: uid }, 'cannot look at the managers of a branch')
          if (computes.state(uid).kind === 'ready') due.set(uid, after(clock.now(), afterWake))
        }
      }
      return due.size === 0 ? undefined : epochMs(Math.min(...due.values()))
    },
  }
}

async function endSessions(services: Services): Promise<void> {
  const { door, log } = services
  const held = await door.heldSessions()
  const rights = new Map<string, Promise<SessionRight>>()
  const over: string[] = []
  for (const session of held) {
    const { endpoint, holder } = session
    const key = JSON.stringify([endpoint, holder.identity, holder.group])
    const asked = rights.get(key) ?? rightNow(services, session)
    rights.set(key, asked)
    const now = await asked
    if (now === undefined || (holder.right === 'manager' && now === 'member')) {
      over.push(session.id)
      log.info({ endpoint, identity: holder.identity, was: holder.right, now }, 'ending a session')
    }
  }
  if (over.length > 0) await door.endHeld(over, toRecord(new Fault('ACCESS_ENDED')))
}

async function rightNow(
  { catalog }: Pick<Services, 'catalog'>,
  { endpoint, holder }: HeldSession,
): Promise<SessionRight> {
  const context = await catalog.endpoints.context(endpoint)
  const identity = await catalog.identities.byUid(holder.identity)
  if (context === undefined || identity === undefined || !identity.isActive) return undefined
  const principal = await sessionPrincipal(catalog, identity, holder.group)
  return principal && sessionRight(catalog, context.project, context.branch, principal)
}

async function endManagers(
  services: Services,
  prepared: Prepared,
  uid: EndpointUid,
): Promise<void> {
  const { catalog, computes, roles, log } = services
  const context = await catalog.endpoints.context(uid)
  if (context === undefined || !isLive(context) || computes.state(uid).kind !== 'ready') return
  if (isReader(context.endpoint)) return // its roles are its writer's, and arrive by themselves
  const socket = computes.socketDirectory(uid)
  for (const name of await roles.managers(socket)) {
    const principal = await catalog.directory.byName(name)
    const isManager = () => mayManage(services, context, name)
    if (await isManager()) continue
    log.info({ endpoint: uid, role: name }, 'a role is no manager any more')
    const kind = principal?.kind ?? 'USER'
    await prepared.endManager(services, uid, { loginName: name, kind }, isManager)
  }
}

async function mayManage(
  { catalog }: Pick<Services, 'catalog'>,
  { project, branch }: EndpointContext,
  name: string,
): Promise<boolean> {
  const principal = await catalog.directory.byName(name)
  if (principal === undefined || principal.loginName !== name || !principal.isActive) return false
  const isAdmin = principal.isAdmin || principal.uid === adminsGroup
  const right = await sessionRight(catalog, project, branch, { uid: principal.uid, isAdmin })
  return right === 'manager'
}
