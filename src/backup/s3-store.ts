/**
 * A prefix of a bucket as a place, in AWS or in anything that speaks S3. Credentials are those of the
 * server's environment; they are never asked for, stored or logged. The client is large, so it is loaded
 * by the first backup that needs it.
 */
import type { S3Client } from '@aws-sdk/client-s3'
import { Fault } from '../domain/faults.ts'
import { printable } from '../domain/names.ts'
import type { ObjectStore } from './object-store.ts'

type Sdk = typeof import('@aws-sdk/client-s3')

export interface S3Place {
  /** As it was given. */
  readonly place: string
  readonly bucket: string
  /** Ends in `/`, or is empty. */
  readonly prefix: string
  readonly endpointUrl: string | undefined
}

export class S3Store implements ObjectStore {
  readonly keepsAtOnce = true
  readonly #at: S3Place
  readonly #sdk: Sdk
  readonly #client: S3Client

  private constructor(at: S3Place, sdk: Sdk) {
    this.#at = at
    this.#sdk = sdk
    this.#client = new sdk.S3Client({
      ...(at.endpointUrl === undefined ? {} : { endpoint: at.endpointUrl, forcePathStyle: true }),
      region: process.env.AWS_REGION ?? process.env.AWS_DEFAULT_REGION ?? 'us-east-1',
      requestHandler: { connectionTimeout: 5_000, requestTimeout: 120_000 }, // milliseconds
      // Each object is checked by its own hash; older stores do not know the newer checksum headers.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
    })
  }

  static async open(at: S3Place): Promise<S3Store> {
    return new S3Store(at, await import('@aws-sdk/client-s3'))
  }

  async list(prefix: string): Promise<ReadonlyMap<string, number>> {
    return this.#orFault(async () => {
      const found = new Map<string, number>()
      let token: string | undefined
      do {
        const page = await this.#client.send(
          new this.#sdk.ListObjectsV2Command({
            Bucket: this.#at.bucket,
            Prefix: `${this.#at.prefix}${prefix}/`,
            ContinuationToken: token,
          }),
        )
        for (const { Key: key = '', Size: size = 0 } of page.Contents ?? []) {
          found.set(key.slice(this.#at.prefix.length), size)
        }
        token = page.IsTruncated === true ? page.NextContinuationToken : undefined
      } while (token !== undefined)
      return found
    })
  }

  async get(key: string): Promise<Buffer | undefined> {
    return this.#orFault(async () => {
      try {
        const { Body: body } = await this.#client.send(
          new this.#sdk.GetObjectCommand({ Bucket: this.#at.bucket, Key: this.#keyOf(key) }),
        )
        return Buffer.from((await body?.transformToByteArray()) ?? [])
      } catch (error) {
        if (nameOf(error) === 'NoSuchKey') return undefined
        throw error
      }
    })
  }

  async put(key: string, bytes: Buffer): Promise<void> {
    await this.#orFault(() =>
      this.#client.send(
        new this.#sdk.PutObjectCommand({
          Bucket: this.#at.bucket,
          Key: this.#keyOf(key),
          Body: bytes,
        }),
      ),
    )
  }

  async settle(): Promise<void> {}

  async remove(key: string): Promise<void> {
    await this.#orFault(() =>
      this.#client.send(
        new this.#sdk.DeleteObjectCommand({ Bucket: this.#at.bucket, Key: this.#keyOf(key) }),
      ),
    )
  }

  async foreign(own: (key: string) => boolean): Promise<string | undefined> {
    return this.#orFault(async () => {
      const page = await this.#client.send(
        new this.#sdk.ListObjectsV2Command({
          Bucket: this.#at.bucket,
          Prefix: this.#at.prefix,
          Delimiter: '/',
        }),
      )
      const keys = [
        ...(page.Contents ?? []).map(({ Key: key = '' }) => key),
        ...(page.CommonPrefixes ?? []).map(({ Prefix: prefix = '' }) => prefix),
      ].map((key) => key.slice(this.#at.prefix.length).replace(/\/$/, ''))
      return keys.find((key) => key !== '' && !own(key))
    })
  }

  close(): void {
    this.#client.destroy()
  }

  #keyOf = (key: string): string => `${this.#at.prefix}${key}`

  async #orFault<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw faultOf(this.#at.place, error)
    }
  }
}

const nameOf = (error: unknown): string => (error instanceof Error ? error.name : '')
const refusals = new Set([
  'AccessDenied',
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
  'CredentialsProviderError',
  'ExpiredToken',
  'InvalidToken',
  'TokenRefreshRequired',
])
const network =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|ECONNRESET|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EPIPE|TimeoutError)$/

function faultOf(place: string, error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof Fault) return error
  const cause = { cause: error }
  const name = nameOf(error)
  const code = 'code' in error ? String(error.code) : ''
  const status = statusOf(error)
  if (name === 'NoSuchBucket') {
    return new Fault('BACKUP_PLACE_ABSENT', { place, problem: 'there is no such bucket' }, cause)
  }
  if (refusals.has(name) || status === 401 || status === 403) {
    const problem =
      name === 'CredentialsProviderError'
        ? 'its environment has no credentials for S3'
        : `the store answers ${printable(name)}`
    return new Fault('BACKUP_PLACE_REFUSED', { place, problem }, cause)
  }
  if (status === 507 || /QuotaExceeded|InsufficientStorage|XMinioStorageFull/.test(name)) {
    return new Fault('BACKUP_PLACE_FULL', { place }, cause)
  }
  if (network.test(code) || network.test(name) || (status !== undefined && status >= 500)) {
    const problem = status === undefined ? 'no connection' : `the store answers ${status}`
    return new Fault('BACKUP_PLACE_UNREACHABLE', { place, problem }, cause)
  }
  return status === undefined
    ? error
    : new Fault(
        'BACKUP_PLACE_INVALID',
        { place, problem: `the store answers ${printable(name)}` },
        cause,
      )
}

function statusOf(error: Error): number | undefined {
  const { $metadata: metadata } = error as { $metadata?: { httpStatusCode?: number } }
  return metadata?.httpStatusCode
}
