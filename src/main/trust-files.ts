/**
 * The files that clients trust us by: our CA alone for libpq, and a bundle for Node, whose
 * NODE_EXTRA_CA_CERTS takes one file only: what it named before we came (a proxy's CA, say) stays in.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Layout } from '../domain/layout.ts'
import { writeDurableFile } from '../lib/durable-file.ts'

export interface TrustFiles {
  readonly caFile: string
  readonly nodeCaFile: string
}

export async function writeTrustFiles(layout: Layout, certificate: string): Promise<TrustFiles> {
  const caFile = join(layout.root, 'ca.pem')
  const nodeCaFile = join(layout.root, 'ca-bundle.pem')
  const others = await readOthers(process.env.NODE_EXTRA_CA_CERTS)
  await writeDurableFile(caFile, certificate, 0o644)
  await writeDurableFile(nodeCaFile, bundle(certificate, others), 0o644)
  return { caFile, nodeCaFile }
}

/** Each certificate once, ours first. */
export function bundle(certificate: string, others: string): string {
  const blocks = `${certificate}\n${others}`.match(
    /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g,
  )
  return `${[...new Set(blocks ?? [])].join('\n')}\n`
}

/** A file that is not there is the caller's own trouble: Node only warns of it too. */
const readOthers = (path: string | undefined): Promise<string> =>
  path === undefined || path === '' ? Promise.resolve('') : readFile(path, 'utf8').catch(() => '')
