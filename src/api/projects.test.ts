import { describe, expect, test } from 'vitest'
import { days, seconds } from '../lib/time.ts'
import { recordedApi } from './recording-actions.fixture.ts'
import { sampleProject } from './sample-resources.fixture.ts'

const projects = '/api/2.0/postgres/projects'
const { inputsOf, refusalOf, send } = recordedApi()

describe('creating a project', () => {
  test('without a body leaves every choice to the server', async () => {
    expect(await inputsOf('POST', `${projects}?project_id=app`)).toEqual([
      { projectId: 'app', spec: {}, initialBranch: {}, initialEndpoint: {} },
    ])
  })

  test('reads every field', async () => {
    const body = {
      name: 'projects/ignored',
      spec: {
        display_name: 'App 🦆',
        pg_version: 16,
        history_retention_duration: '172800s',
        default_endpoint_settings: {
          autoscaling_limit_min_cu: 0.5,
          autoscaling_limit_max_cu: 4,
          suspend_timeout_duration: '300s',
          pg_settings: { work_mem: '8MB' },
        },
        enable_pg_native_login: false,
        custom_tags: [{ key: 'team', value: '' }],
        budget_policy_id: 'b-1',
        invented_tomorrow: { x: 1 },
      },
      initial_branch_spec: { is_protected: true },
      initial_endpoint_spec: {
        autoscaling_limit_min_cu: 1,
        autoscaling_limit_max_cu: 2,
        no_suspension: true,
        group: { min: 1, max: 1, enable_readable_secondaries: false },
      },
    }
    const read = {
      projectId: 'app',
      spec: {
        displayName: 'App 🦆',
        pgVersion: 16,
        historyRetention: days(2),
        endpointDefaults: {
          minCu: 0.5,
          maxCu: 4,
          suspension: { kind: 'after', timeout: seconds(300) },
          pgSettings: { work_mem: '8MB' },
        },
        enablePgNativeLogin: false,
        customTags: [{ key: 'team', value: '' }],
        budgetPolicyId: 'b-1',
      },
      initialBranch: { isProtected: true },
      initialEndpoint: { minCu: 1, maxCu: 2, suspension: { kind: 'never' } },
    }
    expect(await inputsOf('POST', `${projects}?project_id=app`, body)).toEqual([read])
    expect(await inputsOf('POST', `${projects}?project_id=app`, { project: body })).toEqual([read])
  })

  test('reads the version in quotes and camelCase keys', async () => {
    const body = { spec: { pgVersion: '18', displayName: null } }
    expect(await inputsOf('POST', `${projects}?project_id=app`, body)).toMatchObject([
      { spec: { pgVersion: 18 } },
    ])
  })

  test.each(['', '?project_id='])(
    'without an id (%j) says so in the words of the service',
    async (query) => {
      expect(await refusalOf('POST', projects + query, {})).toEqual({
        status: 400,
        code: 'INVALID_PARAMETER_VALUE',
        message: `Field 'project_id' is required, expected non-default value (not "")!`,
      })
    },
  )

  test('judges the id before the body', async () => {
    const { message } = await refusalOf('POST', `${projects}?project_id=App`, '{')
    expect(message).toContain(
      "Field project_id must match pattern ^[a-z][a-z0-9-]{0,62}$, got 'App'",
    )
  })

  test.each([
    ['spec', 'x', 'spec'],
    ['display_name', '', 'spec.display_name'],
    ['display_name', 'x'.repeat(257), 'spec.display_name'],
    ['display_name', 'x'.repeat(10_000), 'spec.display_name'],
    ['display_name', 'a\u0000b', 'spec.display_name'],
    ['display_name', 'a\nb', 'spec.display_name'],
    ['display_name', 7, 'spec.display_name'],
    ['display_name', { a: 1 }, 'spec.display_name'],
    ['pg_version', 14, 'spec.pg_version'],
    ['pg_version', 19, 'spec.pg_version'],
    ['pg_version', 17.5, 'spec.pg_version'],
    ['pg_version', 'seventeen', 'spec.pg_version'],
    ['history_retention_duration', 'a week', 'spec.history_retention_duration'],
    ['enable_pg_native_login', 'true', 'spec.enable_pg_native_login'],
    ['custom_tags', {}, 'spec.custom_tags'],
    ['custom_tags', [{ key: 'a' }], 'spec.custom_tags.0.value'],
    ['custom_tags', [{ key: '', value: 'x' }], 'spec.custom_tags.0.key'],
    [
      'custom_tags',
      [
        { key: 'a', value: 'x' },
        { key: 'a', value: 'y' },
      ],
      'spec.custom_tags',
    ],
    ['default_endpoint_settings', [], 'spec.default_endpoint_settings'],
    ['default_branch', 'projects/p/branches/b/c', 'projects/p/branches/b/c'],
  ])('refuses %s %j by its name', async (field, value, named) => {
    const body = field === 'spec' ? { spec: value } : { spec: { [field]: value } }
    const refusal = await refusalOf('POST', `${projects}?project_id=app`, body)
    expect(refusal).toMatchObject({ status: 400, code: 'INVALID_PARAMETER_VALUE' })
    expect(refusal.message).toContain(`'${named}'`)
    expect(refusal.message).not.toContain('undefined')
  })

  test.each([
    [{ autoscaling_limit_min_cu: 0.25 }, 'autoscaling_limit_min_cu'],
    [{ autoscaling_limit_min_cu: '1' }, 'autoscaling_limit_min_cu'],
    [{ suspend_timeout_duration: 'soon' }, 'suspend_timeout_duration'],
    [{ no_suspension: true, suspend_timeout_duration: '300s' }, 'only one of'],
    [{ no_suspension: false }, 'may only be true'],
    [{ pg_settings: { 'work mem': '1' } }, 'pg_settings'],
    [{ pg_settings: { WorkMem: '1' } }, 'lower case'],
    [{ pg_settings: { work_mem: 1 } }, 'must be a string'],
    [{ pg_settings: { work_mem: "1'\nport = 1" } }, 'one line'],
    [{ pg_settings: JSON.parse('{"__proto__": "x"}') }, 'not the name of a setting'],
    [{ pg_settings: [] }, 'pg_settings'],
  ])('refuses endpoint settings %j', async (settings, said) => {
    const body = { spec: { default_endpoint_settings: settings } }
    const refusal = await refusalOf('POST', `${projects}?project_id=app`, body)
    expect(refusal).toMatchObject({ status: 400, code: 'INVALID_PARAMETER_VALUE' })
    expect(refusal.message).toContain(said)
  })

  test('refuses a group of computes and says what serves it', async () => {
    const body = { initial_endpoint_spec: { group: { min: 2, max: 2 } } }
    const { message } = await refusalOf('POST', `${projects}?project_id=app`, body)
    expect(message).toContain("'initial_endpoint_spec.group.min'")
    expect(message).toContain('Kubernetes')
  })
})

