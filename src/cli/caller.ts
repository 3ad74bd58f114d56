/**
 * Whoever started this program, seen over standard input: it says something, once, and it is gone when the input ends. That is
 * true however it went, since the kernel closes the pipe of a process that was killed.
 */
export interface Caller {
  /** Resolves when it has said something; never rejects. */
  readonly told: Promise<void>
  /** Nothing keeps this process alive for it any longer. */
  leave(): void
}

export function hearCaller(onGone: () => void): Caller {
  const { stdin } = process
  const told = new Promise<void>((resolve) => stdin.once('data', () => resolve()))
  for (const event of ['end', 'error', 'close']) stdin.once(event, onGone)
  stdin.resume()
  return { told, leave: () => stdin.destroy() }
}
