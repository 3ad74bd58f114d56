/** What migrations that are Python files say of themselves, read without running them. */
import type { Step } from './migration-history.ts'

/** Alembic: https://alembic.sqlalchemy.org/en/latest/tutorial.html, “Create a Migration Script”. `undefined`: it is none. */
export function readAlembicRevision(text: string): Step | undefined {
  const [id] = textsIn(assigned(text, 'revision'))
  if (id === undefined) return undefined
  return {
    id,
    name: id,
    after: textsIn(assigned(text, 'down_revision')),
    needs: textsIn(assigned(text, 'depends_on')),
  }
}

/** Django: https://docs.djangoproject.com/en/stable/topics/migrations/, “Migration files”. `first` and `latest` of an app are no names. */
export function readDjangoMigration(app: string, name: string, text: string): Step {
  const others = (key: string) =>
    [...assigned(text, key).matchAll(/\(\s*["']([^"']+)["']\s*,\s*["']([^"']+)["']\s*,?\s*\)/g)]
      .filter(([, , other]) => other !== '__first__' && other !== '__latest__')
      .map(([, otherApp, other]) => `${otherApp}.${other}`)
  const id = `${app}.${name}`
  return { id, name: id, after: others('dependencies'), replaces: others('replaces') }
}

/** The text behind `name =`, to the end of the line or, of a list, to the bracket that closes it. */
function assigned(text: string, name: string): string {
  const code = text.replace(/^\s*#.*$/gm, '')
  const start = new RegExp(`^[ \\t]*${name}(?:[ \\t]*:[^=\\n]+)?[ \\t]*=[ \\t]*`, 'm').exec(code)
  if (start === null) return ''
  const rest = code.slice(start.index + start[0].length)
  if (!/^[([]/.test(rest)) return rest.split('\n', 1)[0] ?? ''
  let depth = 0
  for (let at = 0; at < rest.length; at += 1) {
    if (/[([]/.test(rest[at] ?? '')) depth += 1
    else if (/[)\]]/.test(rest[at] ?? '')) depth -= 1
    if (depth === 0) return rest.slice(0, at + 1)
  }
  return rest
}

const textsIn = (value: string): readonly string[] =>
  [...value.replace(/(?<=[\s,)\]])#.*$/gm, '').matchAll(/(["'])(.*?)\1/g)].map(
    ([, , text]) => text ?? '',
  )
