/** Web addresses that a project's events are sent to. The secret that signs them is shown once. */
import { randomBytes } from 'node:crypto'
import { Fault } from '../domain/faults.ts'
import { type ProjectPath, printable, projectName } from '../domain/names.ts'
import {
  renderWebhook,
  type Webhook,
  type WebhookResource,
  webhookSecret,
} from '../domain/webhook.ts'
import { Secret } from '../lib/secret.ts'
import { findProject, lockProject, may } from './access.ts'
import type { Caller } from './actions.ts'
import { newOperationUid } from './new-uid.ts'
import type { Services } from './services.ts'

const mostOfProject = 16

export interface NewWebhook {
  readonly webhook: WebhookResource
  readonly secret: Secret
}

export async function createWebhook(
  { catalog, clock, secrets }: Services,
  caller: Caller,
  path: ProjectPath,
  { url }: { readonly url: string },
): Promise<NewWebhook> {
  const secret = new Secret(webhookSecret(randomBytes(32)))
  const sealedSecret = await secrets.seal(secret)
  return catalog.transaction(async (session) => {
    const project = await lockProject(session, path, may(caller, 'createWebhook'))
    if ((await session.webhooks.list(project.uid)).length >= mostOfProject) {
      throw new Fault('WEBHOOKS_TOO_MANY', { limit: mostOfProject })
    }
    const webhook: Webhook = {
      uid: newOperationUid(),
      projectUid: project.uid,
      url,
      sealedSecret,
      createdBy: caller.identity.uid,
      createTime: clock.now(),
      lastTime: undefined,
      lastProblem: undefined,
      lost: 0,
    }
    await session.webhooks.insert(webhook)
    return { webhook: renderWebhook(webhook, nameOf(path, webhook.uid)), secret }
  })
}

export async function listWebhooks(
  { catalog }: Services,
  caller: Caller,
  path: ProjectPath,
): Promise<readonly WebhookResource[]> {
  const project = await findProject(catalog, path.project, may(caller, 'listWebhooks'))
  const webhooks = await catalog.webhooks.list(project.uid)
  return webhooks.map((webhook) => renderWebhook(webhook, nameOf(path, webhook.uid)))
}

export async function deleteWebhook(
  { catalog }: Services,
  caller: Caller,
  path: ProjectPath,
  uid: string,
): Promise<void> {
  return catalog.transaction(async (session) => {
    const project = await lockProject(session, path, may(caller, 'deleteWebhook'))
    if (await session.webhooks.remove(project.uid, uid)) return
    throw new Fault('WEBHOOK_NOT_FOUND', { webhook: printable(uid) })
  })
}

const nameOf = ({ project }: ProjectPath, uid: string): string =>
  `${projectName(project)}/webhooks/${uid}`
