/** What a place must be able to do: keep objects under keys, each whole or not at all. */

export interface ObjectStore {
  /** Of every object below a prefix, with its size in bytes; nothing there is an empty list. */
  list(prefix: string): Promise<ReadonlyMap<string, number>>
  /** `undefined`: it is not there. */
  get(key: string): Promise<Buffer | undefined>
  /** Durable and whole when this returns; replaces what was there. */
  put(key: string, bytes: Buffer): Promise<void>
  /** Absent is success. */
  remove(key: string): Promise<void>
  /** A name of something at the place that is not below our own keys; `undefined`: there is nothing else. */
  foreign(own: (key: string) => boolean): Promise<string | undefined>
  close(): void
}
