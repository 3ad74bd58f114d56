/**
 * Fields of replies as schemas. Objects of replies are strict: a field that nobody declared is a
 * mistake of ours, and the tests refuse it.
 */
import { z } from 'zod'
import { CHILD_ID_PATTERN, ID_PATTERN } from '../domain/names.ts'
import { durationShape } from './fields.ts'

/** UTC, as every answer has it. */
export const moment = z
  .string()
  .regex(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}([.]\d{1,9})?Z$/)
  .meta({ id: 'Timestamp', format: 'date-time', examples: ['2026-11-23T08:00:00.000Z'] })

export const seconds = z
  .string()
  .regex(new RegExp(durationShape.pattern))
  .meta({ id: 'Duration', description: durationShape.description, examples: ['21600s'] })

export const uuid = z
  .string()
  .regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
  .meta({ format: 'uuid' })

/** A count or a size that may pass 32 bits. */
export const int64 = z.int().min(0).meta({ format: 'int64' })

export const resourceId = z.string().regex(new RegExp(ID_PATTERN))
export const childId = z.string().regex(new RegExp(CHILD_ID_PATTERN))

export const resourceName = (example: string) =>
  z
    .string()
    .regex(/^projects\/[^/]+(\/.+)?$/)
    .meta({ examples: [example] })

/** Names and values of Postgres settings. */
export const settingValues = z
  .record(z.string(), z.string())
  .meta({ examples: [{ work_mem: '64MB' }] })

/** One page of a list: the items under `key`, which is there even when it is empty. */
export const pageOf = <Key extends string, Item extends z.ZodType>(key: Key, item: Item) =>
  z.strictObject({
    ...({ [key]: z.array(item) } as Record<Key, z.ZodArray<Item>>),
    next_page_token: z
      .string()
      .min(1)
      .optional()
      .meta({ description: 'Opaque; absent on the last page.' }),
  })
