/**
 * Where the provider keeps what it makes: rows of the catalog under hashed ids, sealed. Consuming is
 * atomic, so of two exchanges of one code exactly one wins, and both lose what was made of it.
 */
import type { Adapter, AdapterPayload } from 'oidc-provider'
import { recordKey, type SignIn } from '../actions/sign-in.ts'
import type { IdentityUid } from '../domain/names.ts'
import { type Clock, epochMs, seconds } from '../lib/time.ts'
import { servicePrincipalClient } from './clients.ts'
import { errors } from './oidc-provider.ts'
import { requestContext } from './request-context.ts'
import type { Seal } from './seal.ts'

export interface RecordAdapterOptions {
  readonly signIn: SignIn
  readonly seal: Seal
  readonly clock: Clock
}

export function recordAdapter(model: string, options: RecordAdapterOptions): Adapter {
  return model === 'Client' ? clientAdapter(options) : new RecordAdapter(model, options)
}

/** Clients that are not ours are the service principals; they are made by SCIM and never here. */
function clientAdapter({ signIn }: RecordAdapterOptions): Adapter {
  const refuse = () => Promise.reject(new Error('clients are not kept here'))
  return {
    find: async (id) => {
      const identity = await signIn.identityByLogin(id.toLowerCase())
      return identity?.kind === 'SERVICE_PRINCIPAL' ? servicePrincipalClient(id) : undefined
    },
    upsert: refuse,
    findByUserCode: refuse,
    findByUid: refuse,
    consume: refuse,
    destroy: refuse,
    revokeByGrantId: refuse,
  }
}

/** By what else a record is found than by its id. */
const aliases = { Session: 'uid', DeviceCode: 'userCode' } as const

class RecordAdapter implements Adapter {
  readonly #model: string
  readonly #options: RecordAdapterOptions

  constructor(model: string, options: RecordAdapterOptions) {
    this.#model = model
    this.#options = options
  }

  async upsert(id: string, payload: AdapterPayload, expiresIn: number): Promise<undefined> {
    const { signIn, seal, clock } = this.#options
    const alias = this.#aliasOf(payload)
    // An interaction only mentions a grant that may come and go before it.
    const grantId = this.#model === 'Interaction' ? undefined : payload.grantId
    const isKept = await signIn.records.save(
      {
        key: recordKey(this.#model, id),
        model: this.#model,
        sealed: await seal.close(payload),
        aliasKey: alias === undefined ? undefined : this.#aliasKey(alias),
        grantKey: grantId === undefined ? undefined : recordKey('Grant', grantId),
        identityUid: await this.#identityOf(payload),
        clientId: payload.clientId,
        secretId: requestContext().proof.secretId,
        expireTime: Number.isFinite(expiresIn)
          ? epochMs(clock.now() + seconds(expiresIn))
          : undefined,
      },
      clock.now(),
    )
    if (!isKept)
      throw new errors.InvalidGrant('the grant was revoked, or the identity or secret is gone')
    return undefined
  }

  async find(id: string): Promise<AdapterPayload | undefined> {
    const { signIn } = this.#options
    return this.#read(await signIn.records.find(recordKey(this.#model, id)))
  }

  async findByUid(uid: string): Promise<AdapterPayload | undefined> {
    const { signIn } = this.#options
    return this.#read(await signIn.records.findByAlias(this.#aliasKey(uid)))
  }

  findByUserCode(userCode: string): Promise<AdapterPayload | undefined> {
    return this.findByUid(userCode)
  }

  async consume(id: string): Promise<undefined> {
    const { signIn, clock } = this.#options
    if (await signIn.records.consume(recordKey(this.#model, id), clock.now())) return undefined
    // Somebody else was faster with the same one: a stolen one, so nothing of it may live on.
    const grantId = (await this.find(id))?.grantId
    if (grantId !== undefined) await signIn.records.remove(recordKey('Grant', grantId))
    throw new errors.InvalidGrant('it was used before')
  }

  async destroy(id: string): Promise<undefined> {
    await this.#options.signIn.records.remove(recordKey(this.#model, id))
    return undefined
  }

  async revokeByGrantId(grantId: string): Promise<undefined> {
    await this.#options.signIn.records.removeOfGrant(this.#model, recordKey('Grant', grantId))
    return undefined
  }

  async #read(
    stored: Awaited<ReturnType<SignIn['records']['find']>>,
  ): Promise<AdapterPayload | undefined> {
    if (stored === undefined) return undefined
    const payload = await this.#options.seal.open(stored.sealed)
    if (payload === undefined || stored.consumeTime === undefined) return payload
    return { ...payload, consumed: Math.floor(stored.consumeTime / seconds(1)) }
  }

  #aliasOf(payload: AdapterPayload): string | undefined {
    const field = aliases[this.#model as keyof typeof aliases]
    return field === undefined ? undefined : payload[field]
  }

  #aliasKey(alias: string): string {
    return recordKey(`${this.#model}.${aliases[this.#model as keyof typeof aliases]}`, alias)
  }

  async #identityOf({ accountId, clientId }: AdapterPayload): Promise<IdentityUid | undefined> {
    if (accountId !== undefined) return accountId as IdentityUid
    if (this.#model !== 'ClientCredentials' || clientId === undefined) return undefined
    const principal = await this.#options.signIn.identityByLogin(clientId.toLowerCase())
    if (principal === undefined) throw new errors.InvalidClient('the service principal is gone')
    return principal.uid
  }
}
