import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Fault } from './faults.ts'
import { type MaskFields, pickLeaves, resolveMask } from './field-mask.ts'

const suspension = ['spec.defaults.no_suspension', 'spec.defaults.suspend_timeout_duration']
const fields: MaskFields = {
  leaves: [
    'spec.display_name',
    'spec.is_protected',
    'spec.custom_tags',
    'spec.ttl',
    'spec.expire_time',
    'spec.no_expiry',
    'spec.defaults.min_cu',
    'spec.defaults.max_cu',
    ...suspension,
  ],
  groups: {
    'spec.expiration': ['spec.ttl', 'spec.expire_time', 'spec.no_expiry'],
    'spec.project_default_settings.suspension': suspension,
    'spec.defaults.suspension': suspension,
  },
  immutable: ['spec.pg_version'],
  ignored: ['initial_branch_spec', 'initial_endpoint_spec'],
}

const full = {
  name: 'projects/app',
  spec: {
    display_name: 'App',
    is_protected: false,
    custom_tags: [],
    pg_version: 17,
    ttl: '6h',
    defaults: { min_cu: 0, no_suspension: true },
  },
}

const present = [
  'spec.display_name',
  'spec.is_protected',
  'spec.custom_tags',
  'spec.ttl',
  'spec.defaults.min_cu',
  'spec.defaults.no_suspension',
]
const withoutEmptyList = present.filter((leaf) => leaf !== 'spec.custom_tags')

const faultOf = (mask: string | undefined, body: Record<string, unknown> = full): Fault => {
  try {
    resolveMask(mask, body, fields)
  } catch (error) {
    if (error instanceof Fault) return error
    throw error
  }
  throw new Error('nothing was refused')
}

describe('an update mask', () => {
  test.each([
    [undefined, withoutEmptyList],
    ['', withoutEmptyList],
    [' , ', withoutEmptyList],
    ['*', withoutEmptyList],
    ['spec', present],
    ['initial_branch_spec,initial_endpoint_spec,spec', present],
    ['initial_endpoint_spec.autoscaling_limit_min_cu', []],
    ['spec.display_name', ['spec.display_name']],
    [' spec.display_name , spec.is_protected', ['spec.display_name', 'spec.is_protected']],
    ['spec.display_name,spec.display_name', ['spec.display_name']],
    ['spec.displayName,spec.isProtected', ['spec.display_name', 'spec.is_protected']],
    ['spec.is_protected', ['spec.is_protected']], // an explicit false counts
    ['spec.custom_tags', ['spec.custom_tags']], // an explicit empty list clears
    ['spec.custom_tags[0].key', ['spec.custom_tags']],
    ['spec.defaults.min_cu', ['spec.defaults.min_cu']], // an explicit 0 counts
    ['spec.defaults', ['spec.defaults.min_cu', 'spec.defaults.no_suspension']],
    ['spec.expiration', ['spec.ttl']],
    ['spec.ttl', ['spec.ttl']],
    ['spec.no_expiry', ['spec.ttl']], // a member stands for its group
    ['spec.project_default_settings.suspension', ['spec.defaults.no_suspension']],
    ['spec.defaults.suspension', ['spec.defaults.no_suspension']],
    ['spec.defaults.suspend_timeout_duration', ['spec.defaults.no_suspension']],
  ])('%j applies %j', (mask, leaves) => {
    expect(resolveMask(mask, full, fields)).toEqual(leaves)
  })

  test('a wide mask on a body without a spec applies nothing', () => {
    expect(resolveMask('spec', { name: 'x' }, fields)).toEqual([])
    expect(resolveMask(undefined, {}, fields)).toEqual([])
  })

  test('a wide mask passes over an immutable field that the client repeats', () => {
    expect(resolveMask('spec', { spec: { pg_version: 17 } }, fields)).toEqual([])
  })

  test.each([
    'nonsense',
    'display_name',
    'name',
    'status',
    'spec.nonsense',
    'spec.display_name.deeper',
    'spec.default',
    'spec..display_name',
    'spec.*',
    '__proto__',
    'spec.__proto__',
    'spec.display_name;drop',
  ])('%j is an unknown path', (mask) => {
    const fault = faultOf(mask)
    expect(fault.reason).toBe('MASK_UNKNOWN_PATH')
    expect(fault.text).toBe('Unknown field path in update_mask')
    expect(fault.next).toContain('spec.display_name')
  })

  test.each([
    ['*', { spec: 7 }, 'spec'],
    [undefined, { spec: { defaults: 'large' } }, 'spec.defaults'],
    ['spec.defaults.min_cu', { spec: { defaults: ['large'] } }, 'spec.defaults'],
  ])('what is no object has no leaves below it, with mask %s on %o', (mask, body, field) => {
    const fault = faultOf(mask, body)
    expect([fault.reason, fault.facts.field]).toEqual(['FIELD_INVALID', field])
  })

  test('the allowed paths name groups, not their members', () => {
    const next = faultOf('nonsense').next ?? ''
    expect(next).toContain('spec.expiration')
    expect(next).not.toContain('spec.ttl')
  })

  test('an immutable path is refused as such', () => {
    expect(faultOf('spec.pg_version').reason).toBe('FIELD_IMMUTABLE')
  })

  test.each(['spec.expire_time', 'spec.expiration', 'spec.defaults', 'spec.custom_tags'])(
    '%j must be in the body',
    (mask) => {
      const fault = faultOf(mask, { spec: { display_name: 'App' } })
      expect(fault.reason).toBe('MASK_FIELD_ABSENT')
      expect(fault.text).toContain(mask)
    },
  )

  test('a mask without end is refused', () => {
    expect(faultOf('spec.display_name,'.repeat(1000)).reason).toBe('FIELD_INVALID')
  })

  test('only the chosen leaves are left of a body', () => {
    expect(pickLeaves(full, ['spec.is_protected', 'spec.defaults.min_cu'])).toEqual({
      spec: { is_protected: false, defaults: { min_cu: 0 } },
    })
  })

  test('whatever the mask, what applies is a leaf that the body holds', () => {
    const path = fc.oneof(
      fc.constantFrom(
        ...fields.leaves,
        ...Object.keys(fields.groups),
        'spec',
        '*',
        'spec.defaults',
      ),
      fc.string({ maxLength: 20 }),
    )
    fc.assert(
      fc.property(fc.array(path, { maxLength: 6 }), fc.subarray(present), (paths, held) => {
        const body = pickLeaves(full, held)
        let leaves: readonly string[]
        try {
          leaves = resolveMask(paths.join(','), body, fields)
        } catch (error) {
          expect(error).toBeInstanceOf(Fault)
          return
        }
        for (const leaf of leaves) expect(held).toContain(leaf)
      }),
    )
  })
})
