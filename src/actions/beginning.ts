/** Where the writes of a volume begin: asked of a compute that has just started on it, kept between steps. */
import type { Beginning } from '../domain/branch.ts'
import { lsn } from '../domain/lsn.ts'
import type { EndpointUid } from '../domain/names.ts'
import { epochMs } from '../lib/time.ts'
import type { Json, JsonObject } from '../ports/catalog.ts'
import type { Services } from './services.ts'

export async function beginningOf(
  { computes, clock }: Pick<Services, 'computes' | 'clock'>,
  compute: EndpointUid,
): Promise<Beginning> {
  return {
    lsn: lsn(await computes.recoveredTo(compute)),
    xid: await computes.firstXid(compute),
    time: clock.now(),
  }
}

/** For the memory of an operation. */
export const writeBeginning = ({ lsn, xid, time }: Beginning): JsonObject => ({
  lsn: String(lsn),
  xid: String(xid),
  time,
})

export function readBeginning(written: Json | undefined): Beginning {
  if (typeof written !== 'object' || written === null || !('lsn' in written)) {
    throw new Error('no step wrote down where the volume begins')
  }
  return {
    lsn: lsn(BigInt(String(written.lsn))),
    xid: BigInt(String(written.xid)),
    time: epochMs(Number(written.time)),
  }
}
