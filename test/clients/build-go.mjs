/**
 * Go programs of the suites, built once and kept outside of the repository: OpenTofu and the provider
 * take long on a small machine. The key of a binary is all that decides it: Go's version, modules and sources.
 */
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { tryRun } from '../../scripts/run-command.mjs'

const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'lakelet-conformance')

/** Milliseconds that one build may take before it counts as not to be had here. */
const patience = 35 * 60_000

/** `go1.26.8`, or throws with the reason. */
export async function goVersion(atLeastMinor) {
  const found = /go1\.(\d+)\S*/.exec((await tryRun('go', ['version'])).stdout)
  if (found === null) throw new Error('there is no Go here')
  if (Number(found[1]) < atLeastMinor)
    throw new Error(`Go 1.${atLeastMinor} is needed, not ${found[0]}`)
  return found[0]
}

/** The version of a module as a folder's go.mod requires it, without the `v`. */
export function moduleVersion(directory, module) {
  const text = readFileSync(join(directory, 'go.mod'), 'utf8')
  const line = text
    .split('\n')
    .find((each) => each.replace('require', '').trim().startsWith(`${module} v`))
  if (line === undefined) throw new Error(`${directory}/go.mod does not require ${module}`)
  return line.trim().split(' v')[1].split(' ')[0]
}

/** Builds `target` in a folder with a go.mod; answers with the binary's path, or throws with the reason. */
export async function buildGo(name, directory, target, { atLeastMinor, isHeavy = false }) {
  const go = await goVersion(atLeastMinor)
  const key = createHash('sha256').update(go).update(target)
  const sources = readdirSync(directory).filter((file) => /\.(go|mod|sum)$/.test(file))
  for (const file of sources.sort()) key.update(file).update(readFileSync(join(directory, file)))
  const binary = join(cache, `${name}-${key.digest('hex').slice(0, 16)}`)
  if (existsSync(binary)) {
    utimesSync(binary, new Date(), new Date())
    return binary
  }
  mkdirSync(cache, { recursive: true })
  const draft = `${binary}.${process.pid}`
  const build = ['go', 'build', '-p', '2', '-trimpath', '-ldflags', '-s -w', '-o', draft, target]
  const seconds = String(patience / 1000)
  const [command, ...args] = isHeavy ? ['timeout', seconds, 'nice', '-n', '15', ...build] : build
  const env = { ...process.env, GOTOOLCHAIN: 'local' } // a newer Go is a reason, not a download
  const built = await tryRun(command, args, { cwd: directory, env })
  if (built.code !== 0) {
    rmSync(draft, { force: true })
    const reason =
      built.code === 124 ? `not done after ${patience / 60_000} minutes` : lastLines(built.output)
    throw new Error(`go build of ${target}: ${reason}`)
  }
  renameSync(draft, binary)
  forgetOlder(name)
  return binary
}

/** Binaries of earlier keys that nobody used for a week; they would fill the disk. */
function forgetOlder(name) {
  const weekAgo = Date.now() - 7 * 24 * 3_600_000
  for (const file of readdirSync(cache)) {
    const isOfName = file.startsWith(`${name}-`) && /-[0-9a-f]{16}$/.test(file)
    const path = join(cache, file)
    if (isOfName && statSync(path).mtimeMs < weekAgo) rmSync(path, { force: true })
  }
}

const lastLines = (text) => text.trim().split('\n').slice(-3).join('; ')