describe('listing projects', () => {
  test('passes size, token and deleted ones on', async () => {
    expect(await inputsOf('GET', projects)).toEqual([
      { size: 100, token: undefined, showDeleted: false },
    ])
    const query = 'page_size=5000&page_token=abc&show_deleted=true'
    expect(await inputsOf('GET', `${projects}?${query}`)).toEqual([
      { size: 100, token: 'abc', showDeleted: true },
    ])
  })

  test('takes the bare question mark of the Go client for nothing', async () => {
    expect((await send('GET', `${projects}?`)).json).toEqual({ projects: [] })
  })

  test('answers with the next token only when there is one', async () => {
    const { send } = recordedApi({
      listProjects: () => ({ items: [sampleProject], nextPageToken: 'next' }),
    })
    expect((await send('GET', projects)).json).toEqual({
      projects: [sampleProject],
      next_page_token: 'next',
    })
  })

  test.each([
    'page_size=-1',
    'page_size=ten',
    `page_token=${'x'.repeat(1025)}`,
    'page_token=%00',
    'show_deleted=yes',
    'show_deleted=TRUE',
    'show_deleted=1',
    'show_deleted=',
  ])('refuses %s', async (query) => {
    expect(await refusalOf('GET', `${projects}?${query}`)).toMatchObject({
      status: 400,
      code: 'INVALID_PARAMETER_VALUE',
    })
  })
})

