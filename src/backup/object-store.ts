/** What a place must be able to do: keep objects under keys, each whole or not at all. */

export interface ObjectStore {
  /** Of every object below a prefix, with its size in bytes; nothing there is an empty list. */
  list(prefix: string): Promise<ReadonlyMap<string, number>>
  /** `undefined`: it is not there. */
  get(key: string): Promise<Buffer | undefined>
  /** Whole when this returns, and durable after the next `settle`; replaces what was there. */
  put(key: string, bytes: Buffer): Promise<void>
  /** Makes durable all that was put. */
  settle(): Promise<void>
  /** What was put is durable at once, so that what a backup that was cut short has put can be trusted. */
  readonly keepsAtOnce: boolean
  /** Absent is success. */
  remove(key: string): Promise<void>
  /** A name of something at the place that is not below our own keys; `undefined`: there is nothing else. */
  foreign(own: (key: string) => boolean): Promise<string | undefined>
  close(): void
}
