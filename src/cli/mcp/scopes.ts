/** What `lakelet mcp --allow` can add to reading. It narrows what the tools do; the identity's own rights hold whatever is said here. */
import { Refusal } from '../refusal.ts'

export const scopes = {
  write: 'change rows',
  ddl: 'change rows and the schema',
  branches: 'create, reset and delete branches',
  protected: 'do what else is allowed also on default and protected branches',
} as const
export type Scope = keyof typeof scopes

/** Pure: `"write,branches"`. Throws Refusal. */
export function readScopes(text: string | undefined): ReadonlySet<Scope> {
  const words = (text ?? '')
    .split(',')
    .map((word) => word.trim())
    .filter(Boolean)
  for (const word of words) {
    if (Object.hasOwn(scopes, word)) continue
    throw new Refusal(
      `--allow: ${JSON.stringify(word)} is nothing that can be allowed`,
      `Name some of these, with commas between them: ${Object.keys(scopes).join(', ')}.`,
    )
  }
  return new Set(words as Scope[])
}
