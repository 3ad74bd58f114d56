/** What the file of tokens holds. Loaded when there is one: reading schemas costs every command its start. */
import { z } from 'zod'

const entrySchema = z.object({
  access_token: z.string(),
  refresh_token: z.string().optional(),
  expire_time: z.iso.datetime(),
})
export const fileSchema = z.object({
  version: z.literal(1),
  hosts: z.record(z.string(), entrySchema),
})
export type Contents = z.infer<typeof fileSchema>
