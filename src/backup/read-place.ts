/** What a client gave as the place of backups, read and judged before anything is touched. */
import { isAbsolute, normalize } from 'node:path'
import { Fault } from '../domain/faults.ts'
import { printable } from '../domain/names.ts'
import type { BackupPlace } from '../ports/backups.ts'
import type { S3Place } from './s3-store.ts'

export type ReadPlace =
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 's3'; readonly at: S3Place }

export function readPlace({ place, endpointUrl }: BackupPlace): ReadPlace {
  const invalid = (problem: string) =>
    new Fault('BACKUP_PLACE_INVALID', { place: printable(place), problem })
  if (place.length > 1000 || /[\u0000-\u001f\u007f]/.test(place)) {
    throw invalid('it holds control characters, or is too long')
  }
  if (place.startsWith('s3://')) {
    const match = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/.exec(place)
    if (match === null) throw invalid('it does not look like s3://BUCKET/PREFIX')
    const prefix = (match[2] ?? '').replace(/\/+$/, '')
    if (prefix.split('/').some((part) => part === '.' || part === '..' || /\/\//.test(prefix))) {
      throw invalid('its prefix has an empty part, . or ..')
    }
    return {
      kind: 's3',
      at: {
        place,
        bucket: match[1] ?? '',
        prefix: prefix === '' ? '' : `${prefix}/`,
        endpointUrl: endpointUrl === undefined ? undefined : readEndpoint(endpointUrl, invalid),
      },
    }
  }
  if (endpointUrl !== undefined) throw invalid('an endpoint URL goes with s3:// alone')
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(place)) throw invalid('it is neither a directory nor s3://')
  if (!isAbsolute(place)) throw invalid('it is not an absolute path')
  const path = normalize(place).replace(/(?<=.)\/+$/, '')
  if (path === '/') throw invalid('it is the root directory')
  return { kind: 'directory', path }
}

function readEndpoint(text: string, invalid: (problem: string) => Fault): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw invalid('the endpoint URL is none of http or https')
  }
  if (url.username !== '' || url.password !== '') {
    throw invalid('the endpoint URL holds credentials, which belong into the environment')
  }
  return text
}
