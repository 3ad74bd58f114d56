/** Rows of a run as the page `docs/reference/conformance.md`, and what a run says of the committed page. */

const marks = { pass: 'pass', fail: '**fail**', skip: 'not run' }
const cell = (text) => text.replaceAll('|', '\\|').replace(/\s+/g, ' ').trim()
const countOf = (rows, result) => rows.filter((row) => row.result === result).length

const resultCell = ({ result, reason }) =>
  reason === undefined ? marks[result] : `${marks[result]}: ${cell(reason)}`

function clientSection({ title, version, rows }) {
  return [
    `## ${title}`,
    '',
    ...(version === '-' ? [] : [`Version ${version}.`, '']),
    '| What | Result |',
    '| --- | --- |',
    ...rows.map((row) => `| ${cell(row.what)} | ${resultCell(row)} |`),
    '',
  ]
}

const summaryRow = ({ title, version, rows }) =>
  `| ${cell(title)} | ${cell(version)} | ${countOf(rows, 'pass')} | ${countOf(rows, 'fail')} | ${countOf(rows, 'skip')} |`

/** `clients`: `[{title, version, rows: [{what, result: 'pass'|'fail'|'skip', reason?}]}]`. */
export function renderTable(clients) {
  return [
    '<!-- Written by `npm run test:conformance -- --write` from a run; do not edit. -->',
    '',
    '# Conformance',
    '',
    'Unmodified clients of the Lakebase Postgres API against a real server of this repository: each line is one method or one thing that a',
    'client does, and what came of it. `npm run test:conformance` runs them all and fails on a failed line and on a line that differs from',
    'this page; what could not run says why.',
    '',
    '| Client | Version | Passed | Failed | Not run |',
    '| --- | --- | --- | --- | --- |',
    ...clients.map(summaryRow),
    '',
    ...clients.flatMap(clientSection),
  ].join('\n')
}

const lineOf = (row) => narrow(`| ${cell(row.what)} | ${resultCell(row)} |`)

/** Editors pad tables; only the words count. */
const narrow = (line) => line.replace(/\s+/g, ' ').trim()

/** The lines of results below a client's heading. */
function sectionOf(page, title) {
  const from = page.indexOf(`## ${title}\n`)
  if (from < 0) return []
  const to = page.indexOf('\n## ', from)
  const lines = page.slice(from, to < 0 ? undefined : to).split('\n')
  return lines
    .filter((line) => line.startsWith('| '))
    .map(narrow)
    .slice(2)
}

/**
 * How a run differs from the page, as lines: a row that passes here and does not there, and a row there
 * that is no longer tried. What did not run here is no difference, since another machine may have what
 * this one lacks, and what failed is a failure already. `page` is the text of the committed page.
 */
export function differences(page, clients) {
  const found = []
  for (const { title, rows } of clients) {
    const lines = sectionOf(page, title)
    for (const row of rows) {
      if (row.result === 'pass' && !lines.includes(lineOf(row)))
        found.push(`passes now: ${title}: ${row.what}`)
    }
    if (rows.every(({ result }) => result === 'skip')) continue
    for (const line of lines) {
      const isTried = rows.some((row) => line.startsWith(`| ${cell(row.what)} |`))
      if (!isTried) found.push(`no longer tried: ${title}: ${line}`)
    }
  }
  return found
}
