/** Names of changed fields without their values; which agent stands behind a request. */
import { describe, expect, test } from 'vitest'
import { agentOf, changedFields } from './audit.ts'

describe('changed fields', () => {
  test.each([
    [{}, []],
    [{ isProtected: true, expiration: { kind: 'never' } }, ['is_protected', 'expiration']],
    [{ displayName: 'secret', budgetPolicyId: undefined }, ['display_name']],
    [
      { endpointDefaults: { minCu: 1, pgSettings: { work_mem: '64MB', 'my.secret': 'x' } } },
      [
        'endpoint_defaults.min_cu',
        'endpoint_defaults.pg_settings.work_mem',
        'endpoint_defaults.pg_settings.my.secret',
      ],
    ],
    [
      { customTags: [{ key: 'a', value: 'secret' }], pgSettings: {} },
      ['custom_tags', 'pg_settings'],
    ],
  ])('of %j are %j', (spec, names) => {
    expect(changedFields(spec)).toEqual(names)
  })

  test('are a bounded number of names', () => {
    const many = Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`s${n}`, 'x']))
    expect(changedFields({ pgSettings: many })).toHaveLength(100)
  })
})

describe('the agent', () => {
  test.each([
    [undefined, 'databricks-sdk-go/0.175.0 os/linux agent/claude-code auth/pat', 'claude-code'],
    [undefined, 'agent/cursor', 'cursor'],
    [undefined, 'my-agent/1.0 reagent/2', undefined],
    [undefined, `agent/${'x'.repeat(65)}`, undefined],
    ['codex', 'curl/8', 'codex'],
    [' codex+gemini-cli ', 'agent/other', 'codex+gemini-cli'],
    ['not a name; drop table', 'agent/other', 'other'],
    ['', 'curl/8', undefined],
  ])('of header %j and User-Agent %j is %j', (header, userAgent, agent) => {
    expect(agentOf(header, userAgent)).toBe(agent)
  })
})
