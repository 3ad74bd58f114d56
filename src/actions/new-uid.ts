/** Uids: ours, random, never reused; those of branches and endpoints are valid DNS labels. */
import { customAlphabet } from 'nanoid'
import { v7 } from 'uuid'
import type {
  BaseUid,
  BindingUid,
  BranchUid,
  EndpointUid,
  IdentityUid,
  OperationUid,
  ProjectUid,
  SnapshotUid,
} from '../domain/names.ts'

const tail = customAlphabet('abcdefghijkmnpqrstuvwxyz23456789', 8)

const adjectives =
  'amber ancient autumn bitter blue bold brave bright broad broken calm cold cool crimson curly damp dark dawn deep dry dusty early fancy flat fresh gentle golden green hidden holy icy jolly late lively long lucky misty morning muddy nameless noble odd old orange patient plain polished proud purple quiet rapid red restless rough round royal shiny shy silent small snowy soft solid spring square steep still sunny super sweet tall tiny twilight wandering weathered white wild winter wispy young'.split(
    ' ',
  )
const nouns =
  'art band bar base bird block boat bonus bread breeze brook bush butterfly cake cell cherry cloud credit darkness dawn dew disk dream dust feather field fire firefly flower fog forest frog frost glade glitter grass hall hat haze heart hill king lab lake leaf limit math meadow mode moon morning mountain mouse mud night paper pine pond poetry pool queen rain recipe resonance rice river salad scene sea shadow shape silence sky smoke snow snowflake sound star sun sunset surf term thunder tooth tree truth union unit violet voice water waterfall wave wildflower wind wood'.split(
    ' ',
  )

const pick = (words: readonly string[]): string =>
  words[(crypto.getRandomValues(new Uint16Array(1))[0] ?? 0) % words.length] ?? 'lake'

export const newBranchUid = (): BranchUid =>
  `br-${pick(adjectives)}-${pick(nouns)}-${tail()}` as BranchUid
export const newEndpointUid = (): EndpointUid =>
  `ep-${pick(adjectives)}-${pick(nouns)}-${tail()}` as EndpointUid
export const newSnapshotUid = (): SnapshotUid =>
  `sn-${pick(adjectives)}-${pick(nouns)}-${tail()}` as SnapshotUid
export const newBaseUid = (): BaseUid =>
  `ba-${pick(adjectives)}-${pick(nouns)}-${tail()}` as BaseUid
export const newBindingUid = (): BindingUid => v7() as BindingUid
export const newProjectUid = (): ProjectUid => v7() as ProjectUid
export const newOperationUid = (): OperationUid => v7() as OperationUid
/** Digits, as SCIM ids of the service are; few enough for clients that make a number of them. */
export const newIdentityUid = (): IdentityUid =>
  String(crypto.getRandomValues(new BigUint64Array(1))[0] ?? 1n).slice(0, 15) as IdentityUid
