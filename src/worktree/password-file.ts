/**
 * A password file of libpq's for one program: https://www.postgresql.org/docs/current/libpq-pgpass.html. Its password is
 * replaced while the program runs, so connections that it opens hours later get in too.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeDurableFile } from '../lib/durable-file.ts'

export interface PasswordEntry {
  readonly host: string
  readonly port: string
  readonly user: string
  readonly password: string
}

export interface PasswordFile {
  readonly path: string
  write(entry: PasswordEntry): Promise<void>
  remove(): Promise<void>
}

/** In a directory of its own that nobody else may enter. */
export async function makePasswordFile(): Promise<PasswordFile> {
  const directory = await mkdtemp(join(tmpdir(), 'lakelet-run-'))
  return {
    ...passwordFileAt(join(directory, 'pgpass')),
    remove: () => rm(directory, { recursive: true, force: true }),
  }
}

/** At a place that is there and stays. */
export const passwordFileAt = (path: string): Pick<PasswordFile, 'path' | 'write'> => ({
  path,
  write: ({ host, port, user, password }) =>
    writeDurableFile(path, `${[host, port, '*', user, password].map(field).join(':')}\n`, 0o600),
})

const field = (text: string): string =>
  text === '*' ? text : text.replace(/[\\:]/g, (character) => `\\${character}`)
