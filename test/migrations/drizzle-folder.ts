/** Drizzle reads what to apply from a journal; a folder with the first migration only is one more. */
import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const names = ['0000_products', '0001_orders']
const source = join(import.meta.dirname, 'drizzle')

/** Makes a migrations folder with the first `count` migrations. */
export async function drizzleFolder(into: string, count: number): Promise<string> {
  await mkdir(join(into, 'meta'), { recursive: true })
  const chosen = names.slice(0, count)
  for (const name of chosen) {
    await copyFile(join(source, `${name}.sql`), join(into, `${name}.sql`))
  }
  const entries = chosen.map((tag, idx) => ({
    idx,
    version: '7',
    when: 1_700_000_000_000 + idx,
    tag,
    breakpoints: true,
  }))
  await writeFile(
    join(into, 'meta/_journal.json'),
    JSON.stringify({ version: '7', dialect: 'postgresql', entries }),
  )
  return into
}
