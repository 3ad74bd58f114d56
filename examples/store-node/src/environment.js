/** Reads `.env` beside package.json, which lakebase-branch.sh writes; the environment wins over it. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'

const file = join(import.meta.dirname, '..', '.env')
if (existsSync(file)) process.loadEnvFile(file)
