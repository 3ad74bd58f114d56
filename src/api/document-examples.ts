/** How to call an operation of the API document from a shell: filled with the examples it holds. */
import type { DocumentedOperation } from './document.ts'
import type { JsonSchema } from './document-schemas.ts'

export function curlOf(method: string, path: string, operation: DocumentedOperation): string {
  const isPublic = operation.security?.length === 0
  const body = bodyOf(operation)
  const parts = [
    `curl${method === 'GET' ? '' : ` -X ${method}`} "$DATABRICKS_HOST${targetOf(path, operation)}"`,
    ...(isPublic ? [] : ['-H "Authorization: Bearer $DATABRICKS_TOKEN"']),
    ...(body === undefined ? [] : ["-H 'Content-Type: application/json'", `-d ${quoted(body)}`]),
  ]
  return parts.join(' \\\n  ')
}

export function lakeletOf(method: string, path: string, operation: DocumentedOperation): string {
  const body = bodyOf(operation)
  const call = `./lakelet api ${method.toLowerCase()} ${quoted(targetOf(path, operation))}`
  return body === undefined ? call : `${call} --json ${quoted(body)}`
}

/** Path and query with what is required filled in. */
function targetOf(path: string, { parameters = [] }: DocumentedOperation): string {
  const query: string[] = []
  let filled = path
  for (const { name, in: place, required, schema } of parameters) {
    const example = String(exampleOf(schema) ?? name.toUpperCase())
    if (place === 'path') filled = filled.replace(`{${name}}`, example)
    else if (required) query.push(`${name}=${encodeURIComponent(example)}`)
  }
  return query.length === 0 ? filled : `${filled}?${query.join('&')}`
}

function bodyOf({ requestBody }: DocumentedOperation): string | undefined {
  const content = requestBody?.content['application/json']
  if (content === undefined) return undefined
  return JSON.stringify(content.example ?? {})
}

const exampleOf = ({ examples }: JsonSchema): unknown =>
  Array.isArray(examples) ? examples[0] : undefined

const quoted = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
