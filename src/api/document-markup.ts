/** Prose and schemas of the API document as HTML; everything is escaped by the template. */
import { html } from 'hono/html'
import type { DocumentedReply } from './document.ts'
import type { JsonSchema } from './document-schemas.ts'

export type Markup = ReturnType<typeof html>

/** Paragraphs, lists of `- ` lines, and `code`: all the Markdown that our texts use. */
export function renderProse(text: string): Markup {
  return html`${text.split(/\n{2,}/).map((block) => {
    const lines = block.split('\n')
    return lines.every((line) => line.startsWith('- '))
      ? html`<ul>${lines.map((line) => html`<li>${renderLine(line.slice(2))}</li>`)}</ul>`
      : html`<p>${renderLine(block)}</p>`
  })}`
}

/** Every second part stood between backticks. */
const renderLine = (text: string): Markup =>
  html`${text.split('`').map((part, at) => (at % 2 === 1 ? html`<code>${part}</code>` : part))}`

export const schemaAnchor = (name: string): string => `schema-${name}`

export function renderSchema(schema: JsonSchema): Markup {
  const { description, properties, items, anyOf, oneOf } = schema
  const choices = anyOf ?? oneOf
  return html`<div class="schema"><p>${sayType(schema)}${sayRules(schema)}</p>${
    description === undefined ? '' : renderProse(description)
  }${properties === undefined ? '' : renderProperties(properties, schema.required ?? [])}${
    isSchema(items) && !isPlain(items) ? renderSchema(items) : ''
  }${(choices ?? []).filter((choice) => !isPlain(choice)).map(renderSchema)}</div>`
}

/** Says all in its one line: nothing of it is shown below. */
const isPlain = (schema: JsonSchema): boolean =>
  schema.$ref !== undefined ||
  (schema.properties === undefined && schema.anyOf === undefined && schema.oneOf === undefined)

const isSchema = (value: unknown): value is JsonSchema =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function renderProperties(
  properties: Readonly<Record<string, unknown>>,
  required: readonly string[],
): Markup {
  return html`<dl>${Object.entries(properties).map(
    ([name, property]) => html`<dt><code>${name}</code>${
      required.includes(name) ? html` <span>required</span>` : ''
    }</dt>
<dd>${isSchema(property) ? renderSchema(property) : ''}</dd>
`,
  )}</dl>`
}

function sayType(schema: JsonSchema): Markup {
  const { $ref, type, items, anyOf, oneOf, additionalProperties } = schema
  if ($ref !== undefined) {
    const name = $ref.split('/').at(-1) ?? ''
    return html`<a href="#${schemaAnchor(name)}">${name}</a>`
  }
  if (schema.const !== undefined) return html`<code>${JSON.stringify(schema.const)}</code>`
  if (schema.enum !== undefined) {
    return html`${joined(schema.enum.map((value) => html`<code>${JSON.stringify(value)}</code>`))}`
  }
  const choices = anyOf ?? oneOf
  if (choices !== undefined) return html`${joined(choices.map(sayType))}`
  if (isSchema(items)) return html`list of ${sayType(items)}`
  if (isSchema(additionalProperties) && Object.keys(additionalProperties).length > 0) {
    return html`map of ${sayType(additionalProperties)}`
  }
  return html`${String(type ?? 'anything')}`
}

const joined = (parts: readonly Markup[]): readonly (Markup | string)[] =>
  parts.flatMap((part, at) => (at === 0 ? [part] : [' or ', part]))

function sayRules(schema: JsonSchema): Markup {
  const { format, pattern, minimum, maximum, minLength, maxLength, maxItems, examples } = schema
  const range = (from: number | undefined, to: number | undefined, unit: string) =>
    from === undefined && to === undefined
      ? ''
      : `, ${from ?? 0}${to === undefined ? ' or more' : `–${to}`}${unit}`
  return html`${format === undefined ? '' : `, ${format}`}${range(minimum, maximum, '')}${range(
    minLength,
    maxLength,
    ' characters',
  )}${maxItems === undefined ? '' : `, at most ${maxItems}`}${
    pattern === undefined || format !== undefined ? '' : html`, <code>${pattern}</code>`
  }${
    Array.isArray(examples) && examples.length > 0
      ? html`, for example <code>${sayExample(examples[0])}</code>`
      : ''
  }${schema.readOnly === true ? ', in answers only' : ''}${schema.writeOnly === true ? ', in requests only' : ''}`
}

const sayExample = (value: unknown): string =>
  typeof value === 'string' ? value : JSON.stringify(value)

export function renderReply(status: string, { description, content }: DocumentedReply): Markup {
  const [type, body] = Object.entries(content ?? {})[0] ?? []
  const reasons = description.split('\n').filter((line) => line.startsWith('- ')).length
  return html`<dt><code>${status}</code>${
    body === undefined
      ? html` <span>no body</span>`
      : type === 'application/json'
        ? html` ${sayType(body.schema)}`
        : html` <span>${type}</span>`
  }</dt>
<dd>${
    reasons > 1
      ? html`<details><summary>${reasons} reasons</summary>${renderProse(description)}</details>`
      : renderProse(description.replace(/^- /, ''))
  }${body !== undefined && !isPlain(body.schema) ? renderSchema(body.schema) : ''}</dd>
`
}
