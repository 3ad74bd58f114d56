/** What branches are bound to, and the collecting of those whose worktree is gone: ours, beside the contract. */
import { z } from 'zod'
import type { Actions, BranchPlan } from '../actions/actions.ts'
import { type BoundTo, findings, sayKept } from '../domain/binding.ts'
import type { BindingUid } from '../domain/names.ts'
import { days, millis, rfc3339 } from '../lib/time.ts'
import { base } from './base-path.ts'
import { branchOperation } from './branch-resource.ts'
import { defined, duration, flag, line, timestamp } from './fields.ts'
import { pageQuery, readPage, renderPage } from './page-query.ts'
import { moment, pageOf, resourceName, uuid } from './reply-fields.ts'
import { ok, type Route, route } from './route.ts'

const project = `${base}/projects/{project}` as const
const branch = `${project}/branches/{branch}` as const

const path = line(1, 4096)

const binding = z
  .object({
    host: line(1, 200).describe('Tells machines apart.'),
    git_dir: path.describe("The worktree's own directory of git's."),
    common_dir: path.describe("The repository's."),
    root: path.describe('Where its files are.'),
    device: line(1, 40).describe('File system of `common_dir`.'),
    root_device: line(1, 40).describe('File system of `root`.'),
    git_ref: line(1, 1000).optional().describe('`refs/heads/…`; absent: detached.'),
    commit: line(1, 64).optional(),
    repository: line(1, 400).optional().describe('Address of its remote, without a password.'),
    pull_request: line(1, 400).optional().describe('Web address of the pull or merge request.'),
    agent: line(1, 64).optional().describe('The coding agent that works there.'),
    process: line(1, 100).optional().describe('Of a program that works with the branch.'),
    is_own: flag.optional().describe('The branch was made for this worktree, and may go with it.'),
  })
  .meta({ id: 'BindingCreate' })

const bindingResource = z
  .strictObject({
    uid: uuid,
    branch: resourceName('projects/app/branches/dev'),
    host: z.string(),
    git_dir: z.string(),
    common_dir: z.string(),
    root: z.string(),
    device: z.string(),
    root_device: z.string(),
    git_ref: z.string().optional(),
    commit: z.string().optional(),
    repository: z.string().optional(),
    pull_request: z.string().optional(),
    agent: z.string().optional(),
    process: z.string().optional(),
    is_own: z.boolean(),
    create_time: moment,
    update_time: moment.meta({ description: 'When it was told last.' }),
    gone: z
      .strictObject({
        since: moment,
        what: z.enum(['WORKTREE_GONE', 'REF_GONE', 'PULL_REQUEST_GONE']),
      })
      .optional()
      .meta({ description: 'Since when what of it is seen to be gone.' }),
  })
  .meta({ id: 'Binding', description: 'A worktree that uses a branch.' })

const grace = duration(millis(0), days(365), '3600s')
  .optional()
  .describe("How long it must have been gone. Default: the server's `--collect-grace`.")

const noted = z
  .object({
    findings: z
      .array(
        z.object({
          binding: line(1, 64),
          update_time: timestamp.describe('As it was when it was looked for.'),
          found: z.enum(findings),
        }),
      )
      .max(1000)
      .describe('What was found of each binding. `UNKNOWN`: it could not be read.'),
    grace,
    dry_run: flag.optional().describe('Write nothing down.'),
  })
  .meta({ id: 'BindingFindings' })

const plans = z
  .strictObject({
    branches: z.array(
      z.strictObject({
        branch: resourceName('projects/app/branches/dev'),
        act: z.enum(['keep', 'wait', 'collect']),
        because: z.string().meta({ examples: ['WORKTREE_GONE'] }),
        collect_time: moment.optional().meta({ description: 'Of what waits: not before.' }),
        problem: z.string().optional().meta({ description: 'Of what is kept: why, in words.' }),
      }),
    ),
  })
  .meta({ id: 'CollectPlans', description: 'What becomes of the branches.' })

const collect = z.object({ grace }).meta({ id: 'BranchCollect' })

