/**
 * What computes leave outside of their volumes, by the endpoint it is of: a postmaster, a run directory,
 * a log. The names alone say whose it is.
 */
import { readdir } from 'node:fs/promises'
import type { EndpointUid } from '../domain/names.ts'
import type { Clock } from '../lib/time.ts'
import type { ComputeTrace } from '../ports/compute.ts'
import { watchPostmaster } from './postmaster.ts'
import type { ProcessTable } from './process-table.ts'
import { endPostmaster } from './shutdown.ts'

export interface TracePlaces {
  readonly runDirectory: string
  readonly logDirectory: string
}

export async function listTraces(
  { runDirectory, logDirectory }: TracePlaces,
  processes: ProcessTable,
): Promise<readonly ComputeTrace[]> {
  const logs = (await readdir(logDirectory)).map(
    (name) => /^(ep-[^.]+)\.log(\.1)?$/.exec(name)?.[1],
  )
  const uids = {
    process: (await postmasters(runDirectory, processes)).map(({ uid }) => uid),
    run: (await readdir(runDirectory)).filter((name) => name.startsWith('ep-')),
    log: [...new Set(logs.filter((uid) => uid !== undefined))],
  }
  return (['process', 'run', 'log'] as const).flatMap((kind) =>
    uids[kind].map((uid) => ({ kind, uid: uid as EndpointUid })),
  )
}

/** Ends every postmaster whose socket is this endpoint's, in good order. None is success. */
export async function endTraced(
  uid: EndpointUid,
  { runDirectory }: TracePlaces,
  processes: ProcessTable,
  clock: Clock,
): Promise<void> {
  for (const { facts, uid: of } of await postmasters(runDirectory, processes)) {
    if (of !== uid) continue
    const postmaster = watchPostmaster(facts, processes, clock)
    try {
      await endPostmaster(postmaster, 'fast', processes, clock)
    } finally {
      postmaster.release()
    }
  }
}

async function postmasters(runDirectory: string, processes: ProcessTable) {
  const sign = `unix_socket_directories=${runDirectory}/`
  return (await processes.withCommand(sign)).flatMap((facts) => {
    const rest = facts.command.slice(facts.command.indexOf(sign) + sign.length)
    const uid = /^(ep-[^ /]+) /.exec(rest)?.[1]
    return uid === undefined ? [] : [{ facts, uid }]
  })
}
