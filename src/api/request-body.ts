/**
 * The body of a request, read with a bound: what is too large is refused before it is held, by its
 * declared length where there is one. The answer is a JSON object or nothing; nothing else is a body.
 */
import { isJsonObject, type JsonObject } from '../domain/body-tolerance.ts'
import { Fault } from '../domain/faults.ts'
import { printable } from '../domain/names.ts'

export const bodyLimit = 1024 * 1024

/** How much more of a refused body is taken off the wire, so that its sender can read the answer. */
const discardLimit = 16 * 1024 * 1024

/** `undefined`: there is no body, or only white space. */
export async function readJsonBody(
  request: Request,
  { anyType = false } = {},
): Promise<JsonObject | undefined> {
  const encoding = request.headers.get('content-encoding')
  if (encoding !== null && encoding.toLowerCase() !== 'identity') {
    throw notJson(`Content-Encoding '${printable(encoding)}' is not supported`)
  }
  const text = await readText(request)
  if (text.trim() === '') return undefined
  if (!anyType) checkContentType(request.headers.get('content-type'))
  const value = parseJson(text)
  if (!isJsonObject(value)) throw notJson(`an object is expected, not ${sayKind(value)}`)
  return value
}

function checkContentType(header: string | null): void {
  if (header === null || header.trim() === '') return
  const [type = '', ...parameters] = header.split(';').map((part) => part.trim().toLowerCase())
  const charset = parameters.find((part) => part.startsWith('charset='))?.replace(/["']/g, '')
  const isJson = type === 'application/json' || /^application\/[a-z0-9.-]+\+json$/.test(type)
  if (!isJson || (charset !== undefined && !/^charset=utf-?8$/.test(charset))) {
    throw new Fault('CONTENT_TYPE_UNSUPPORTED', { type: printable(header) })
  }
}

async function readText(request: Request): Promise<string> {
  const bytes = await readBytes(request)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    throw notJson('it is not UTF-8 text', error)
  }
}

async function readBytes(request: Request): Promise<Uint8Array> {
  const declared = Number(request.headers.get('content-length') ?? Number.NaN)
  if (declared > bodyLimit) throw tooLarge()
  // Node's parser enforces a declared length, so the adapter may gather such a body by itself.
  const bytes = Number.isNaN(declared)
    ? await readStream(request)
    : new Uint8Array(await unlessCut(request.arrayBuffer()))
  if (bytes.byteLength > bodyLimit) throw tooLarge()
  return bytes
}

async function readStream(request: Request): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let length = 0
  const reader = request.body?.getReader()
  while (reader !== undefined) {
    const { done, value } = await unlessCut(reader.read())
    if (done) break
    length += value.byteLength
    if (length > bodyLimit) {
      void discard(reader)
      throw tooLarge()
    }
    chunks.push(value)
  }
  return Buffer.concat(chunks)
}

/** Runs beside the answer; a sender that is cut off here gets a broken connection at worst. */
async function discard(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  try {
    for (let length = 0; length < discardLimit; ) {
      const { done, value } = await reader.read()
      if (done) return
      length += value.byteLength
    }
    await reader.cancel()
  } catch {
    // The client went away: there is nobody left to tell.
  }
}

/** A client that goes away in the middle is no fault of ours. */
async function unlessCut<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading
  } catch (error) {
    throw notJson('it ended early', error)
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw notJson(printable(error instanceof Error ? error.message : 'it cannot be read'), error)
  }
}

function sayKind(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'a list' : `a ${typeof value}`
}

const tooLarge = (): Fault => new Fault('BODY_TOO_LARGE', { limit: bodyLimit })

const notJson = (problem: string, cause?: unknown): Fault =>
  new Fault('BODY_NOT_JSON', { problem }, cause === undefined ? undefined : { cause })