export const bindingRoutes = (actions: Actions): readonly Route[] => [
  route({
    method: 'POST',
    path: `${branch}/bindings`,
    summary: 'Bind a branch to a worktree',
    description:
      'Told again for the same host and `git_dir`, it is renewed. A branch that is a worktree’s own is deleted after a grace period once every worktree that it is bound to is gone, or its git branch or pull request.',
    operationId: 'bindBranch',
    tag: 'Branches',
    reply: { 200: bindingResource },
    access: 'identity',
    body: {
      schema: binding,
      wrapper: 'binding',
      example: {
        host: 'laptop/3f9a01bc77e0',
        git_dir: '/home/ann/app/.git/worktrees/pay',
        common_dir: '/home/ann/app/.git',
        root: '/home/ann/pay',
        device: '2049',
        root_device: '2049',
        git_ref: 'refs/heads/pay',
        is_own: true,
      },
    },
    subject: ({ caller, params }) => actions.getBranch(caller, params),
    handle: async ({ caller, params, body }) =>
      ok(
        await actions.bindBranch(caller, params, {
          ...readBoundTo(body),
          isOwn: body.is_own ?? false,
        }),
      ),
  }),
  route({
    method: 'GET',
    path: `${project}/bindings`,
    summary: 'List what branches are bound to',
    operationId: 'listBindings',
    tag: 'Branches',
    reply: { 200: pageOf('bindings', bindingResource).meta({ id: 'BindingPage' }) },
    refusals: ['PAGE_TOKEN_UNKNOWN'],
    access: 'identity',
    query: pageQuery.extend({ host: line(1, 200).optional().describe('Of this machine alone.') }),
    handle: async ({ caller, params, query }) =>
      ok(
        renderPage(
          'bindings',
          await actions.listBindings(caller, params, { ...readPage(query), host: query.host }),
        ),
      ),
  }),
  route({
    method: 'POST',
    path: `${project}/bindings/findings`,
    summary: 'Note what is left of bindings',
    description:
      'By whoever can look at the machine that they are of. Answers what becomes of each branch concerned; nothing is deleted by it.',
    operationId: 'noteBindingFindings',
    tag: 'Branches',
    reply: { 200: plans },
    refusals: ['BINDING_NOT_FOUND'],
    access: 'identity',
    body: {
      schema: noted,
      example: {
        findings: [
          {
            binding: '0193a5c0-0000-7000-8000-000000000000',
            update_time: '2026-11-23T08:00:00.000Z',
            found: 'WORKTREE_GONE',
          },
        ],
        dry_run: true,
      },
    },
    subject: ({ caller, params }) => actions.getProject(caller, params),
    async handle({ caller, params, body: { findings: found, grace: length, dry_run: isDry } }) {
      const input = {
        findings: found.map(({ update_time: updateTime, ...each }) => ({
          binding: each.binding as BindingUid,
          found: each.found,
          updateTime,
        })),
        grace: length,
      }
      const answer = isDry
        ? await actions.previewFindings(caller, params, input)
        : await actions.noteFindings(caller, params, input)
      return ok({ branches: answer.map(renderPlan) })
    },
  }),
  route({
    method: 'POST',
    path: `${branch}/collect`,
    summary: 'Delete a branch that is a left-over',
    description:
      'Refused unless all that it is bound to has been noted as gone for the grace period. It can be undeleted for 7 days, or until it would have ended.',
    operationId: 'collectBranch',
    tag: 'Branches',
    reply: { 200: branchOperation },
    refusals: ['BRANCH_IS_NO_LEFT_OVER'],
    access: 'identity',
    body: { schema: collect, example: {} },
    subject: ({ caller, params }) => actions.getBranch(caller, params),
    handle: async ({ caller, params, body }) =>
      ok(await actions.collectBranch(caller, params, { grace: body.grace })),
  }),
]

const readBoundTo = (fields: z.output<typeof binding>): BoundTo => ({
  host: fields.host,
  gitDir: fields.git_dir,
  commonDir: fields.common_dir,
  root: fields.root,
  device: fields.device,
  rootDevice: fields.root_device,
  ...defined({
    gitRef: fields.git_ref,
    commit: fields.commit,
    repository: fields.repository,
    pullRequest: fields.pull_request,
    agent: fields.agent,
    process: fields.process,
  }),
})

const renderPlan = ({ branch: name, plan }: BranchPlan) => ({
  branch: name,
  act: plan.act,
  because: plan.because,
  ...(plan.act === 'wait' ? { collect_time: rfc3339(plan.until) } : {}),
  ...(plan.act === 'keep' ? { problem: sayKept[plan.because] } : {}),
})
