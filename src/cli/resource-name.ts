/** Names of resources as arguments. */
import { Refusal } from './refusal.ts'

/**
 * Refuses a name of another shape before it is sent: as a path it could mean another resource, and
 * `delete-project` of a branch's name must not delete that branch.
 */
export function checkName(argument: string, name: string, form: string): void {
  // An operation's id may hold slashes of its own.
  const shape = form
    .replace('…', '.+')
    .replace('ID', '.+')
    .replace(/[A-Z]+/g, '[^/]+')
  const pattern = new RegExp(`^${shape}$`)
  if (!pattern.test(name)) {
    throw new Refusal(
      name === ''
        ? `${argument} is empty`
        : `${argument} ${JSON.stringify(name)} is not such a name`,
      `It looks like ${form}.`,
    )
  }
}
