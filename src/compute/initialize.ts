/** `initdb`: a fresh cluster that any compute of its major can run and that sorts alike everywhere. */
import type { PostgresMajor } from '../domain/project.ts'
import { failpoint } from '../lib/failpoint.ts'
import type { ServiceUser } from '../lib/service-user.ts'
import { CommandFailed, run } from '../lib/subprocess.ts'
import { minutes } from '../lib/time.ts'
import type { InitializeOptions } from '../ports/compute.ts'
import { superuser, walSegmentMegabytes } from './configuration.ts'

/**
 * Never ICU: the packaged one is old, and an index that another build sorted is corrupt. 17 and later
 * sort by Postgres's own C.UTF-8; before, by the C library's, where the machine has it.
 */
const localeArguments = (major: PostgresMajor, locale: string): readonly string[] => [
  `--locale=${locale}`,
  ...(major >= 17
    ? ['--locale-provider=builtin', '--builtin-locale=C.UTF-8']
    : ['--locale-provider=libc']),
]

export async function initializeCluster(
  initdb: string,
  major: PostgresMajor,
  directory: string,
  serviceUser: ServiceUser | undefined,
  { walDirectory, sync = false }: InitializeOptions = {},
): Promise<void> {
  const make = (locale: string) =>
    run(
      initdb,
      [
        `--pgdata=${directory}`,
        ...(walDirectory === undefined ? [] : [`--waldir=${walDirectory}`]),
        `--username=${superuser}`,
        '--encoding=UTF8',
        ...localeArguments(major, locale),
        '--lc-messages=C',
        `--wal-segsize=${walSegmentMegabytes}`,
        '--data-checksums',
        '--auth=trust', // of the file in the data directory, which computes do not read
        '--no-instructions',
        ...(sync ? [] : ['--no-sync']),
      ],
      {
        cwd: '/', // ours may be closed to the service user
        patience: minutes(2),
        env: { LD_LIBRARY_PATH: '', PGDATA: '', PGOPTIONS: '' },
        ...(serviceUser === undefined ? {} : { uid: serviceUser.uid, gid: serviceUser.gid }),
      },
    )
  try {
    await make('C.UTF-8')
  } catch (error) {
    // initdb has removed what it had made.
    if (!(error instanceof CommandFailed && /invalid locale/.test(error.stderr))) throw error
    await make('C')
  }
  await failpoint('compute.initialize.made')
}