describe('updating a project', () => {
  const body = {
    name: 'projects/app',
    spec: {
      display_name: 'New',
      pg_version: 17,
      custom_tags: [],
      default_endpoint_settings: { autoscaling_limit_max_cu: 2, no_suspension: true },
    },
  }

  test.each([
    ['spec.display_name', { displayName: 'New' }],
    ['spec.custom_tags', { customTags: [] }],
    [
      'initial_branch_spec,initial_endpoint_spec,spec',
      {
        displayName: 'New',
        customTags: [],
        endpointDefaults: { maxCu: 2, suspension: { kind: 'never' } },
      },
    ],
    ['*', { displayName: 'New', endpointDefaults: { maxCu: 2, suspension: { kind: 'never' } } }],
    [
      'spec.project_default_settings.suspension',
      { endpointDefaults: { suspension: { kind: 'never' } } },
    ],
    [
      'spec.default_endpoint_settings.suspend_timeout_duration',
      { endpointDefaults: { suspension: { kind: 'never' } } },
    ],
    ['spec.default_endpoint_settings.autoscaling_limit_max_cu', { endpointDefaults: { maxCu: 2 } }],
  ])('with mask %s changes that alone', async (mask, spec) => {
    expect(await inputsOf('PATCH', `${projects}/app?update_mask=${mask}`, body)).toEqual([
      { project: 'app' },
      spec,
    ])
  })

  test('judges no field that the mask leaves alone', async () => {
    const wrong = { spec: { display_name: 'New', history_retention_duration: 'never' } }
    expect(await inputsOf('PATCH', `${projects}/app?update_mask=spec.display_name`, wrong)).toEqual(
      [{ project: 'app' }, { displayName: 'New' }],
    )
  })

  test('takes a bare id for a branch of this project', async () => {
    const body = { spec: { default_branch: 'dev' } }
    expect(await inputsOf('PATCH', `${projects}/app`, body)).toEqual([
      { project: 'app' },
      { defaultBranch: 'projects/app/branches/dev' },
    ])
  })

  test.each([
    ['spec.nonsense', 'Unknown field path in update_mask'],
    ['spec.pg_version', "Field 'spec.pg_version' cannot be changed"],
    ['spec.budget_policy_id', "update_mask names 'spec.budget_policy_id'"],
  ])('refuses mask %s', async (mask, said) => {
    const refusal = await refusalOf('PATCH', `${projects}/app?update_mask=${mask}`, body)
    expect(refusal).toMatchObject({ status: 400, code: 'INVALID_PARAMETER_VALUE' })
    expect(refusal.message).toContain(said)
  })

  test('refuses a spec that is no object', async () => {
    const { message } = await refusalOf('PATCH', `${projects}/app?update_mask=spec`, { spec: [] })
    expect(message).toContain("'spec'")
  })
})

describe('ending a project', () => {
  test('is soft unless purge says otherwise', async () => {
    expect(await inputsOf('DELETE', `${projects}/app`)).toEqual([
      { project: 'app' },
      { purge: false },
    ])
    expect(await inputsOf('DELETE', `${projects}/app?purge=true`)).toEqual([
      { project: 'app' },
      { purge: true },
    ])
  })

  test('can be undone, with an empty body or none', async () => {
    expect(await inputsOf('POST', `${projects}/app/undelete`, {})).toEqual([{ project: 'app' }])
    expect(await inputsOf('POST', `${projects}/app/undelete`)).toEqual([{ project: 'app' }])
  })
})
