/**
 * Which contrib extensions a role that is no superuser may create. Postgres runs the script of a
 * `trusted` extension as superuser, so the list is a security boundary: whoever becomes superuser
 * inside a compute can read files and run programs as the service user.
 */

/**
 * Trusted here beyond what Postgres itself trusts (citext, hstore, pg_trgm, pgcrypto, uuid-ossp, …).
 * Their scripts only declare C functions in one schema, and what they reveal beyond the caller's
 * rights stays with the predefined roles that Postgres gives it to.
 *
 * Left out on purpose:
 * - file_fdw, adminpack, plperlu, plpython3u, pltclu: files and programs of the machine;
 * - dblink: `dblink_connect_u` skips the check that a non-superuser proves itself by a password, and
 *   the socket of a compute trusts whoever can open it. postgres_fdw has no such door: it refuses a
 *   non-superuser's connection that was not made with a password;
 * - pageinspect, pg_surgery, pg_walinspect, pg_visibility, amcheck: raw pages and WAL, past every grant;
 * - earthdistance, intagg, refint, xml2: scripts or functions that look names up in the caller's schemas.
 */
export const trustedExtensions: readonly string[] = [
  'autoinc',
  'bloom',
  'dict_xsyn',
  'insert_username',
  'moddatetime',
  'pg_buffercache',
  'pg_freespacemap',
  'pg_prewarm',
  'pg_stat_statements',
  'pgrowlocks',
  'pgstattuple',
  'postgres_fdw',
  'sslinfo',
]

/** Untrusted languages and their transforms that come marked trusted but cannot load in this build. */
const brokenHere: readonly string[] = ['plperl', 'bool_plperl', 'jsonb_plperl', 'hstore_plperl']

/** The control file as the private copy should have it. Pure; idempotent. */
export function rewriteControl(extension: string, control: string): string {
  if (trustedExtensions.includes(extension)) return withTrusted(control, true)
  if (brokenHere.includes(extension)) return withTrusted(control, false)
  return control
}

function withTrusted(control: string, isTrusted: boolean): string {
  const lines = control.split('\n').filter((line) => !/^\s*trusted\s*=/.test(line))
  while (lines.at(-1)?.trim() === '') lines.pop()
  return `${[...lines, `trusted = ${isTrusted}`].join('\n')}\n`
}

/**
 * What is appended to an extension's install script. A trusted extension's objects belong to the
 * superuser, so without this grant whoever created postgres_fdw could not create a server with it.
 */
export const scriptAdditions: Readonly<Record<string, string>> = {
  postgres_fdw: 'GRANT USAGE ON FOREIGN DATA WRAPPER postgres_fdw TO @extowner@ WITH GRANT OPTION;',
}
