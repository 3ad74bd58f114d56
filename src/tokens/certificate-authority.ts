/**
 * A certificate authority of this installation's own, and the leaves that the gateway shows. The CA
 * is made once and trusted through one file; leaves live in memory and are made anew after a start.
 */
import 'reflect-metadata' // before x509, which registers its parts through it
import { randomBytes, type webcrypto } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as x509 from '@peculiar/x509'
import type { Layout } from '../domain/layout.ts'
import { writeDurableFile } from '../lib/durable-file.ts'
import { after, type Clock, days, type EpochMs, epochMs, hours, millis } from '../lib/time.ts'
import type { Certificate, CertificateAuthority } from '../ports/tokens.ts'

/** https://www.rfc-editor.org/rfc/rfc5480: ECDSA on P-256, the cheapest handshake. */
const keyAlgorithm = { name: 'ECDSA', namedCurve: 'P-256' } as const
const signingAlgorithm = { name: 'ECDSA', hash: 'SHA-256' } as const

const authorityLife = days(3_650)
const leafLife = days(365)
const renewBefore = days(30)
/** Begins in the past: the clock of a client may lag behind ours. */
const clockSkew = hours(1)
/** Names come from clients' TLS greetings in the end, so what is kept for them is bounded. */
const maxLeaves = 1_000

export interface AuthorityOptions {
  readonly layout: Layout
  readonly clock: Clock
}

interface Authority {
  readonly certificate: x509.X509Certificate
  readonly key: webcrypto.CryptoKey
}

interface Leaf {
  readonly certificate: Promise<Certificate>
  readonly renewAt: EpochMs
}

/** The file that clients may trust, beside the private one. */
export const authorityFile = (layout: Layout): string => join(layout.keys, 'ca.crt')

export async function openCertificateAuthority(
  options: AuthorityOptions,
): Promise<CertificateAuthority> {
  const { layout, clock } = options
  await mkdir(layout.keys, { recursive: true, mode: 0o700 })
  const authority = await openAuthority(join(layout.keys, 'ca.pem'), clock)
  const certificate = `${authority.certificate.toString('pem')}\n`
  await writeDurableFile(authorityFile(layout), certificate, 0o644)

  const leaves = new Map<string, Leaf>()
  return {
    certificate,
    leaf(names, addresses) {
      const key = JSON.stringify([[...names].sort(), [...addresses].sort()])
      const kept = leaves.get(key)
      leaves.delete(key)
      const leaf =
        kept !== undefined && clock.now() < kept.renewAt
          ? kept
          : startLeaf(authority, names, addresses, clock.now())
      leaves.set(key, leaf) // last in line again: the first of the map is the least used
      for (const oldest of leaves.keys()) {
        if (leaves.size <= maxLeaves) break
        leaves.delete(oldest)
      }
      leaf.certificate.catch(() => leaves.delete(key)) // a failure is not kept
      return leaf.certificate
    },
  }
}

/** Key and certificate in one file: a crash cannot leave one without the other. */
async function openAuthority(path: string, clock: Clock): Promise<Authority> {
  const pem = await readIfPresent(path)
  if (pem === undefined) return makeAuthority(path, clock.now())
  const parts = x509.PemConverter.decodeWithHeaders(pem)
  const key = parts.find(({ type }) => type === 'PRIVATE KEY')
  const certificate = parts.find(({ type }) => type === 'CERTIFICATE')
  if (key === undefined || certificate === undefined) {
    throw new Error(`${path} does not hold a private key and a certificate`)
  }
  return {
    certificate: new x509.X509Certificate(certificate.rawData),
    key: await crypto.subtle.importKey('pkcs8', key.rawData, keyAlgorithm, false, ['sign']),
  }
}

async function makeAuthority(path: string, now: EpochMs): Promise<Authority> {
  const keys = await crypto.subtle.generateKey(keyAlgorithm, true, ['sign', 'verify'])
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    // Told apart by a random part: a client may trust the CAs of two installations at once.
    name: `CN=Lakelet CA ${randomBytes(4).toString('hex')}`,
    ...validity(now, authorityLife),
    keys,
    signingAlgorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  await writeDurableFile(path, `${await pemOfKey(keys.privateKey)}${certificate.toString('pem')}\n`)
  return { certificate, key: keys.privateKey }
}

function startLeaf(
  authority: Authority,
  names: readonly string[],
  addresses: readonly string[],
  now: EpochMs,
): Leaf {
  const end = epochMs(Math.min(after(now, leafLife), authority.certificate.notAfter.getTime()))
  return {
    certificate: makeLeaf(authority, names, addresses, { now, end }),
    renewAt: after(end, millis(-renewBefore)),
  }
}

async function makeLeaf(
  authority: Authority,
  names: readonly string[],
  addresses: readonly string[],
  { now, end }: { now: EpochMs; end: EpochMs },
): Promise<Certificate> {
  const keys = await crypto.subtle.generateKey(keyAlgorithm, true, ['sign', 'verify'])
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    // Clients read the alternative names alone (RFC 9525); this is for people.
    subject: 'CN=Lakelet gateway',
    issuer: authority.certificate.subject,
    notBefore: new Date(after(now, millis(-clockSkew))),
    notAfter: new Date(end),
    publicKey: keys.publicKey,
    signingKey: authority.key,
    signingAlgorithm,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension([
        ...names.map((value) => ({ type: 'dns' as const, value })),
        ...addresses.map((value) => ({ type: 'ip' as const, value })),
      ]),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(authority.certificate),
    ],
  })
  return { chain: `${certificate.toString('pem')}\n`, key: await pemOfKey(keys.privateKey) }
}

const validity = (now: EpochMs, life: number) => ({
  notBefore: new Date(after(now, millis(-clockSkew))),
  notAfter: new Date(after(now, millis(life))),
})

/** RFC 5280 §4.1.2.2: positive, and at most 20 bytes; random, so that no two are equal. */
const serialNumber = (): string => `01${randomBytes(15).toString('hex')}`

async function pemOfKey(key: webcrypto.CryptoKey): Promise<string> {
  const pkcs8 = await crypto.subtle.exportKey('pkcs8', key)
  return `${x509.PemConverter.encode(pkcs8, 'PRIVATE KEY')}\n`
}

async function readIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}
