/**
 * One declaration per route: what it is called, what it takes, who may call it, and what it does.
 * The server runs it and the API document is generated from it, so neither can drift.
 */
import type { z } from 'zod'
import type { Caller } from '../actions/actions.ts'
import type { Tolerance } from '../domain/body-tolerance.ts'
import type { Reason } from '../domain/faults.ts'
import type { MaskFields } from '../domain/field-mask.ts'
import type {
  BranchId,
  DatabaseId,
  EndpointId,
  ProjectId,
  RoleId,
  SnapshotId,
} from '../domain/names.ts'
import type { Tag } from './tags.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** `public`: no token is asked for. `identity`: any valid token; what it may do, the action decides. */
export type Access = 'public' | 'identity'

export interface Reply {
  readonly status: 200 | 201 | 204 | 400 | 501
  readonly body?: unknown
  /** In place of `body`; its type is the `content-type` of `headers`. */
  readonly text?: string
  /** The same, as it comes; never held in memory as a whole. */
  readonly chunks?: AsyncIterable<Uint8Array>
  readonly headers?: Readonly<Record<string, string>>
}

export const ok = (body: unknown, headers: Readonly<Record<string, string>> = {}): Reply => ({
  status: 200,
  body,
  headers,
})

/** A reply without a body (204). */
export const noBody = { kind: 'none' } as const

/** A body that is no JSON; `chunks`: bytes of any length. */
export interface TextBody {
  readonly kind: 'text' | 'chunks'
  /** Such as `text/html`; its handler says it again in `headers`. */
  readonly contentType: string
}

/** JSON when it is a schema. Schemas of replies are strict: what they do not name may not be sent. */
export type ReplyBody = z.ZodType | typeof noBody | TextBody

/** What a route answers when it does not refuse: the body of each status. */
export type Replies = Readonly<Partial<Record<Reply['status'], ReplyBody>>>

export interface BodyDeclaration<S extends z.ZodType = z.ZodType> extends Tolerance {
  readonly schema: S
  /** An update: the query's `update_mask` chooses the fields, and only those are read. */
  readonly mask?: MaskFields
  /** Taken as it is, and what cannot be read counts as empty: for sinks that must not refuse. */
  readonly isLenient?: true
  /** For the API document: a good body, in the form of the contract. */
  readonly example?: unknown
}

/** Ids are parsed before the query and the body; other segments arrive decoded. */
interface ParsedIds {
  readonly project: ProjectId
  readonly branch: BranchId
  readonly endpoint: EndpointId
  readonly role: RoleId
  readonly database: DatabaseId
  readonly snapshot: SnapshotId
}

/** `{name}` is one segment, `{+name}` everything to the end of the path (RFC 6570). */
type NamesIn<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}`
  ? (Name extends `+${infer Greedy}` ? Greedy : Name) | NamesIn<Rest>
  : never

export type Params<Path extends string> = {
  readonly [Name in NamesIn<Path>]: Name extends keyof ParsedIds ? ParsedIds[Name] : string
}

export interface Call<Path extends string, A extends Access, Query, Body> {
  readonly params: Params<Path>
  readonly query: Query
  readonly body: Body
  readonly caller: A extends 'identity' ? Caller : undefined
  /** The `Host` header, when it is a host. */
  readonly host: string | undefined
}

interface Declaration<
  Path extends string,
  A extends Access,
  Q extends z.ZodType,
  B extends z.ZodType,
> {
  readonly method: Method
  readonly path: Path
  /** In the words of the glossary; the title in the API document. */
  readonly summary: string
  /** What the summary leaves open: plain sentences of Markdown for the API document. */
  readonly description?: string
  /** Name in generated clients: a verb and a noun, camelCase, unique, never changed (`createBranch`). */
  readonly operationId: string
  readonly tag: Tag
  readonly access: A
  readonly reply: Replies
  /**
   * Refusals of this route alone. Those that follow from what it takes (ids in the path, a query, a
   * body, a caller) are known without being named: refusals.ts.
   */
  readonly refusals?: readonly Reason[]
  readonly query?: Q
  readonly body?: BodyDeclaration<B>
  /**
   * Reads what the request is about. When the body is refused, this is asked first: that the project
   * is not there comes before what is wrong with the body.
   */
  readonly subject?: (
    call: Pick<Call<Path, A, never, never>, 'params' | 'caller'>,
  ) => Promise<unknown>
  readonly handle: (call: Call<Path, A, z.output<Q>, z.output<B>>) => Reply | Promise<Reply>
}

/** A route whose types have done their work. */
export interface Route {
  readonly method: Method
  readonly path: string
  readonly summary: string
  readonly description?: string
  readonly operationId: string
  readonly tag: Tag
  readonly access: Access
  readonly reply: Replies
  readonly refusals?: readonly Reason[]
  readonly query?: z.ZodType
  readonly body?: BodyDeclaration
  readonly subject?: (call: {
    readonly params: Readonly<Record<string, string>>
    readonly caller: Caller | undefined
  }) => Promise<unknown>
  readonly handle: (call: {
    readonly params: Readonly<Record<string, string>>
    readonly query: unknown
    readonly body: unknown
    readonly caller: Caller | undefined
    readonly host: string | undefined
  }) => Reply | Promise<Reply>
}

export const route = <
  const Path extends string,
  const A extends Access,
  Q extends z.ZodType = z.ZodUndefined,
  B extends z.ZodType = z.ZodUndefined,
>(
  declaration: Declaration<Path, A, Q, B>,
): Route => declaration as unknown as Route // the server passes exactly what the declaration asks
