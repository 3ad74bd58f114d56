/**
 * The backups at one place:
 *
 *   lakelet-backup.json           which branch they are of; written first
 *   unfinished/<operation>        a backup that has begun here and has not ended
 *   objects/<2>/<sha256>.gz       chunks of files
 *   manifests/<sequence>-<sha256>.json   one for each backup, written last
 *
 * Whatever dies on the way leaves chunks that the next backup uses, or removes when it has ended.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fieldsOf, textOf } from '../domain/backup-fields.ts'
import {
  type BackupSource,
  backupFormat,
  formatOf,
  type KnownManifest,
  type Manifest,
  manifestName,
  parseManifestName,
  readManifest,
  type StoredData,
  type StoredFile,
  writeManifest,
} from '../domain/backup-manifest.ts'
import { controlFilePath } from '../domain/clone-contents.ts'
import { parseControlFile } from '../domain/control-file.ts'
import { Fault } from '../domain/faults.ts'
import { type BranchUid, printable } from '../domain/names.ts'
import { failpoint } from '../lib/failpoint.ts'
import type { ServiceUser } from '../lib/service-user.ts'
import type {
  BackupArchive,
  Cluster,
  Effort,
  StoredWal,
  VerifiedBackup,
  WalRange,
} from '../ports/backups.ts'
import { fetchChunk, hashOf, parseObjectKey } from './chunks.ts'
import { fetchFiles, makeDirectories } from './fetch-files.ts'
import type { ObjectStore } from './object-store.ts'
import { readWal } from './read-wal.ts'
import { type FileToStore, listData, storeFiles } from './store-files.ts'
import { verifyObjects } from './verify-objects.ts'

const marker = 'lakelet-backup.json'
const unfinished = 'unfinished'
const ours = new Set([marker, unfinished, 'objects', 'manifests'])
/** A marker that a kill cut off. */
const isOurs = (name: string): boolean => ours.has(name) || name.startsWith(`${marker}.`)

export class Archive implements BackupArchive {
  readonly place: string
  readonly #store: ObjectStore
  readonly #serviceUser: ServiceUser | undefined
  /** Hashes of the chunks that are there; listed once. */
  #known: Promise<Set<string>> | undefined

  constructor(place: string, store: ObjectStore, serviceUser: ServiceUser | undefined) {
    this.place = place
    this.#store = store
    this.#serviceUser = serviceUser
  }

  async owner(): Promise<BackupSource | undefined> {
    const bytes = await this.#store.get(marker)
    if (bytes !== undefined) return this.#readMarker(bytes.toString('utf8'))
    const found = await this.#store.foreign(isOurs)
    if (found === undefined) return undefined
    throw new Fault('BACKUP_PLACE_OCCUPIED', { place: this.place, found: printable(found) })
  }

