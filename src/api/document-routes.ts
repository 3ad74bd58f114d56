/** The API document, for programs and for people. Both are made at the first request. */
import { z } from 'zod'
import { type ApiDocument, describeApi } from './document.ts'
import { renderPage } from './document-page.ts'
import { ok, type Reply, type Route, route, type TextBody } from './route.ts'

const html = { kind: 'text', contentType: 'text/html' } as const satisfies TextBody

// Described by its own standard.
const document = z.looseObject({ openapi: z.string() })

/** They describe themselves too. */
export function documentRoutes(others: readonly Route[], version: string): readonly Route[] {
  let made: ApiDocument | undefined
  const describe = (): ApiDocument => {
    made ??= describeApi([...others, ...own], version)
    return made
  }
  let page: Promise<Reply> | undefined
  const own = [
    route({
      method: 'GET',
      path: '/api/openapi.json',
      summary: 'This document',
      operationId: 'getOpenApiDocument',
      tag: 'Server',
      access: 'public',
      reply: { 200: document },
      handle: () => ok(describe()),
    }),
    route({
      method: 'GET',
      path: '/api/docs',
      summary: 'This document as a page for people',
      operationId: 'getDocumentPage',
      tag: 'Server',
      access: 'public',
      reply: { 200: html },
      handle() {
        page ??= renderPage(describe())
        return page
      },
    }),
  ]
  return own
}
