/** A Python environment with Alembic, made once and kept under `.venv` of the repository. */
import { access, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { run } from '../../src/lib/subprocess.ts'
import { minutes } from '../../src/lib/time.ts'

const packages = ['alembic==1.20.1', 'sqlalchemy==2.1.9', 'psycopg[binary]==3.3.9']
const directory = resolve(
  import.meta.dirname,
  '../../.venv',
  `migrations-${packages.join('-').replaceAll(/[^a-z0-9.]+/g, '-')}`,
)

/** Directory of the programs. */
export async function pythonTools(): Promise<string> {
  const bin = join(directory, 'bin')
  const ready = await access(join(bin, 'alembic')).then(
    () => true,
    () => false,
  )
  if (!ready) {
    await rm(directory, { recursive: true, force: true })
    await run('python3', ['-m', 'venv', directory])
    await run(
      join(bin, 'pip'),
      ['install', '--quiet', '--disable-pip-version-check', ...packages],
      {
        patience: minutes(5),
      },
    )
  }
  return bin
}
