/** Refusals of Postgres that a client caused, in the words of the API; every other error stays itself. */
import pg from 'pg'
import { Fault } from '../domain/faults.ts'

type Names = { readonly id: string; readonly name: string }

/** Rethrows as the Fault that it means. */
export async function inWordsOf<T>(
  kind: 'role' | 'database',
  { id, name }: Names,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error
    const cause = { cause: error }
    switch (error.code) {
      case '42710': // duplicate_object
      case '42P04': // duplicate_database
        throw new Fault(kind === 'role' ? 'ROLE_EXISTS' : 'DATABASE_EXISTS', { id, name }, cause)
      case '2BP01': // dependent_objects_still_exist
        throw new Fault('ROLE_OWNS_OBJECTS', { role: id, what: 'objects of the branch' }, cause)
      case '55006': // object_in_use
      case '55000': // object_not_in_prerequisite_state
        throw new Fault('DATABASE_IN_USE', { database: id, problem: error.message }, cause)
      case '53100': // disk_full
        throw new Fault('STORAGE_FULL', { free: 'none', needed: 'more' }, cause)
      default:
        throw error
    }
  }
}
