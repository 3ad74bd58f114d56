/** The query of a list. */
import { z } from 'zod'
import type { Page } from '../actions/actions.ts'
import { pageLimits, readPageSize, readPageToken } from '../domain/page.ts'
import { queryFlag } from './fields.ts'

const pageSize = (max: number) =>
  z
    .string()
    .optional()
    .transform((text) => readPageSize(text, max))
    .meta({
      type: 'integer',
      minimum: 0,
      description: `Default: ${pageLimits.default}; more than ${max} means ${max}.`,
    })

export const pageQuery = z.object({
  page_size: pageSize(pageLimits.max),
  page_token: z
    .string()
    .optional()
    .transform((text) => readPageToken(text))
    .describe('`next_page_token` of the page before.'),
})

export const deletedPageQuery = pageQuery.extend({
  show_deleted: queryFlag.optional().describe('Those too that can still be undeleted.'),
})

export const projectPageQuery = deletedPageQuery.extend({
  page_size: pageSize(pageLimits.maxProjects),
})

export const readPage = (query: z.output<typeof pageQuery>): Page => ({
  size: query.page_size,
  token: query.page_token,
})

/** The key of the list is there even when it is empty; the token only when there is more. */
export const renderPage = <Key extends string>(
  key: Key,
  listing: { readonly items: readonly unknown[]; readonly nextPageToken: string | undefined },
) => ({
  [key]: listing.items,
  ...(listing.nextPageToken === undefined ? {} : { next_page_token: listing.nextPageToken }),
})
