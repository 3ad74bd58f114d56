/**
 * Writes one profile of `.databrickscfg` and leaves the rest of the file as it is, comments included:
 * it belongs to every Databricks tool of this account.
 */
import { mkdir, readFile, realpath, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { writeDurableFile } from '../lib/durable-file.ts'

export async function saveProfile(
  path: string,
  name: string,
  values: Readonly<Record<string, string>>,
): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const target = await realpath(path).catch(() => path) // a link stays one
  const text = await readFile(target, 'utf8').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return ''
    throw error
  })
  const mode = await stat(target).then(
    (found) => found.mode & 0o777,
    () => 0o600,
  )
  await writeDurableFile(target, withProfile(text, name, values), mode)
}

/** Pure: the text with these keys of this section set, others of it kept. */
export function withProfile(
  text: string,
  name: string,
  values: Readonly<Record<string, string>>,
): string {
  const lines = text === '' ? [] : text.replace(/\n$/, '').split('\n')
  const start = lines.findIndex((line) => headerOf(line) === name)
  const fresh = Object.entries(values).map(([key, value]) => `${key} = ${value}`)
  if (start === -1) {
    const gap = lines.length === 0 ? [] : ['']
    return `${[...lines, ...gap, `[${name}]`, ...fresh].join('\n')}\n`
  }
  const next = lines.findIndex((line, at) => at > start && headerOf(line) !== undefined)
  const end = next === -1 ? lines.length : next
  const kept = lines
    .slice(start + 1, end)
    .filter((line) => !Object.hasOwn(values, /^\s*([\w-]+)\s*[=:]/.exec(line)?.[1] ?? ''))
  const trailing = kept.length - kept.findLastIndex((line) => line.trim() !== '') - 1
  const body = kept.slice(0, kept.length - trailing)
  const gap = next === -1 ? [] : ['']
  return `${[...lines.slice(0, start + 1), ...fresh, ...body, ...gap, ...lines.slice(end)].join('\n')}\n`
}

const headerOf = (line: string): string | undefined => /^\s*\[([^\]]+)\]\s*$/.exec(line)?.[1]
