/**
 * The API document as one page of HTML: no script, nothing from elsewhere, all of it there for the
 * browser's own search. Its policy allows its own style and nothing else.
 */
import { createHash } from 'node:crypto'
import { html, raw } from 'hono/html'
import { type ApiDocument, type DocumentedOperation, replyOf } from './document.ts'
import { curlOf, lakeletOf } from './document-examples.ts'
import {
  type Markup,
  renderProse,
  renderReply,
  renderSchema,
  schemaAnchor,
} from './document-markup.ts'
import { pageStyle } from './document-page-style.ts'
import type { Reply } from './route.ts'

const styleHash = createHash('sha256').update(pageStyle).digest('base64')

const headers = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': `default-src 'none'; style-src 'sha256-${styleHash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
} as const

interface Entry {
  readonly method: string
  readonly path: string
  readonly operation: DocumentedOperation
}

export async function renderPage(document: ApiDocument): Promise<Reply> {
  const text = String(await page(document))
  return { status: 200, text, headers }
}

function page(document: ApiDocument): Markup {
  const { info, tags, components } = document
  const entries = entriesOf(document)
  const groups = tags.map((tag) => ({
    ...tag,
    entries: entries.filter(({ operation }) => operation.tags.includes(tag.name)),
  }))
  const schemas = Object.entries(components.schemas)
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${info.title} API ${info.version}</title>
<style>${raw(pageStyle)}</style>
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<nav aria-label="Operations">
<p><a href="#content">${info.title} API</a></p>
${groups.map(
  ({ name, entries }) => html`<h2 id="nav-${name}">${name}</h2>
<ul aria-labelledby="nav-${name}">${entries.map(
    ({ operation }) => html`<li><a href="#${operation.operationId}">${operation.summary}</a></li>`,
  )}</ul>
`,
)}
<h2 id="nav-schemas">Schemas</h2>
<ul aria-labelledby="nav-schemas">${schemas.map(
    ([name]) => html`<li><a href="#${schemaAnchor(name)}">${name}</a></li>`,
  )}</ul>
</nav>
<main id="content" tabindex="-1">
<h1>${info.title} API ${info.version}</h1>
${renderProse(info.description)}
<p>The same for programs: <a href="/api/openapi.json">/api/openapi.json</a> (OpenAPI ${document.openapi}).</p>
${groups.map(
  ({ name, description, entries }) => html`<section aria-labelledby="tag-${name}">
<h2 id="tag-${name}">${name}</h2>
${renderProse(description)}
${entries.map((entry) => renderOperation(document, entry))}
</section>
`,
)}
<section aria-labelledby="schemas">
<h2 id="schemas">Schemas</h2>
${schemas.map(
  ([name, schema]) => html`<article aria-labelledby="${schemaAnchor(name)}">
<h3 id="${schemaAnchor(name)}">${name}</h3>
${renderSchema(schema)}
</article>
`,
)}
</section>
</main>
</body>
</html>
`
}

const entriesOf = ({ paths }: ApiDocument): readonly Entry[] =>
  Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path,
      operation,
    })),
  )

function renderOperation(document: ApiDocument, { method, path, operation }: Entry): Markup {
  const { operationId, summary, description, parameters = [], requestBody, responses } = operation
  const [type, content] = Object.entries(requestBody?.content ?? {})[0] ?? []
  const isPublic = operation.security?.length === 0
  return html`<article aria-labelledby="${operationId}">
<h3 id="${operationId}">${summary}</h3>
<p class="call"><strong class="method">${method}</strong> <code>${path}</code></p>
${description === undefined ? '' : renderProse(description)}
${isPublic ? html`<p>No token is asked for.</p>` : ''}
${
  parameters.length === 0
    ? ''
    : html`<h4>Parameters</h4>
<dl>${parameters.map(
        (parameter) => html`<dt><code>${parameter.name}</code> <span>in the ${parameter.in}${
          parameter.required ? ', required' : ''
        }</span></dt>
<dd>${parameter.description === undefined ? '' : renderProse(parameter.description)}${renderSchema(parameter.schema)}</dd>
`,
      )}</dl>`
}
${
  content === undefined
    ? ''
    : html`<h4>Body <span>${type}${requestBody?.required ? ', required' : ''}</span></h4>
${renderSchema(content.schema)}`
}
<h4>Replies</h4>
<dl>${Object.entries(responses).map(([status, reply]) => renderReply(status, replyOf(document, reply)))}</dl>
<h4>Example</h4>
<pre tabindex="0" role="region" aria-label="${summary}, with curl"><code>${curlOf(method, path, operation)}</code></pre>
<pre tabindex="0" role="region" aria-label="${summary}, with lakelet"><code>${lakeletOf(method, path, operation)}</code></pre>
</article>
`
}
