/** Assignments that a shell reads back as exactly the value, whatever is in it. */

export const shells = ['sh', 'fish', 'powershell'] as const
export type Shell = (typeof shells)[number]

export function exportLine(shell: Shell, name: string, value: string): string {
  switch (shell) {
    case 'sh':
      return `export ${name}=${quoteSh(value)}`
    case 'fish':
      // In single quotes fish reads only \\ and \'.
      return `set -gx ${name} '${value.replace(/[\\']/g, (character) => `\\${character}`)}'`
    case 'powershell':
      return `$env:${name} = '${value.replaceAll("'", "''")}'`
  }
}

/** Bare when nothing in it means anything to a shell. */
export const quoteSh = (value: string): string =>
  /^[A-Za-z0-9_@%+=:,./-]+$/.test(value) ? value : `'${value.replaceAll("'", "'\\''")}'`