  #readMarker(text: string): BackupSource {
    try {
      const fields = fieldsOf(JSON.parse(text))
      const branch = fieldsOf(fields.source)
      return {
        projectUid: textOf(branch, 'project_uid'),
        projectId: textOf(branch, 'project_id'),
        branchUid: textOf(branch, 'branch_uid'),
        branchId: textOf(branch, 'branch_id'),
      }
    } catch (error) {
      throw damaged(marker, 'cannot be read', error)
    }
  }

  async manifests(): Promise<readonly KnownManifest[]> {
    const known: KnownManifest[] = []
    for (const name of await this.#manifestNames()) {
      const manifest = await this.#manifest(name)
      const last = known.at(-1)
      if (manifest.sequence !== known.length + 1) {
        throw damaged(`manifest ${known.length + 1}`, 'is missing')
      }
      if (manifest.previous !== last?.hash) {
        throw damaged(`manifests/${name}`, 'does not follow the one before it')
      }
      if (manifest.source.branchUid !== (last ?? manifest).source.branchUid) {
        throw damaged(`manifests/${name}`, 'is of another branch')
      }
      if (last === undefined && manifest.data === undefined) {
        throw damaged(`manifests/${name}`, 'is an increment of nothing')
      }
      known.push(manifest)
    }
    return known
  }

  async lastWritten() {
    const owner = await this.owner().catch(() => undefined)
    if (owner === undefined) return undefined
    const last = parseManifestName((await this.#manifestNames()).at(-1) ?? '')
    return { branch: owner.branchUid as BranchUid, sequence: last?.sequence ?? 0 }
  }

  async #manifestNames(): Promise<readonly string[]> {
    return [...(await this.#store.list('manifests')).keys()]
      .map((key) => key.slice('manifests/'.length))
      .filter((name) => parseManifestName(name) !== undefined)
      .sort()
  }

  async #manifest(name: string): Promise<KnownManifest> {
    const object = `manifests/${name}`
    const named = parseManifestName(name)
    const bytes = await this.#store.get(object)
    if (named === undefined || bytes === undefined) throw damaged(object, 'is missing')
    if ((await hashOf(bytes)) !== named.hash) {
      throw damaged(object, 'does not hold what it is named by')
    }
    const text = bytes.toString('utf8')
    const format = formatOf(text)
    if (format !== undefined && format > backupFormat) {
      throw new Fault('BACKUP_TOO_NEW', { format, known: backupFormat })
    }
    try {
      const manifest = readManifest(text)
      if (manifest.sequence !== named.sequence) throw new Error('it is named by another number')
      return { ...manifest, hash: named.hash }
    } catch (error) {
      throw damaged(object, 'cannot be read', error)
    }
  }

  async begin(owner: BackupSource, operation: string): Promise<void> {
    await failpoint('backup.begin:before')
    if ((await this.#store.get(marker)) === undefined) {
      await this.#store.put(marker, Buffer.from(markerText(owner)))
    }
    await failpoint('backup.begin:between')
    await this.#store.put(`${unfinished}/${operation}`, Buffer.from('\n'))
    await failpoint('backup.begin:after')
  }

  async cluster(dataDirectory: string): Promise<Cluster> {
    const control = parseControlFile(await readFile(join(dataDirectory, controlFilePath)))
    return {
      systemId: String(control.systemId),
      timeline: control.timeline,
      redo: control.redo,
    }
  }

  async storeData(dataDirectory: string, effort: Effort): Promise<StoredData> {
    const { directories, files } = await listData(dataDirectory)
    return { directories, files: await this.#storeFiles(dataDirectory, files, effort) }
  }

  async storeWal(
    walDirectory: string,
    range: WalRange,
    effort: Effort,
  ): Promise<StoredWal | undefined> {
    try {
      const found = await readWal(walDirectory, range)
      if (found === undefined) return undefined
      const { parts, end, segmentBytes } = found
      const files = parts.map(({ name, size }) => ({ path: name, size }))
      return { files: await this.#storeFiles(walDirectory, files, effort), end, segmentBytes }
    } catch (error) {
      // Postgres removed it while we looked.
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
      throw error
    }
  }

  async #storeFiles(directory: string, files: readonly FileToStore[], effort: Effort) {
    this.#known ??= this.#listChunks()
    return storeFiles(this.#store, await this.#known, directory, files, effort)
  }

  /** After power was cut, a file that was not made durable may be there without its contents. */
  async #listChunks(): Promise<Set<string>> {
    if (!this.#store.keepsAtOnce) return new Set(chunksOf(await this.manifests()))
    const chunks = new Set<string>()
    for (const [key, size] of await this.#store.list('objects')) {
      const hash = parseObjectKey(key)
      if (hash !== undefined && size > 0) chunks.add(hash)
    }
    return chunks
  }

  async commit(manifest: Manifest): Promise<KnownManifest> {
    const bytes = Buffer.from(writeManifest(manifest))
    const hash = await hashOf(bytes)
    await failpoint('backup.commit:before')
    await this.#store.settle() // what it names is there before it
    await failpoint('backup.commit:between')
    await this.#store.put(`manifests/${manifestName(manifest.sequence, hash)}`, bytes)
    await this.#store.settle()
    await failpoint('backup.commit:after')
    return { ...manifest, hash }
  }

  async withdraw(operation: string): Promise<void> {
    const last = (await this.manifests()).at(-1)
    if (last?.operation !== operation) return
    await this.#store.remove(`manifests/${manifestName(last.sequence, last.hash)}`)
  }

  async end(operation: string): Promise<void> {
    const own = `${unfinished}/${operation}`
    const begun = await this.#store.list(unfinished)
    if ([...begun.keys()].some((key) => key !== own)) {
      await this.#sweep()
      for (const key of begun.keys()) if (key !== own) await this.#store.remove(key)
    }
    await failpoint('backup.end:before')
    await this.#store.remove(own)
    await failpoint('backup.end:after')
  }

  /** What a backup that was cut short had stored and nobody names, half-written files too. */
  async #sweep(): Promise<void> {
    const named = chunksOf(await this.manifests())
    for (const key of (await this.#store.list('objects')).keys()) {
      const hash = parseObjectKey(key)
      if (hash === undefined || !named.has(hash)) await this.#store.remove(key)
    }
    for (const key of (await this.#store.list('manifests')).keys()) {
      const isManifest = parseManifestName(key.slice('manifests/'.length)) !== undefined
      if (!isManifest) await this.#store.remove(key)
    }
  }

  async fetchData(data: StoredData, dataDirectory: string, effort: Effort): Promise<void> {
    await makeDirectories(dataDirectory, data.directories, this.#serviceUser)
    await fetchFiles(this.#store, dataDirectory, data.files, this.#serviceUser, effort)
  }

  async fetchWal(
    files: readonly StoredFile[],
    walDirectory: string,
    segmentBytes: number,
    effort: Effort,
  ): Promise<void> {
    await fetchFiles(this.#store, walDirectory, files, this.#serviceUser, effort, segmentBytes)
  }

  async verify(effort: Effort): Promise<VerifiedBackup> {
    const problems: string[] = []
    let manifests: readonly KnownManifest[] = []
    try {
      await this.owner()
      manifests = await this.manifests()
    } catch (error) {
      if (!(error instanceof Fault) || error.reason !== 'BACKUP_DAMAGED') throw error
      problems.push(sayDamage(error))
      manifests = await this.#readable()
    }
    const checked = await verifyObjects(chunksOf(manifests), effort, (hash) =>
      fetchChunk(this.#store, hash),
    )
    return {
      objects: checked.objects,
      bytes: checked.bytes,
      problems: [...problems, ...checked.damage.map(sayDamage)].slice(0, 100),
    }
  }

  /** Those that can be read, whether or not they follow each other. */
  async #readable(): Promise<readonly KnownManifest[]> {
    const readable: KnownManifest[] = []
    for (const name of await this.#manifestNames()) {
      await this.#manifest(name).then(
        (manifest) => readable.push(manifest),
        (error: unknown) => {
          if (!(error instanceof Fault) || error.reason !== 'BACKUP_DAMAGED') throw error
        },
      )
    }
    return readable
  }

  close(): void {
    this.#store.close()
  }
}

const markerText = ({ projectUid, projectId, branchUid, branchId }: BackupSource): string =>
  `${JSON.stringify({
    what: 'Backups of one branch by Lakelet; see manifests/.',
    source: {
      project_uid: projectUid,
      project_id: projectId,
      branch_uid: branchUid,
      branch_id: branchId,
    },
  })}\n`

const damaged = (object: string, problem: string, cause?: unknown): Fault =>
  new Fault('BACKUP_DAMAGED', { object, problem }, { cause })

const sayDamage = ({ facts }: Fault): string => `${facts.object} ${facts.problem}`

const chunksOf = (manifests: readonly KnownManifest[]): ReadonlySet<string> =>
  new Set(
    manifests.flatMap(({ data, wal }) =>
      [...(data?.files ?? []), ...wal].flatMap(({ chunks }) => chunks),
    ),
  )
