/** Cancel: asks an operation that takes long to end and to undo what it has begun. */
import { Fault } from '../domain/faults.ts'
import type { OperationUid } from '../domain/names.ts'
import { type OperationResource, renderOperation } from '../domain/operation.ts'
import type { Engine } from '../operations/engine.ts'
import { allow, may } from './access.ts'
import type { Caller } from './actions.ts'
import type { Services } from './services.ts'

export async function cancelOperation(
  { catalog, clock }: Services,
  engine: Pick<Engine, 'isCancellable'>,
  caller: Caller,
  resource: string,
  uid: OperationUid,
): Promise<OperationResource> {
  return catalog.transaction(async (session) => {
    const found = await session.work.byUid(uid)
    const project = found && (await session.projects.byUid(found.projectUid))
    if (found === undefined || project === undefined || found.resource !== resource) {
      throw new Fault('OPERATION_NOT_FOUND')
    }
    const isOwn = found.callerUid === caller.identity.uid
    await allow(session, project, may(caller, 'cancelOperation'), isOwn)
    if (found.outcome.kind !== 'pending') throw new Fault('OPERATION_FINISHED')
    if (!engine.isCancellable(found.kind)) throw new Fault('OPERATION_NOT_CANCELLABLE')
    if (!(await session.work.cancel(uid, clock.now()))) throw new Fault('OPERATION_FINISHED')
    return renderOperation(found)
  })
}
