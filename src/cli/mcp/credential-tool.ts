/**
 * A credential that the model never sees: it goes into a password file of libpq's, in the worktree's own directory of git's, where nothing
 * is committed and which goes with the worktree. The answer says how to use it.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { passwordFileAt } from '../../worktree/password-file.ts'
import { accessTo, findPlace } from '../worktree-branch.ts'
import { branchInput } from './sql-tools.ts'
import { chosenBranch, refuseProtected, tool } from './tool.ts'

export const credentialTool = tool({
  name: 'credential',
  title: 'Write a credential',
  describe:
    'Get a credential for a branch, for psql and other programs that you run yourself: it is written to a password file (PGPASSFILE), never shown. Without leave to write it can only read. For the programs of the project use dev instead.',
  effect: 'adds',
  input: z.strictObject({
    branch: branchInput,
    read_only: z.boolean().default(true).describe('Whether it may read alone.'),
  }),
  run: async ({ branch: text, read_only }, session) => {
    const { client, connection, login, io, allowed } = session
    const branch = await chosenBranch(text, session)
    const isNarrowed = read_only || !(allowed.has('write') || allowed.has('ddl'))
    if (!isNarrowed) refuseProtected(branch, allowed)
    const { worktree, file } = await findPlace(io)
    const claims = isNarrowed ? { claims: [{ permission_set: 'READ_ONLY' }] } : {}
    const access = await accessTo(client, connection, branch, file, login, io, claims)
    const directory = join(worktree.gitDir, 'lakelet')
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const id = branch.name.split('/').at(-1) ?? ''
    const { path, write } = passwordFileAt(join(directory, `${id}.pgpass`))
    await write(access)
    const { host, port, database, user, sslmode, sslrootcert, credential_expire_time } = access
    return {
      facts: {
        branch: branch.name,
        may: isNarrowed ? 'read' : 'all that the identity may',
        environment: {
          PGPASSFILE: path,
          PGHOST: host,
          PGPORT: port,
          PGDATABASE: database,
          PGUSER: user,
          PGSSLMODE: sslmode,
          ...(sslrootcert === '' ? {} : { PGSSLROOTCERT: sslrootcert }),
        },
        credential_expire_time,
        note: 'Set these variables for psql or a program. Do not print the password file.',
      },
    }
  },
})
