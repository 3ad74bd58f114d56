import { describe, expect, it } from 'vitest'
import { type ClientRows, differences, type Row, renderTable } from './table.mjs'

const pass = (what: string): Row => ({ what, result: 'pass' })
const skip = (what: string): Row => ({ what, result: 'skip', reason: 'no browser' })
const client = (title: string, ...rows: readonly Row[]): ClientRows => ({
  title,
  version: '1.2.3',
  rows,
})

describe('the page', () => {
  it('counts what came of each client, and has a line for each thing tried', () => {
    const failed: Row = { what: 'b', result: 'fail', reason: 'wanted x | got\ny' }
    const page = renderTable([client('Go', pass('a'), failed, skip('c'))])
    expect(page).toContain('| Go | 1.2.3 | 1 | 1 | 1 |')
    expect(page).toContain('## Go\n\nVersion 1.2.3.')
    expect(page).toContain('| a | pass |')
    expect(page).toContain('| b | **fail**: wanted x \\| got y |')
    expect(page).toContain('| c | not run: no browser |')
  })
})

describe('a run beside the committed page', () => {
  const page = renderTable([client('Go', pass('a'), skip('b')), client('Python', pass('a'))])

  it.each<[string, readonly ClientRows[], readonly string[]]>([
    ['is the same', [client('Go', pass('a'), skip('b'))], []],
    ['passes what did not run', [client('Go', pass('a'), pass('b'))], ['passes now: Go: b']],
    ['does not run what passed elsewhere', [client('Go', skip('a'), skip('b'))], []],
    ['tries more', [client('Python', pass('a'), pass('z'))], ['passes now: Python: z']],
    ['tries less', [client('Go', pass('a'))], ['no longer tried: Go: | b | not run: no browser |']],
    ['could not run a client at all', [client('Go', skip('everything'))], []],
    ['has a new client', [client('C', pass('a'))], ['passes now: C: a']],
  ])('%s', (_, clients, expected) => {
    expect(differences(page, clients)).toEqual(expected)
  })

  it('does not mind how an editor pads the page', () => {
    const padded = page.replaceAll('| a |', '|  a    |')
    expect(differences(padded, [client('Python', pass('a'))])).toEqual([])
  })

  it('leaves what failed to the count of failures', () => {
    const failed: Row = { what: 'a', result: 'fail', reason: 'x' }
    expect(differences(page, [client('Python', failed)])).toEqual([])
  })
})
