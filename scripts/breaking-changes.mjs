/**
 * What of an API document's change breaks clients that were written for the one before: operations,
 * parameters and fields that are gone or became required, and types that changed. Texts, limits and
 * additions are no matter.
 */

/** In words, one line each; empty when old clients go on as they are. */
export function breakingChanges(before, after) {
  const found = []
  for (const [name, old] of operationsOf(before)) {
    const now = operationsOf(after).get(name)
    if (now === undefined) {
      found.push(`${name} is gone`)
      continue
    }
    if (now.operationId !== old.operationId) {
      found.push(`${name} is called ${now.operationId}, no longer ${old.operationId}`)
    }
    found.push(...parameterChanges(name, old, now))
    const input = { before, after, isRequest: true, found, seen: new Set() }
    compare(bodyOf(old), bodyOf(now), `${name} body`, input)
    for (const [status, reply] of Object.entries(old.responses)) {
      if (Number(status) >= 400) continue
      if (now.responses[status] === undefined) found.push(`${name} no longer answers ${status}`)
      else {
        const output = { ...input, isRequest: false, seen: new Set() }
        compare(schemaOf(reply), schemaOf(now.responses[status]), `${name} ${status}`, output)
      }
    }
  }
  return [...new Set(found)]
}

const operationsOf = ({ paths }) =>
  new Map(
    Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => [
        `${method.toUpperCase()} ${path}`,
        operation,
      ]),
    ),
  )

const schemaOf = ({ content }) => content?.['application/json']?.schema
const bodyOf = ({ requestBody }) => (requestBody === undefined ? undefined : schemaOf(requestBody))

function parameterChanges(name, old, now) {
  const named = (list = []) => new Map(list.map((parameter) => [parameter.name, parameter]))
  const [oldOnes, newOnes] = [named(old.parameters), named(now.parameters)]
  return [
    ...[...oldOnes.keys()]
      .filter((parameter) => !newOnes.has(parameter))
      .map((parameter) => `${name} no longer takes ${parameter}`),
    ...[...newOnes.values()]
      .filter(({ name, required }) => required && !oldOnes.get(name)?.required)
      .map((parameter) => `${name} now needs ${parameter.name}`),
  ]
}

function compare(oldSchema, newSchema, at, context) {
  const { before, after, isRequest, found, seen } = context
  if (oldSchema === undefined || newSchema === undefined) {
    if (oldSchema !== undefined) found.push(`${at} is gone`)
    return
  }
  // A schema that holds itself is compared once.
  const pair = `${oldSchema.$ref} ${newSchema.$ref}`
  if (oldSchema.$ref !== undefined && seen.has(pair)) return
  seen.add(pair)
  const [old, now] = [resolve(oldSchema, before), resolve(newSchema, after)]
  if (old.type !== now.type) found.push(`${at} is ${now.type}, no longer ${old.type}`)
  const allowed = isRequest ? now.enum : old.enum
  const used = isRequest ? old.enum : now.enum
  for (const value of used ?? []) {
    if (allowed !== undefined && !allowed.includes(value)) {
      found.push(`${at} ${isRequest ? 'no longer takes' : 'may now be'} ${JSON.stringify(value)}`)
    }
  }
  for (const [name, property] of Object.entries(old.properties ?? {})) {
    const field = `${at} ${name}`
    if (now.properties?.[name] === undefined) found.push(`${field} is gone`)
    else compare(property, now.properties[name], field, context)
    const isWeaker = old.required?.includes(name) && !now.required?.includes(name)
    if (!isRequest && isWeaker) found.push(`${field} may now be absent`)
  }
  for (const name of isRequest ? (now.required ?? []) : []) {
    if (!old.required?.includes(name)) found.push(`${at} ${name} is now required`)
  }
  if (old.items !== undefined) compare(old.items, now.items, `${at}[]`, context)
}

const resolve = (schema, document) =>
  schema.$ref === undefined ? schema : document.components.schemas[schema.$ref.split('/').at(-1)]
